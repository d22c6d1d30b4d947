//! Lines that a child process writes, followed as they come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::HANG;

/// A growing list of lines; clones share it.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// Writers that have not ended yet.
    open: usize,
}

impl Lines {
    /// Collects what `from` says until it ends, on a thread of its own.
    pub fn follow(&self, from: impl Read + Send + 'static) {
        self.shared.state.lock().expect("lines").open += 1;
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            lines.shared.state.lock().expect("lines").open -= 1;
            lines.shared.grown.notify_all();
        });
    }

    fn push(&self, line: String) {
        self.shared.state.lock().expect("lines").lines.push(line);
        self.shared.grown.notify_all();
    }

    pub fn all(&self) -> Vec<String> {
        self.shared.state.lock().expect("lines").lines.clone()
    }

    /// How many lines there are; with [`Lines::find_after`] it tells new lines from old.
    pub fn len(&self) -> usize {
        self.shared.state.lock().expect("lines").lines.len()
    }

    /// Lines with all of these words, whatever their case.
    pub fn matching(&self, words: &[&str]) -> Vec<String> {
        self.all().into_iter().filter(|line| has_all(line, words)).collect()
    }

    /// The first line with all of these words, once it is there; panics after [`HANG`].
    pub fn wait_for(&self, words: &[&str]) -> String {
        self.find_after(0, words).unwrap_or_else(|| {
            panic!("no line with {words:?} in:\n{}", self.all().join("\n"));
        })
    }

    /// Waits until the writers have ended; false after [`HANG`].
    pub fn wait_end(&self) -> bool {
        let state = self.shared.state.lock().expect("lines");
        let writing = |state: &mut State| state.open > 0;
        let waited = self.shared.grown.wait_timeout_while(state, HANG, writing);
        !waited.expect("lines").1.timed_out()
    }

    /// Such a line from `start` on; `None` when the writers have ended, or after [`HANG`].
    pub fn find_after(&self, start: usize, words: &[&str]) -> Option<String> {
        self.nth_after(start, 0, words)
    }

    /// The same of such a line with `n` others before it.
    pub fn nth_after(&self, start: usize, n: usize, words: &[&str]) -> Option<String> {
        let until = Instant::now() + HANG;
        let mut state = self.shared.state.lock().expect("lines");
        loop {
            let new = state.lines.iter().skip(start);
            if let Some(line) = new.into_iter().filter(|line| has_all(line, words)).nth(n) {
                return Some(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.open == 0 || left.is_zero() {
                return None;
            }
            state = self.shared.grown.wait_timeout(state, left).expect("lines").0;
        }
    }
}

fn has_all(line: &str, words: &[&str]) -> bool {
    let line = line.to_lowercase();
    words.iter().all(|word| line.contains(&word.to_lowercase()))
}

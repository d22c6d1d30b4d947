//! How much of the log one kind of line may fill: a client that tries again and again, or a flood
//! of them, must not hide what others do.

use super::Moment;

/// Lines of one kind that are written in one window: enough to see what a person tries by hand.
const LINES_PER_WINDOW_MAX: u32 = 20;
const WINDOW_MILLIS: u64 = 5000;

/// The lines of the running window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    window: u32,
    lines: u32,
    left_out: u32,
}

impl Noise {
    /// Whether one more line is written, and how many were left out before it.
    pub fn line(&mut self, now: Moment) -> Option<u32> {
        let window = (now.0 / WINDOW_MILLIS) as u32;
        if window != self.window {
            (self.window, self.lines) = (window, 0);
        }
        if self.lines >= LINES_PER_WINDOW_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_a_few_lines_in_a_while_they_are_only_counted() {
        let mut noise = Noise::default();
        let mut written = |at: u64| noise.line(Moment(at));
        assert!((0..20).all(|at| written(at) == Some(0)));
        assert!((20..27).all(|at| written(at).is_none()));
        assert_eq!(written(5000), Some(7));
        assert_eq!(written(5001), Some(0));
    }
}

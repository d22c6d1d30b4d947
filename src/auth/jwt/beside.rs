//! Reads a file with keys beside the threads that serve: a disk that hangs costs a thread of those
//! that may block, and nobody waits for it any longer than a while.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::ring::KEYS_BYTES_MAX;
use crate::config::regular;

/// Keys are a small file.
const READ_WAIT: Duration = Duration::from_secs(5);
/// Of all rings together: those that hang hold a thread each, also when nobody waits any more.
const READING_COUNT_MAX: usize = 8;
static READING: Semaphore = Semaphore::const_new(READING_COUNT_MAX);

type Bytes = Result<Vec<u8>, String>;

/// What one ring reads.
pub struct Beside {
    /// It was not waited for to the end; nothing else is begun before it has one.
    late: Option<JoinHandle<Bytes>>,
    wait: Duration,
}

impl Default for Beside {
    fn default() -> Self {
        Beside { late: None, wait: READ_WAIT }
    }
}

impl Beside {
    /// All of a file.
    ///
    /// # Errors
    /// In words: those of the system; it is no file, too long, or not read in time.
    pub async fn read(&mut self, path: PathBuf) -> Bytes {
        let read = move || regular::read(&path, KEYS_BYTES_MAX as u64);
        self.run(move || read().map_err(|error| error.to_string())).await
    }

    async fn run(&mut self, read: impl FnOnce() -> Bytes + Send + 'static) -> Bytes {
        let reading = async {
            if self.late.is_none() {
                let place = READING.acquire().await.map_err(|error| error.to_string())?;
                let held = move || {
                    let _place = place;
                    read()
                };
                self.late = Some(tokio::task::spawn_blocking(held));
            }
            match &mut self.late {
                Some(reading) => reading.await.unwrap_or_else(|error| Err(error.to_string())),
                None => Err("nothing is read".into()),
            }
        };
        let read = tokio::time::timeout(self.wait, reading).await;
        let late = |_| {
            let seconds = self.wait.as_secs();
            format!("it was not read within {seconds} s: look at the disk or the network it is on")
        };
        let read = read.map_err(late)?;
        self.late = None;
        read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_nothing_is_begun_beside_it() {
        let mut beside = Beside { wait: Duration::from_millis(20), ..Beside::default() };
        let (release, hanging) = channel::<Vec<u8>>();
        let hangs = move || hanging.recv().map_err(|error| error.to_string());
        assert!(beside.run(hangs).await.unwrap_err().contains("was not read within"));
        let second = || -> Bytes { unreachable!("begun beside the one that hangs") };
        assert!(beside.run(second).await.unwrap_err().contains("was not read within"));
        release.send(b"late".to_vec()).unwrap();
        beside.wait = READ_WAIT;
        assert_eq!(beside.run(second).await, Ok(b"late".to_vec()));
        assert_eq!(beside.run(|| Ok(b"next".to_vec())).await, Ok(b"next".to_vec()));
        assert_eq!(beside.run(|| Err("no".into())).await, Err("no".into()));
    }
}

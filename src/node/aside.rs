//! What reads files for a reload, beside the threads that serve: a disk or a network that hangs
//! holds up that reload and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

/// Settings, certificates and keys are small files.
const READ_WAIT: Duration = Duration::from_secs(10);

pub struct Aside {
    /// Held while something is read, also when nobody waits for it any more.
    reading: Arc<Mutex<()>>,
    wait: Duration,
}

impl Default for Aside {
    fn default() -> Self {
        Aside { reading: Arc::default(), wait: READ_WAIT }
    }
}

impl Aside {
    /// # Errors
    /// Those of `read`; in words, if it takes too long or another one still does.
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let Ok(held) = self.reading.clone().try_lock_owned() else {
            return Err(format!("an earlier reload still waits for its files: {LOOK_AT}"));
        };
        let reading = tokio::task::spawn_blocking(move || {
            let _held = held;
            read()
        });
        match tokio::time::timeout(self.wait, reading).await {
            Ok(read) => read.unwrap_or_else(|error| Err(format!("the reload failed: {error}"))),
            Err(_) => {
                let seconds = self.wait.as_secs();
                Err(format!("the files were not read within {seconds} s: {LOOK_AT}"))
            }
        }
    }
}

const LOOK_AT: &str = "look at the disk or the network they are on, then reload again";

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_nothing_is_begun_beside_it() {
        let aside = Aside { wait: Duration::from_millis(20), ..Aside::default() };
        let (release, hanging) = channel::<()>();
        let late = aside.run(move || hanging.recv().map_err(|error| error.to_string())).await;
        assert!(late.unwrap_err().contains("were not read"));
        assert!(aside.run(|| Ok(())).await.unwrap_err().contains("an earlier reload"));
        release.send(()).unwrap();
        let free = aside.reading.clone().lock_owned().await;
        drop(free);
        let patient = Aside { wait: READ_WAIT, ..aside };
        assert_eq!(patient.run(|| Ok(7)).await, Ok(7));
        assert_eq!(patient.run(|| Err::<(), _>("no".into())).await, Err("no".into()));
    }
}

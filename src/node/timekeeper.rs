//! The timekeeper: looks at the clocks once a second and says what it sees.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::SystemClock;
use crate::clock::steady::{Jump, SETTLE};
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

const LOOK_EVERY: Duration = Duration::from_secs(1);

pub struct Timekeeper {
    pub clock: Arc<SystemClock>,
    pub metrics: Arc<Metrics>,
}

impl Timekeeper {
    pub async fn run(self) {
        loop {
            self.look();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn look(&self) {
        let jump = self.clock.look();
        self.metrics.clock_off_secs.set(self.clock.waits() / 1000);
        match jump {
            Some(Jump::Seen { by }) => {
                self.metrics.clock_jumps.inc();
                tracing::warn!("{}", seen(by));
            }
            Some(Jump::Over) => tracing::warn!("the clock is back: nothing was done by the other"),
            Some(Jump::Taken { by }) => tracing::warn!("{}", taken(by)),
            None => {}
        }
    }
}

/// Compares the clock of this start with the store.
///
/// # Errors
/// Those of [`Store::newest`].
pub async fn begin(clock: &SystemClock, store: &dyn Store) -> Result<(), StoreError> {
    let Some(newest) = store.newest().await? else { return Ok(()) };
    if let Some(off) = clock.begin(newest) {
        tracing::warn!(
            "the newest message in the store is {} older than the clock: if homing was not off for \
             so long, set the clock right; nothing is removed for its age in the next {} min",
            length(off),
            SETTLE.as_secs() / 60
        );
    }
    Ok(())
}

fn seen(by: i64) -> String {
    format!(
        "the clock is suddenly {}: homing goes on by the time it had, and takes the new one if the \
         clock stays there for {} min. If it is wrong, set it right before",
        apart(by),
        SETTLE.as_secs() / 60
    )
}

fn taken(by: i64) -> String {
    let ages = match by > 0 {
        true => "; until a restart nothing goes for its age before it is older by that, too",
        false => "",
    };
    format!("the clock has stayed {}: it is taken for right{ages}", apart(by))
}

fn apart(by: i64) -> String {
    let direction = if by > 0 { "ahead" } else { "behind" };
    format!("{} {direction}", length(Duration::from_millis(by.unsigned_abs())))
}

/// `3650d`, or `26h`, or `95s`: rounded, in the greatest unit of which there are two.
fn length(time: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let secs = time.as_secs();
    match secs {
        172_800.. => format!("{}d", (secs + DAY / 2) / DAY),
        7200.. => format!("{}h", (secs + HOUR / 2) / HOUR),
        _ => format!("{secs}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_told_in_words() {
        assert!(seen(86_400_999).starts_with("the clock is suddenly 24h ahead: "));
        assert!(seen(-3650 * 86_400_000).contains("3650d behind"));
        assert!(taken(95_000).contains("95s ahead"));
        assert!(!taken(-95_000).contains("until a restart"));
    }
}

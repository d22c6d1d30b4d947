//! The sweeper: walks all recipients page by page and has the store remove what may go.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::commit::Committer;
use crate::store::{Census, Sweep, Swept, Write, Written};

/// Recipients of one step; each step is one small transaction between all others.
const RECIPIENTS_PER_STEP: u32 = 500;
/// Steps of one round; the next round goes on where this one stopped. So a million recipients
/// cost one core about a hundredth of its time, and each is seen every quarter of an hour.
const STEPS_PER_ROUND: u32 = 20;

pub struct Sweeper {
    pub clock: Arc<SystemClock>,
    pub committer: Committer,
    pub metrics: Arc<Metrics>,
    pub config: Arc<ArcSwap<Config>>,
}

/// From the first recipient to the last: where it stands, and what it has counted.
#[derive(Default)]
struct Walk {
    place: i64,
    census: Census,
}

impl Sweeper {
    pub async fn run(self) {
        let mut walk = Walk::default();
        loop {
            let interval: Duration = self.config.load().store.sweep_interval.0;
            tokio::time::sleep(interval).await;
            self.round(&mut walk).await;
        }
    }

    /// Goes on where the last round stopped.
    async fn round(&self, walk: &mut Walk) {
        for _ in 0..STEPS_PER_ROUND {
            match self.committer.write(Write::Sweep(self.step(walk.place))).await {
                Ok(Written::Swept(swept)) => {
                    self.report(&swept);
                    walk.census += swept.census;
                    let Some(next) = swept.next else {
                        self.metrics.store.counted(walk.census);
                        *walk = Walk::default();
                        return;
                    };
                    walk.place = next;
                }
                Ok(_) => return *walk = Walk::default(),
                Err(error) => {
                    return tracing::warn!("the sweep stopped and goes on later: {error}");
                }
            }
        }
    }

    fn step(&self, after: i64) -> Sweep {
        let inbox = &self.config.load().inbox;
        // After a jump of the clock nobody knows how old that is which was there before.
        let doubt = self.clock.doubt();
        Sweep {
            after,
            recipients_max: RECIPIENTS_PER_STEP,
            retention: inbox.retention.0.saturating_add(doubt),
            messages_max: inbox.messages_max,
            device_ttl: inbox.device_ttl.0.saturating_add(doubt),
        }
    }

    fn report(&self, swept: &Swept) {
        for (removal, count) in &swept.removed {
            self.metrics.messages_removed(*removal).inc_by(*count);
        }
        self.metrics.sessions_expired.inc_by(swept.expired_sessions.len() as u64);
    }
}

//! The task that tells about the broker under `$SYS/broker`, every `topics.sys_interval`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::Moment;
use crate::net::{Mail, Mailbox};
use crate::store::Store;
use crate::sys::{Board, Reporter};

/// How soon it is seen that a reload has switched it on.
const OFF_LOOK_EVERY: Duration = Duration::from_secs(1);

pub struct SysTopics {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub store: Arc<dyn Store>,
    pub board: Arc<Board>,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub config: Arc<ArcSwap<Config>>,
}

impl SysTopics {
    pub async fn run(self) {
        let began = self.clock.moment();
        let (mut reporter, mut last) = (Reporter::default(), began);
        loop {
            let interval = self.config.load().topics.sys_interval.0;
            if interval.is_zero() {
                self.board.put(Vec::new());
                tokio::time::sleep(OFF_LOOK_EVERY).await;
                continue;
            }
            self.tell(&mut reporter, began, &mut last).await;
            tokio::time::sleep(interval).await;
        }
    }

    /// One worker hands the copies out, to whoever has subscribed.
    async fn tell(&self, reporter: &mut Reporter, began: Moment, last: &mut Moment) {
        match self.store.retained_count().await {
            Ok(count) => self.metrics.store.set_retained(count),
            Err(error) => tracing::debug!("retained messages could not be counted: {error}"),
        }
        let now = self.clock.moment();
        let passed = now.since(std::mem::replace(last, now));
        let figures = self.metrics.figures();
        let all = reporter.report(&figures, now.since(began), passed, self.clock.stamp());
        let changed = self.board.put(all);
        if let Some(mailbox) = self.mailboxes.first() {
            mailbox.post([Mail::Sys(changed)]);
        }
    }
}

//! Figures of the store: how long it takes, and what is in it.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::histogram;
use crate::store::Census;
use crate::store::commit::Batch;

/// A figure that is not known yet is no number.
type Seen = Gauge<f64, AtomicU64>;

pub struct StoreMetrics {
    append: Histogram,
    fsync: Histogram,
    connected: Seen,
    away: Seen,
    waiting: Seen,
    retained: Seen,
}

impl StoreMetrics {
    pub(super) fn new(registry: &mut Registry) -> StoreMetrics {
        const APPEND: &str = "One transaction of the store, its fsync included";
        const FSYNC: &str = "The COMMIT of a transaction: what makes it outlive a loss of power";
        const SESSIONS: &str = "Durable MQTT sessions, as the sweeper found them on its last walk";
        const WAITING: &str = "Stored messages that a device or session has still to acknowledge, \
                               as the sweeper found them on its last walk";
        const RETAINED: &str = "Retained messages, as counted every topics.sys_interval";
        let sessions = Family::<[(&'static str, &'static str); 1], Seen>::default();
        let append = histogram(registry, "store_append_seconds", APPEND);
        let fsync = histogram(registry, "store_fsync_seconds", FSYNC);
        registry.register("sessions", SESSIONS, sessions.clone());
        let waiting = Seen::default();
        registry.register("offline_queue_messages", WAITING, waiting.clone());
        let retained = Seen::default();
        registry.register("retained_messages", RETAINED, retained.clone());
        let state = |name| sessions.get_or_create_owned(&[("state", name)]);
        let all = StoreMetrics {
            append,
            fsync,
            connected: state("connected"),
            away: state("away"),
            waiting,
            retained,
        };
        for gauge in [&all.connected, &all.away, &all.waiting, &all.retained] {
            gauge.set(f64::NAN);
        }
        all
    }

    pub(super) fn committed(&self, batch: &Batch<'_>) {
        self.append.observe(batch.took.as_secs_f64());
        if let Some(synced) = batch.synced {
            self.fsync.observe(synced.as_secs_f64());
        }
    }

    /// Retained messages were counted.
    pub fn set_retained(&self, count: u64) {
        self.retained.set(count as f64);
    }

    pub fn away(&self) -> Option<u64> {
        known(&self.away)
    }

    pub fn waiting(&self) -> Option<u64> {
        known(&self.waiting)
    }

    pub fn retained(&self) -> Option<u64> {
        known(&self.retained)
    }

    /// The sweeper has seen the whole store.
    pub fn counted(&self, census: Census) {
        let Census { connected, away, waiting } = census;
        self.connected.set(connected as f64);
        self.away.set(away as f64);
        self.waiting.set(waiting as f64);
    }
}

fn known(figure: &Seen) -> Option<u64> {
    let count = figure.get();
    (!count.is_nan()).then_some(count as u64)
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn what_is_in_the_store_is_no_number_until_it_was_counted() {
        let metrics = Metrics::default();
        let has = |line: &str| assert!(metrics.text().unwrap().contains(line), "{line}");
        has("homing_offline_queue_messages NaN\n");
        has("homing_sessions{state=\"away\"} NaN\n");
        metrics.store.counted(Census { connected: 1, away: 2, waiting: 3 });
        has("homing_sessions{state=\"connected\"} 1.0\n");
        has("homing_sessions{state=\"away\"} 2.0\n");
        has("homing_offline_queue_messages 3.0\n");
    }
}

//! Figures of messages that wait for their time.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::{Count, Labelled, by_reason, counter, gauge};
use crate::model::Reason;

pub struct ScheduleMetrics {
    waiting: Gauge,
    fired: Count,
    refused: Labelled,
    lateness: Histogram,
}

impl ScheduleMetrics {
    pub(super) fn new(registry: &mut Registry) -> ScheduleMetrics {
        const WAITING: &str = "Messages that wait for their time, delayed wills too, as they were \
                               counted last, once a minute";
        const FIRED: &str = "Messages that waited for their time and went out";
        const REFUSED: &str = "Messages that waited and did not go out: what their owner may now";
        const LATENESS: &str = "How much later than it was due a message went out";
        // 10 ms to 11.6 h.
        let lateness = Histogram::new(exponential_buckets(0.01, 4.0, 12));
        let waiting = gauge(registry, "schedules", WAITING);
        let fired = counter(registry, "schedules_fired", FIRED);
        let refused = by_reason(registry, "schedules_refused", REFUSED, &[]);
        registry.register("schedule_lateness_seconds", LATENESS, lateness.clone());
        ScheduleMetrics { waiting, fired, refused, lateness }
    }

    /// So many wait now.
    pub fn counted(&self, waiting: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub fn fired(&self, late: Duration) {
        self.fired.inc();
        self.lateness.observe(late.as_secs_f64());
    }

    pub fn refused(&self, reason: Reason) {
        self.refused[reason as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn what_waits_goes_out_late_or_not_at_all() {
        let metrics = Metrics::default();
        metrics.schedules.counted(3);
        metrics.schedules.fired(Duration::from_secs(1));
        metrics.schedules.refused(Reason::Banned);
        for line in [
            "homing_schedules 3\n",
            "homing_schedules_fired_total 1\n",
            "homing_schedules_refused_total{reason=\"banned\"} 1\n",
            "homing_schedule_lateness_seconds_sum 1.0\n",
        ] {
            assert!(metrics.text().unwrap().contains(line), "{line}");
        }
    }
}

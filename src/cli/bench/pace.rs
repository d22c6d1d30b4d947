//! When a publisher may send and when it has sent enough.

use std::time::Duration;

/// How long and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Messages altogether; or as many as fit into `duration`.
    pub count: Option<u64>,
    pub duration: Duration,
    /// The time before it counts.
    pub warmup: Duration,
    /// Messages per second over all publishers; `None` sends as windows allow.
    pub rate: Option<u64>,
}

impl Pace {
    fn warmup_nanos(&self) -> u64 {
        if self.count.is_some() { 0 } else { self.warmup.as_nanos() as u64 }
    }

    /// Whether the measured time has begun, so long after the start.
    pub fn counts(&self, since: u64) -> bool {
        since >= self.warmup_nanos()
    }

    /// Whether everything is sent.
    pub fn enough(&self, since: u64, sent: u64) -> bool {
        match self.count {
            Some(count) => sent >= count,
            None => since >= self.warmup_nanos() + self.duration.as_nanos() as u64,
        }
    }

    /// When the message after `sent` others is due, after the start; 0 without a rate.
    pub fn due(&self, sent: u64) -> u64 {
        let nanos = |rate: u64| u128::from(sent) * 1_000_000_000 / u128::from(rate.max(1));
        self.rate.map_or(0, |rate| nanos(rate) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        count: None,
        duration: Duration::from_secs(10),
        warmup: Duration::from_secs(1),
        rate: None,
    };

    #[test]
    fn a_duration_begins_after_the_warmup() {
        assert!(!PACE.counts(999_999_999) && PACE.counts(1_000_000_000));
        assert!(!PACE.enough(10_999_999_999, u64::MAX) && PACE.enough(11_000_000_000, 0));
    }

    #[test]
    fn a_count_needs_no_warmup() {
        let pace = Pace { count: Some(5), ..PACE };
        assert!(pace.counts(0) && !pace.enough(u64::MAX, 4) && pace.enough(0, 5));
    }

    #[test]
    fn a_rate_spreads_messages_evenly() {
        let pace = Pace { rate: Some(3), ..PACE };
        let due = [0, 1, 3, 6].map(|sent| pace.due(sent));
        assert_eq!(due, [0, 333_333_333, 1_000_000_000, 2_000_000_000]);
        assert_eq!(PACE.due(1_000_000), 0);
    }
}

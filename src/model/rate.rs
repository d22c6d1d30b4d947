//! How much of something is allowed per second, and how much at once.

use super::limit::RATE_MAX;

/// So many per second on average, and so many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_sec: u64,
    burst: u64,
}

/// Parts of a second whose worth a burst must hold: timers fire about so often, and a smaller
/// burst would make the rate smaller than it says.
const BURST_PARTS: u64 = 10;

impl Rate {
    /// `None` outside of 1 to [`RATE_MAX`], or if the burst is less than a tenth of a second's.
    pub fn new(per_sec: u64, burst: u64) -> Option<Rate> {
        let bounds = 1..=RATE_MAX;
        let good = bounds.contains(&per_sec) && bounds.contains(&burst);
        (good && burst >= per_sec / BURST_PARTS).then_some(Rate { per_sec, burst })
    }

    pub fn per_sec(self) -> u64 {
        self.per_sec
    }

    pub fn burst(self) -> u64 {
        self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_neither_nothing_nor_beyond_all_bounds() {
        assert!(Rate::new(1, 1).is_some() && Rate::new(RATE_MAX, RATE_MAX).is_some());
        for (per_sec, burst) in [(0, 1), (1, 0), (RATE_MAX + 1, 1), (1, RATE_MAX + 1), (100, 9)] {
            assert_eq!(Rate::new(per_sec, burst), None);
        }
    }
}

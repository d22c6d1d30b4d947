//! Log lines of which a flood would write thousands: some in a while, then only the number of those
//! that were left out.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::model::Noise;

/// Lines of one kind, shared by all who write them.
pub struct Seldom {
    clock: Arc<dyn Clock>,
    noise: Mutex<Noise>,
}

impl Seldom {
    pub fn new(clock: Arc<dyn Clock>) -> Seldom {
        Seldom { clock, noise: Mutex::default() }
    }

    /// `None` if this one is left out, else how many were since the last one, if any. For the field
    /// `left_out` of the line.
    pub fn say(&self) -> Option<Option<u32>> {
        let mut noise = self.noise.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = noise.line(self.clock.moment())?;
        Some((left_out > 0).then_some(left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_flood_is_told_by_a_few_lines_and_the_number_of_the_others() {
        let clock = Arc::new(ManualClock::default());
        let seldom = Seldom::new(clock.clone());
        let said = (0..1000).filter(|_| seldom.say() == Some(None)).count();
        assert!((1..100).contains(&said), "{said}");
        clock.advance(Duration::from_secs(5));
        assert_eq!(seldom.say(), Some(Some(1000 - said as u32)));
        assert_eq!(seldom.say(), Some(None));
    }
}

//! Log lines of which a flood of connections would write thousands: one a second, with the number
//! of those that were left out.

use std::sync::Mutex;
use std::time::Duration;

use super::locked;
use crate::model::Moment;

const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Seldom(Mutex<State>);

#[derive(Default)]
struct State {
    next: Moment,
    left_out: u64,
}

impl Seldom {
    /// How many were left out since the last one; `None` if this one is left out too.
    pub fn say(&self, now: Moment) -> Option<u64> {
        let mut state = locked(&self.0);
        if now < state.next {
            state.left_out += 1;
            return None;
        }
        state.next = now.after(PAUSE);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_is_said_and_none_forgotten() {
        let seldom = Seldom::default();
        let all = [0, 10, 999, 1000, 1500, 9000].map(|at| seldom.say(Moment(at)));
        assert_eq!(all, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

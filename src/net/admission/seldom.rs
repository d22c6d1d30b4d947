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
    /// `None` if this one is left out, else how many were since the last one, if any.
    pub fn say(&self, now: Moment) -> Option<Option<u64>> {
        let mut state = locked(&self.0);
        if now < state.next {
            state.left_out += 1;
            return None;
        }
        state.next = now.after(PAUSE);
        let left_out = std::mem::take(&mut state.left_out);
        Some((left_out > 0).then_some(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_is_said_and_none_forgotten() {
        let seldom = Seldom::default();
        let all = [0, 10, 999, 1000, 1500, 9000].map(|at| seldom.say(Moment(at)));
        assert_eq!(all, [Some(None), None, None, Some(Some(2)), None, Some(Some(1))]);
    }
}

//! How often one address may ask: a rate with room for a burst, remembered for a bounded number of
//! addresses. Time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::source_of;
use crate::model::Moment;

/// Addresses that asked lately; while there are more, new ones wait.
const ADDRESSES_COUNT_MAX: usize = 16 * 1024;
/// What may come at once, as what comes evenly in this time.
const BURST_MICROS: u64 = 5_000_000;
/// For an address that finds no room.
const CROWDED_WAIT: Duration = Duration::from_secs(1);

/// The generic cell rate algorithm: for each address, when its next question would be due if all
/// came evenly.
pub struct Rate {
    step_micros: u64,
    due: Mutex<HashMap<IpNet, u64>>,
}

impl Rate {
    pub fn per_second(count: u32) -> Rate {
        Rate { step_micros: 1_000_000 / u64::from(count.max(1)), due: Mutex::default() }
    }

    /// # Errors
    /// After what time to ask again.
    pub fn take(&self, ip: IpAddr, now: Moment) -> Result<(), Duration> {
        let now = now.0 * 1000;
        let ip = source_of(ip);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= ADDRESSES_COUNT_MAX && !due.contains_key(&ip) {
            due.retain(|_, due| *due > now);
            if due.len() >= ADDRESSES_COUNT_MAX {
                return Err(CROWDED_WAIT);
            }
        }
        let next = due.get(&ip).copied().unwrap_or(now).max(now) + self.step_micros;
        let ahead = next - now;
        if ahead > BURST_MICROS.max(self.step_micros) {
            return Err(Duration::from_micros(ahead - BURST_MICROS));
        }
        due.insert(ip, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_taken_and_then_one_per_step() {
        let rate = Rate::per_second(10);
        let ask = |millis| rate.take(ip("10.0.0.1"), Moment(millis));
        assert!((0..50).all(|_| ask(0).is_ok()));
        assert_eq!(ask(0), Err(Duration::from_millis(100)));
        assert_eq!(ask(60), Err(Duration::from_millis(40)));
        assert_eq!((ask(100), ask(100).is_err()), (Ok(()), true));
        assert!(rate.take(ip("10.0.0.2"), Moment(100)).is_ok());
        assert!((0..50).all(|_| ask(10_000).is_ok()) && ask(10_000).is_err());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let rate = Rate::per_second(1);
        for n in 0..5 {
            assert!(rate.take(ip(&format!("2001:db8::{n}")), Moment(0)).is_ok());
        }
        assert!(rate.take(ip("2001:db8::ffff:1"), Moment(0)).is_err());
        assert!(rate.take(ip("2001:db8:0:1::1"), Moment(0)).is_ok());
        for _ in 0..5 {
            assert!(rate.take(ip("10.0.0.1"), Moment(0)).is_ok());
        }
        assert!(rate.take(ip("::ffff:10.0.0.1"), Moment(0)).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_in_time() {
        let rate = Rate::per_second(1);
        let address = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        for n in 0..ADDRESSES_COUNT_MAX as u32 {
            assert!(rate.take(address(n), Moment(0)).is_ok());
        }
        assert_eq!(rate.take(address(u32::MAX), Moment(0)), Err(CROWDED_WAIT));
        assert!(rate.take(address(7), Moment(0)).is_ok());
        assert!(rate.take(address(u32::MAX), Moment(1000)).is_ok());
        assert_eq!(rate.due.lock().unwrap().len(), 2);
    }
}

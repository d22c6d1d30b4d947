//! How often each address may ask, for a bounded number of addresses. Time is an argument.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::source_of;
use crate::model::{Moment, Rate};
use crate::throttle::{Bounded, Bucket};

/// Addresses that are remembered.
const ADDRESSES_COUNT_MAX: usize = 32 * 1024;

/// See the module's documentation.
pub struct Asks {
    /// `None` is no limit.
    rate: Option<Rate>,
    addresses: Mutex<Bounded<IpNet, Bucket>>,
}

impl Asks {
    pub fn new(rate: Option<Rate>) -> Asks {
        Asks { rate, addresses: Mutex::new(Bounded::new(ADDRESSES_COUNT_MAX)) }
    }

    /// # Errors
    /// After what time to ask again.
    pub fn take(&self, ip: IpAddr, now: Moment) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = addresses.entry(source_of(ip), || Bucket::full(rate, now));
        bucket.queue(rate, now, Duration::ZERO).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_taken_and_then_so_many_per_second() {
        let asks = Asks::new(Rate::new(10, 50));
        let ask = |millis| asks.take(ip("10.0.0.1"), Moment(millis));
        assert!((0..50).all(|_| ask(0).is_ok()));
        assert_eq!(ask(0), Err(Duration::from_millis(100)));
        assert_eq!(ask(60), Err(Duration::from_millis(40)));
        assert_eq!((ask(100), ask(100).is_err()), (Ok(()), true));
        assert!(asks.take(ip("10.0.0.2"), Moment(100)).is_ok());
        assert!((0..50).all(|_| ask(10_000).is_ok()) && ask(10_000).is_err());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let asks = Asks::new(Rate::new(1, 5));
        for n in 0..5 {
            assert!(asks.take(ip(&format!("2001:db8::{n}")), Moment(0)).is_ok());
        }
        assert!(asks.take(ip("2001:db8::ffff:1"), Moment(0)).is_err());
        assert!(asks.take(ip("2001:db8:0:1::1"), Moment(0)).is_ok());
        for _ in 0..5 {
            assert!(asks.take(ip("10.0.0.1"), Moment(0)).is_ok());
        }
        assert!(asks.take(ip("::ffff:10.0.0.1"), Moment(0)).is_err());
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let asks = Asks::new(None);
        assert!((0..1000).all(|_| asks.take(ip("10.0.0.1"), Moment(0)).is_ok()));
    }
}

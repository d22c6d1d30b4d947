//! Places for connections. When all are taken, one goes that waits for nothing from here: the
//! oldest of the address that has the most of them. Whose login is being checked stays.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::Notify;

use super::CONNECTIONS_COUNT_MAX;
use crate::auth::source_of;

/// All connections of one listener.
#[derive(Clone, Default)]
pub struct Visitors(Arc<Mutex<Inner>>);

/// In the order of their coming.
#[derive(Default)]
struct Inner {
    here: BTreeMap<u64, Here>,
    arrived: u64,
}

struct Here {
    source: IpNet,
    checked: bool,
    go: Arc<Notify>,
}

/// One connection's place, until it is dropped.
pub struct Place {
    visitors: Visitors,
    number: u64,
    go: Arc<Notify>,
}

/// A login of this connection is being checked, until this is dropped.
pub struct Checking<'a>(&'a Place);

impl Visitors {
    pub fn enter(&self, ip: IpAddr) -> Place {
        let (mut inner, go) = (self.inner(), Arc::new(Notify::new()));
        inner.arrived += 1;
        let number = inner.arrived;
        let here = Here { source: source_of(ip), checked: false, go: go.clone() };
        inner.here.insert(number, here);
        inner.make_room();
        Place { visitors: self.clone(), number, go }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// So that one place is free for the next.
    fn make_room(&mut self) {
        if self.here.len() < CONNECTIONS_COUNT_MAX {
            return;
        }
        let mut counts: HashMap<IpNet, usize> = HashMap::new();
        self.here.values().for_each(|here| *counts.entry(here.source).or_default() += 1);
        let idle = self.here.iter().filter(|(_, here)| !here.checked);
        let rank = |number, here: &Here| (counts.get(&here.source).copied(), Reverse(number));
        let first = idle.max_by_key(|(number, here)| rank(**number, here));
        if let Some(gone) = first.map(|(number, _)| *number).and_then(|n| self.here.remove(&n)) {
            gone.go.notify_one();
        }
    }
}

impl Place {
    /// Once it is known who is behind a load balancer.
    pub fn comes_from(&self, ip: IpAddr) {
        if let Some(here) = self.visitors.inner().here.get_mut(&self.number) {
            here.source = source_of(ip);
        }
    }

    /// Told when others need the place.
    pub fn go(&self) -> Arc<Notify> {
        self.go.clone()
    }

    pub fn check(&self) -> Checking<'_> {
        self.set_checked(true);
        Checking(self)
    }

    fn set_checked(&self, checked: bool) {
        let mut inner = self.visitors.inner();
        if let Some(here) = inner.here.get_mut(&self.number) {
            here.checked = checked;
        }
        inner.make_room();
    }
}

impl Drop for Checking<'_> {
    fn drop(&mut self) {
        self.0.set_checked(false);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.visitors.inner().here.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(visitors: &Visitors, last: u8, count: usize) -> Vec<Place> {
        (0..count).map(|_| visitors.enter([10, 0, 0, last].into())).collect()
    }

    /// Who was told to go, by number.
    fn gone(places: &[&Place]) -> Vec<u64> {
        let is_here = |place: &Place| place.visitors.inner().here.contains_key(&place.number);
        places.iter().filter(|place| !is_here(place)).map(|place| place.number).collect()
    }

    /// Threat W12.
    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_of_the_most_goes() {
        let visitors = Visitors::default();
        let good = enter(&visitors, 1, 1);
        let flood = enter(&visitors, 2, CONNECTIONS_COUNT_MAX - 2);
        let all: Vec<&Place> = good.iter().chain(&flood).collect();
        assert_eq!(gone(&all), [0; 0]);
        let more = enter(&visitors, 3, 2);
        assert_eq!(gone(&all), [2, 3]);
        flood[0].go().notified().await;
        assert_eq!(gone(&[&more[0], &more[1]]), [0; 0]);
        drop((good, flood, more));
        assert!(visitors.inner().here.is_empty());
    }

    #[test]
    fn whose_login_is_checked_stays_until_it_is_decided() {
        let visitors = Visitors::default();
        let all = enter(&visitors, 1, CONNECTIONS_COUNT_MAX - 1);
        let all: Vec<&Place> = all.iter().collect();
        let mut checks: Vec<Checking> = all[..10].iter().map(|place| place.check()).collect();
        let _next = enter(&visitors, 2, 1);
        assert_eq!(gone(&all), [11]);
        drop(checks.swap_remove(0));
        let _another = enter(&visitors, 2, 1);
        assert_eq!(gone(&all), [1, 11]);
    }
}

//! Who connects too often is banned: one write for each at a time, and again while there is no ban.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::greet::Gate;
use super::watched::spawn_apart;
use crate::auth::BanBook;
use crate::clock::Clock;
use crate::log::Seldom;
use crate::metrics::{Flapper, Metrics};
use crate::model::{BanReason, BanTarget};

/// Those whose ban is being stored.
#[derive(Clone)]
pub struct Banning(Arc<Shared>);

struct Shared {
    all: Mutex<HashSet<BanTarget>>,
    /// While the store takes nothing, every further connect is one.
    failures: Seldom,
}

/// One of them, until this is dropped.
struct Begun {
    all: Banning,
    target: BanTarget,
}

impl Banning {
    pub fn new(clock: Arc<dyn Clock>) -> Banning {
        Banning(Arc::new(Shared { all: Mutex::default(), failures: Seldom::new(clock) }))
    }

    fn begin(&self, target: &BanTarget) -> Option<Begun> {
        let new = self.with(|all| all.insert(target.clone()));
        new.then(|| Begun { all: self.clone(), target: target.clone() })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashSet<BanTarget>) -> T) -> T {
        act(&mut self.0.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Begun {
    async fn ban(self, bans: &BanBook, metrics: &Metrics, length: Duration) {
        let who = &self.target;
        let reason = BanReason::parse("connects too often (limits.flapping)");
        match bans.add(who.clone(), length, reason.unwrap_or_default()).await {
            Ok(_) => _ = metrics.doors.flapping_bans(flapper(who)).inc(),
            Err(error) => {
                if let Some(left_out) = self.all.0.failures.say() {
                    tracing::error!(
                        left_out,
                        "{who} connects too often, but is not banned: {error}"
                    );
                }
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.all.with(|all| all.remove(&self.target));
    }
}

impl Gate {
    /// Keeps out who connects too often; its connections end when the ban is stored. If it cannot
    /// be stored, the next one of them tries again.
    pub(super) fn ban_flapper(&self, flapping: Option<(BanTarget, Duration)>) {
        let Some((target, length)) = flapping else { return };
        let Some(begun) = self.banning.begin(&target) else { return };
        if self.bans.now().has(&target, self.clock.stamp()) {
            return;
        }
        let (bans, metrics) = (self.bans.clone(), self.metrics.clone());
        let banning = async move { begun.ban(&bans, &metrics, length).await };
        let metrics = self.metrics.clone();
        spawn_apart(banning, move || _ = metrics.panics.inc());
    }
}

fn flapper(target: &BanTarget) -> Flapper {
    match target {
        BanTarget::User(_) => Flapper::User,
        BanTarget::Net(_) => Flapper::Address,
        BanTarget::Client(_) | BanTarget::Device(..) => Flapper::Client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AccountWriter, BanParts};
    use crate::clock::ManualClock;
    use crate::model::Uid;
    use crate::store::{MemoryStore, StoreError, StoreLimits};

    #[test]
    fn one_is_banned_once_at_a_time() {
        let user = |uid: &str| BanTarget::User(Uid::parse(uid).unwrap());
        let banning = Banning::new(Arc::new(ManualClock::default()));
        let begun = banning.begin(&user("bob"));
        assert!(begun.is_some() && banning.begin(&user("bob")).is_none());
        assert!(banning.begin(&user("eve")).is_some());
        drop(begun);
        assert!(banning.begin(&user("bob")).is_some());
    }

    async fn book(clock: Arc<ManualClock>, writer: AccountWriter) -> BanBook {
        let limits = StoreLimits { messages_max: 1, session_expiry_max: Duration::ZERO };
        let store = Arc::new(MemoryStore::new(limits));
        let parts = BanParts { store, writer, clock, banned: Arc::new(|_| {}) };
        BanBook::open(parts).await.unwrap()
    }

    #[tokio::test]
    async fn a_ban_that_cannot_be_stored_is_not_counted_and_seldom_told() {
        let (clock, metrics) = (Arc::new(ManualClock::default()), Metrics::default());
        let banning = Banning::new(clock.clone());
        let eve = BanTarget::User(Uid::parse("eve").unwrap());
        let count = metrics.doors.flapping_bans(Flapper::User);
        let fails = || async { Err(StoreError::Open("read-only".into())) };
        let bans = book(clock.clone(), Arc::new(move |_| Box::pin(fails()))).await;
        for _ in 0..100 {
            let begun = banning.begin(&eve).unwrap();
            begun.ban(&bans, &metrics, Duration::from_secs(60)).await;
        }
        assert_eq!((count.get(), banning.0.failures.say()), (0, None));
        let bans = book(clock, Arc::new(|_| Box::pin(async { Ok(()) }))).await;
        banning.begin(&eve).unwrap().ban(&bans, &metrics, Duration::from_secs(60)).await;
        assert_eq!(count.get(), 1);
    }
}

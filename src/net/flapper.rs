//! Who connects too often is banned: one write for each at a time, and again while there is no ban.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::greet::Gate;
use super::watched::spawn_apart;
use crate::metrics::Flapper;
use crate::model::{BanReason, BanTarget};

/// Those whose ban is being stored.
#[derive(Clone, Default)]
pub struct Banning(Arc<Mutex<HashSet<BanTarget>>>);

/// One of them, until this is dropped.
struct Begun {
    all: Banning,
    target: BanTarget,
}

impl Banning {
    fn begin(&self, target: &BanTarget) -> Option<Begun> {
        let new = self.with(|all| all.insert(target.clone()));
        new.then(|| Begun { all: self.clone(), target: target.clone() })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashSet<BanTarget>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.metrics.doors.flapping_bans(flapper(&target)).inc();
        let bans = self.bans.clone();
        let metrics = self.metrics.clone();
        let banning = async move {
            let reason = BanReason::parse("connects too often (limits.flapping)");
            let banned = bans.add(target.clone(), length, reason.unwrap_or_default()).await;
            if let Err(error) = banned {
                tracing::error!("{target} connects too often, but could not be banned: {error}");
            }
            drop(begun);
        };
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
    use crate::model::Uid;

    #[test]
    fn one_is_banned_once_at_a_time() {
        let user = |uid: &str| BanTarget::User(Uid::parse(uid).unwrap());
        let banning = Banning::default();
        let begun = banning.begin(&user("bob"));
        assert!(begun.is_some() && banning.begin(&user("bob")).is_none());
        assert!(banning.begin(&user("eve")).is_some());
        drop(begun);
        assert!(banning.begin(&user("bob")).is_some());
    }
}

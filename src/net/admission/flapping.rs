//! Who connects again and again: counted per device, user and address, and named to be banned. A
//! device and a user count only when the password was right, so that nobody gets another one
//! banned.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ipnet::IpNet;

use super::{Admission, locked};
use crate::model::{BanTarget, Moment, SessionKey};
use crate::throttle::Bounded;

/// Devices, users and addresses that are counted, together.
const COUNTED_COUNT_MAX: usize = 128 * 1024;

/// `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlappingLimits {
    pub window: Duration,
    pub per_client_max: Option<u32>,
    pub per_user_max: Option<u32>,
    pub per_ip_max: Option<u32>,
    pub ban: Duration,
}

/// By a keyed hash of what is counted; that two fall together is as good as impossible.
pub struct Flapping {
    hasher: RandomState,
    counts: Bounded<u64, Count>,
}

/// Small, since each device that connects leaves one.
#[derive(Clone, Copy)]
struct Count {
    /// The number of the window since the process started.
    window: u32,
    count: u32,
}

impl Flapping {
    pub fn new() -> Flapping {
        Flapping { hasher: RandomState::new(), counts: Bounded::new(COUNTED_COUNT_MAX) }
    }

    /// True for each one beyond the limit.
    fn is_too_often(
        &mut self,
        target: &BanTarget,
        max: Option<u32>,
        window: Duration,
        now: Moment,
    ) -> bool {
        let Some(max) = max else { return false };
        let key = self.hasher.hash_one(target);
        let window = (now.0 / window.as_millis().max(1) as u64) as u32;
        let new = Count { window, count: 0 };
        let counted = self.counts.entry(key, || new);
        if counted.window != window {
            *counted = new;
        }
        counted.count = counted.count.saturating_add(1);
        counted.count > max
    }
}

impl Admission {
    /// An address sent a CONNECT: whom to ban for it, and for how long.
    pub fn address_connects(&self, source: IpNet) -> Option<(BanTarget, Duration)> {
        let limits = self.limits.load().flapping;
        self.comes_too_often(BanTarget::Net(source), limits.per_ip_max, limits)
    }

    /// A device logged in: whom to ban for it, and for how long.
    pub fn device_connects(&self, key: &SessionKey) -> Option<(BanTarget, Duration)> {
        let limits = self.limits.load().flapping;
        let device = BanTarget::Device(key.uid.clone(), key.client_id.clone());
        let named = !key.client_id.is_empty();
        let banned = named.then(|| self.comes_too_often(device, limits.per_client_max, limits));
        // Anonymous clients are not one user.
        let named = !key.uid.is_anonymous();
        let user = BanTarget::User(key.uid.clone());
        let user = named.then(|| self.comes_too_often(user, limits.per_user_max, limits));
        user.flatten().or(banned.flatten())
    }

    fn comes_too_often(
        &self,
        target: BanTarget,
        max: Option<u32>,
        limits: FlappingLimits,
    ) -> Option<(BanTarget, Duration)> {
        let now = self.clock.moment();
        let mut flapping = locked(&self.flapping);
        flapping.is_too_often(&target, max, limits.window, now).then_some((target, limits.ban))
    }
}

#[cfg(test)]
mod tests {
    use super::super::AdmissionLimits;
    use super::super::testing::{NO_LIMITS, admission};
    use super::*;
    use crate::auth::source_of;
    use crate::model::{ClientId, Uid};

    fn key(client_id: &str) -> SessionKey {
        let (uid, client_id) = (Uid::parse("bob").unwrap(), ClientId::parse(client_id).unwrap());
        SessionKey { uid, client_id }
    }

    #[test]
    fn each_is_named_while_it_is_beyond_its_limit() {
        let flapping = FlappingLimits {
            per_client_max: Some(2),
            per_user_max: Some(4),
            per_ip_max: Some(1),
            ..NO_LIMITS.flapping
        };
        let (admission, clock) = admission(AdmissionLimits { flapping, ..NO_LIMITS });
        let mut named = |client_id| {
            let banned = admission.device_connects(&key(client_id));
            banned.map(|(target, _)| target.to_string())
        };
        let device = Some("client phone of user bob".into());
        let user = Some("user bob".into());
        let all = ["phone", "phone", "phone", "phone", "laptop", ""].map(&mut named);
        assert_eq!(all, [None, None, device.clone(), device, user.clone(), user]);
        clock.advance(flapping.window);
        assert_eq!([named("phone"), named("phone")], [None, None]);
        let source = source_of([10, 0, 0, 1].into());
        assert_eq!(admission.address_connects(source), None);
        let ban = Some((BanTarget::Net(source), flapping.ban));
        assert_eq!(admission.address_connects(source), ban);
    }
}

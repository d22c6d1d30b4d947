//! Clients that connect again and again: mostly two devices that fight for one client id, or an app
//! in a loop. They are banned for a while, so that the others have room.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::guard::block;
use super::window::Windows;
use crate::model::{BanTarget, Moment, SessionKey, Uid};

/// Devices, users and addresses that are remembered; about 150 bytes each.
const KEYS_COUNT_MAX: usize = 32 * 1024;

/// How many logins within the window are allowed. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlappingLimits {
    pub per_client: u32,
    pub per_user: u32,
    pub per_address: u32,
    pub window: Duration,
    /// How long whoever did more is banned.
    pub ban: Duration,
}

/// Counts the logins that succeeded: nobody can have another one banned without its password.
pub struct Flapping(Mutex<Counts>);

struct Counts {
    clients: Windows<SessionKey>,
    users: Windows<Uid>,
    addresses: Windows<IpAddr>,
}

impl Default for Flapping {
    fn default() -> Self {
        Flapping(Mutex::new(Counts {
            clients: Windows::new(KEYS_COUNT_MAX),
            users: Windows::new(KEYS_COUNT_MAX),
            addresses: Windows::new(KEYS_COUNT_MAX),
        }))
    }
}

impl Flapping {
    /// Counts a login; whom to ban, if this was one too many.
    pub fn login(
        &self,
        key: &SessionKey,
        ip: IpAddr,
        now: Moment,
        limits: &FlappingLimits,
    ) -> Option<BanTarget> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |count: u32, max: u32| max > 0 && count > max;
        let mut target = None;
        if limits.per_address > 0 {
            let ip = block(ip);
            if over(counts.addresses.count(ip, now, limits.window).count, limits.per_address) {
                counts.addresses.forget(&ip);
                target = Some(BanTarget::Net(network(ip)));
            }
        }
        if limits.per_user > 0
            && over(counts.users.count(key.uid.clone(), now, limits.window).count, limits.per_user)
        {
            counts.users.forget(&key.uid);
            target = Some(BanTarget::User(key.uid.clone()));
        }
        if limits.per_client > 0
            && !key.client_id.is_empty()
            && over(counts.clients.count(key.clone(), now, limits.window).count, limits.per_client)
        {
            counts.clients.forget(key);
            target = Some(BanTarget::Device(key.uid.clone(), key.client_id.clone()));
        }
        target
    }
}

fn network(ip: IpAddr) -> ipnet::IpNet {
    let length = if ip.is_ipv4() { 32 } else { 64 };
    ipnet::IpNet::new(ip, length).unwrap_or_else(|_| ip.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::uid;
    use crate::model::ClientId;

    const LIMITS: FlappingLimits = FlappingLimits {
        per_client: 3,
        per_user: 5,
        per_address: 7,
        window: Duration::from_secs(60),
        ban: Duration::from_secs(300),
    };

    fn key(user: &str, client_id: &str) -> SessionKey {
        SessionKey { uid: uid(user), client_id: ClientId::parse(client_id).unwrap() }
    }

    /// Who is banned by each of these logins, one after the other.
    fn bans(logins: &[(&str, &str, u64)]) -> Vec<Option<String>> {
        let flapping = Flapping::default();
        let login = |(user, client_id, at): &(&str, &str, u64)| {
            let ip = "10.0.0.1".parse().unwrap();
            let target = flapping.login(&key(user, client_id), ip, Moment(*at), &LIMITS);
            target.map(|target| target.to_string())
        };
        logins.iter().map(login).collect()
    }

    #[test]
    fn a_device_that_logs_in_too_often_is_banned_alone() {
        let told = bans(&[("bob", "a", 0), ("bob", "a", 1), ("bob", "a", 2), ("bob", "a", 3)]);
        assert_eq!(told[..3], [None, None, None]);
        assert_eq!(told[3].as_deref(), Some("client a of user bob"));
        assert!(
            bans(&[("bob", "a", 0), ("bob", "a", 1), ("bob", "a", 2), ("bob", "a", 60_000)])
                .iter()
                .all(Option::is_none)
        );
    }

    #[test]
    fn a_user_with_many_client_ids_or_none_is_banned_as_a_user() {
        let ids = ["a", "b", "", "", "c", "d"];
        let logins: Vec<_> = ids.iter().map(|id| ("bob", *id, 0)).collect();
        assert_eq!(bans(&logins)[5].as_deref(), Some("user bob"));
    }

    #[test]
    fn an_address_is_banned_where_that_is_wanted() {
        let users = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let logins: Vec<_> = users.iter().map(|user| (*user, "x", 0)).collect();
        assert_eq!(bans(&logins)[7].as_deref(), Some("address 10.0.0.1/32"));
        let flapping = Flapping::default();
        let limits = FlappingLimits { per_address: 0, ..LIMITS };
        let login = |user: &&str| {
            flapping.login(&key(user, "x"), "10.0.0.1".parse().unwrap(), Moment(0), &limits)
        };
        assert!(users.iter().all(|user| login(user).is_none()));
    }
}

//! Who is kept out for a while: a user, a device, a network.

use std::fmt;

use ipnet::IpNet;

use super::limit::BAN_REASON_BYTES_MAX;
use super::{ClientId, SessionKey, Stamp, Uid};

/// Whom a ban concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BanTarget {
    User(Uid),
    /// This client id under any uid.
    Client(ClientId),
    /// One device of one user.
    Device(Uid, ClientId),
    Net(IpNet),
}

/// A ban always ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub target: BanTarget,
    pub made_at: Stamp,
    pub until: Stamp,
    /// For people; up to [`BAN_REASON_BYTES_MAX`] bytes without controls.
    pub reason: BanReason,
}

/// Why somebody is banned, in words of the one who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanReason(Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reason of a ban has at most {BAN_REASON_BYTES_MAX} bytes and no control characters")]
pub struct BanReasonError;

impl BanReason {
    /// # Errors
    /// [`BanReasonError`]
    pub fn parse(text: &str) -> Result<BanReason, BanReasonError> {
        match text.len() > BAN_REASON_BYTES_MAX || text.chars().any(char::is_control) {
            true => Err(BanReasonError),
            false => Ok(BanReason(text.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ban {
    pub fn holds(&self, now: Stamp) -> bool {
        now < self.until
    }
}

impl BanTarget {
    /// Whether it is about this session, wherever that comes from.
    pub fn concerns(&self, key: &SessionKey) -> bool {
        match self {
            BanTarget::User(uid) => *uid == key.uid,
            BanTarget::Client(client_id) => *client_id == key.client_id,
            BanTarget::Device(uid, client_id) => *uid == key.uid && *client_id == key.client_id,
            BanTarget::Net(_) => false,
        }
    }

    /// Whether it is about those at this address.
    pub fn covers(&self, address: &IpNet) -> bool {
        matches!(self, BanTarget::Net(net) if net.contains(address))
    }

    /// The columns of a row: uid, client id, network; what it does not concern is empty.
    pub fn to_columns(&self) -> [String; 3] {
        let none = String::new;
        match self {
            BanTarget::User(uid) => [uid.to_string(), none(), none()],
            BanTarget::Client(client_id) => [none(), client_id.to_string(), none()],
            BanTarget::Device(uid, client_id) => [uid.to_string(), client_id.to_string(), none()],
            BanTarget::Net(net) => [none(), none(), net.to_string()],
        }
    }

    /// `None` for columns that no target has.
    pub fn from_columns(uid: &str, client_id: &str, net: &str) -> Option<BanTarget> {
        match (uid, client_id, net) {
            (uid, "", "") => Some(BanTarget::User(Uid::from_store(uid).ok()?)),
            ("", client_id, "") => Some(BanTarget::Client(ClientId::parse(client_id).ok()?)),
            ("", "", net) => Some(BanTarget::Net(net.parse().ok()?)),
            (uid, client_id, "") => {
                let uid = Uid::from_store(uid).ok()?;
                Some(BanTarget::Device(uid, ClientId::parse(client_id).ok()?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanTarget::User(uid) => write!(f, "user {uid}"),
            BanTarget::Client(client_id) => write!(f, "client {client_id}"),
            BanTarget::Device(uid, client_id) => write!(f, "client {client_id} of user {uid}"),
            BanTarget::Net(net) => write!(f, "address {net}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_comes_back_from_its_columns() {
        let (uid, client_id) = (Uid::parse("bob").unwrap(), ClientId::parse("phone").unwrap());
        for target in [
            BanTarget::User(uid.clone()),
            BanTarget::Client(client_id.clone()),
            BanTarget::Device(uid, client_id),
            BanTarget::Net("10.1.0.0/16".parse().unwrap()),
            BanTarget::Net("2001:db8::/32".parse().unwrap()),
        ] {
            let [uid, client_id, net] = target.to_columns();
            assert_eq!(BanTarget::from_columns(&uid, &client_id, &net), Some(target));
        }
        for (uid, client_id, net) in [("", "", ""), ("a/b", "", ""), ("", "", "x"), ("a", "b", "c")]
        {
            assert_eq!(BanTarget::from_columns(uid, client_id, net), None);
        }
    }

    #[test]
    fn a_target_is_about_sessions_or_addresses() {
        let (uid, client_id) = (Uid::parse("bob").unwrap(), ClientId::parse("phone").unwrap());
        let other = ClientId::parse("laptop").unwrap();
        let key =
            |client_id: &ClientId| SessionKey { uid: uid.clone(), client_id: client_id.clone() };
        for (target, both) in [
            (BanTarget::User(uid.clone()), [true, true]),
            (BanTarget::Client(client_id.clone()), [true, false]),
            (BanTarget::Device(uid.clone(), client_id.clone()), [true, false]),
            (BanTarget::Net("10.0.0.0/8".parse().unwrap()), [false, false]),
        ] {
            assert_eq!([&client_id, &other].map(|id| target.concerns(&key(id))), both, "{target}");
        }
        let net = BanTarget::Net("10.0.0.0/8".parse().unwrap());
        let covered = |text: &str| net.covers(&text.parse().unwrap());
        assert!(covered("10.1.2.3/32") && !covered("11.1.2.3/32") && !covered("::1/128"));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(BanReason::parse("spam").unwrap().as_str(), "spam");
        assert!(BanReason::parse("a\nb").is_err());
        assert!(BanReason::parse(&"r".repeat(BAN_REASON_BYTES_MAX + 1)).is_err());
    }
}

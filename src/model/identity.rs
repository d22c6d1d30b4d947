//! Who a connection is, as the authenticator said it.

use std::fmt;
use std::sync::Arc;

use super::limit::{ATTRIBUTES_BYTES_MAX, ROLE_BYTES_MAX};
use super::{ClientId, Stamp, Uid};

/// What a person or program may do beyond being a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// May write to every user unless a rule denies it, and read `$…`.
    Operator,
    /// A back-end: may write to every user unless a rule denies it.
    Service,
    /// May only receive: an app for push alone.
    Receiver,
    /// Any other name: it means what the rules of the policy say.
    Named(Box<str>),
}

/// The roles of a user, shared by its connections.
pub type Roles = Arc<[Role]>;

/// Why a text is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a role has 1 to {ROLE_BYTES_MAX} bytes of UTF-8 without '+', '#', '/', blanks or control \
     characters: {0:?}"
)]
pub struct RoleError(String);

/// What the authenticator knows of a user beside its name: `{attr.x}` in rules.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attrs(Box<[(Box<str>, Box<str>)]>);

/// The answer to "who are you", valid until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    /// The device; empty until the connection has its name.
    pub client_id: ClientId,
    pub roles: Roles,
    pub attrs: Attrs,
    pub expires_at: Option<Stamp>,
}

impl Role {
    /// # Errors
    /// [`RoleError`]: a role stands for a level of a topic in rules.
    pub fn parse(text: &str) -> Result<Role, RoleError> {
        let bad = |c: char| matches!(c, '+' | '#' | '/') || c.is_control() || c.is_whitespace();
        match text {
            "operator" => Ok(Role::Operator),
            "service" => Ok(Role::Service),
            "receiver" => Ok(Role::Receiver),
            _ if text.is_empty() || text.len() > ROLE_BYTES_MAX || text.contains(bad) => {
                Err(RoleError(text.chars().take(ROLE_BYTES_MAX).collect()))
            }
            _ => Ok(Role::Named(text.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Role::Operator => "operator",
            Role::Service => "service",
            Role::Receiver => "receiver",
            Role::Named(name) => name,
        }
    }
}

impl Attrs {
    /// `None` if names and values are longer than [`ATTRIBUTES_BYTES_MAX`] together. Of two equal
    /// names the first counts.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Option<Attrs> {
        let all: Box<[_]> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let bytes: usize = all.iter().map(|(n, v): &(Box<str>, Box<str>)| n.len() + v.len()).sum();
        (bytes <= ATTRIBUTES_BYTES_MAX).then_some(Attrs(all))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, value)| &**value)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

/// Names alone: values are the user's affair.
impl fmt::Debug for Attrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Identity {
    pub fn user(uid: Uid) -> Identity {
        Identity {
            uid,
            client_id: ClientId::default(),
            roles: Roles::default(),
            attrs: Attrs::default(),
            expires_at: None,
        }
    }

    /// Somebody without a login, and so without roles.
    pub fn anonymous() -> Identity {
        Identity::user(Uid::anonymous())
    }

    pub fn has(&self, role: &Role) -> bool {
        self.roles.contains(role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_level_of_a_topic() {
        for good in ["operator", "vip", "área"] {
            assert_eq!(Role::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "#", "+", "a b", "a\0", &"r".repeat(ROLE_BYTES_MAX + 1)] {
            assert!(Role::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn attributes_are_found_by_name_and_bounded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let attrs = Attrs::new([pair("city", "Beijing"), pair("city", "Xian")]).unwrap();
        assert_eq!((attrs.get("city"), attrs.get("town")), (Some("Beijing"), None));
        assert!(Attrs::new([pair("x", &"y".repeat(ATTRIBUTES_BYTES_MAX))]).is_none());
    }
}

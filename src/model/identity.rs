//! Who a connection is, as the authenticator said it.

use super::{Stamp, Uid};

/// What a person or program may do beyond being a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// May push to channels and read `$SYS`.
    Operator,
    /// A back-end: may send in the name of others.
    Service,
}

/// The answer to "who are you", valid until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    pub roles: Vec<Role>,
    pub expires_at: Option<Stamp>,
}

impl Identity {
    pub fn user(uid: Uid) -> Identity {
        Identity { uid, roles: Vec::new(), expires_at: None }
    }
}

//! `[acl]`: who may publish and subscribe where. Defaults: inboxes open, plain topics closed.

use serde::{Deserialize, Serialize};

pub use crate::broker::policy::{Access, InboxAccess, RuleText};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acl {
    /// Plain topics that no rule speaks of.
    pub default: Access,
    /// Who may write to a user, where no rule speaks of it.
    pub inbox: InboxAccess,
    /// The first that applies decides.
    pub rules: Vec<RuleText>,
}

impl Default for Acl {
    fn default() -> Self {
        Acl { default: Access::Deny, inbox: InboxAccess::Open, rules: Vec::new() }
    }
}

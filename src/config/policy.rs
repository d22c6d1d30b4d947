//! `[acl]`: who may publish and subscribe where.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Allow,
    Deny,
}

/// Plain topics; inboxes follow their own rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acl {
    pub default: Access,
}

impl Default for Acl {
    fn default() -> Self {
        Acl { default: Access::Deny }
    }
}

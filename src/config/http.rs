//! `[http]` and `[startalk]`: what the pages over HTTP allow, and what of them speaks Startalk.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Bounds of the pages that check logins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Logins that one address may have checked per second.
    pub logins_per_second: u32,
}

/// What installed Startalk programs find here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Startalk {
    /// The domain of all its users.
    pub domain: String,
    /// Networks from which `checktoken` is answered; none: not served.
    pub checktoken_from: Vec<IpNet>,
    /// Whether the navigation page is served.
    pub nav: bool,
}

impl Default for Http {
    fn default() -> Self {
        Http { logins_per_second: 100 }
    }
}

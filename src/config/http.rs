//! `[http]` and `[startalk]`: what the pages over HTTP allow, and what of them speaks Startalk.

use serde::{Deserialize, Serialize};

use super::{CountRate, Network};
use crate::model::Rate;

/// Bounds of the pages that check logins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// How fast one address may have logins checked.
    pub login_rate: CountRate,
}

/// What installed Startalk programs find here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Startalk {
    /// The domain of all its users.
    pub domain: String,
    /// Networks from which `checktoken` is answered; none: not served.
    pub checktoken_from: Vec<Network>,
    /// Whether the navigation page is served.
    pub nav: bool,
}

impl Default for Http {
    fn default() -> Self {
        Http { login_rate: CountRate(Rate::new(100, 500)) }
    }
}

//! `[guard]`: guessed passwords and clients that connect again and again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Wrong passwords of one user from one address before its logins pause.
    pub wrong_passwords: u32,
    pub wrong_passwords_per_ip: u32,
    pub wrong_passwords_window: Span,
    /// Logins of one device within the window before it is banned.
    pub flapping_per_client: u32,
    pub flapping_per_user: u32,
    pub flapping_per_ip: u32,
    pub flapping_window: Span,
    pub flapping_ban: Span,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            wrong_passwords: 10,
            wrong_passwords_per_ip: 1000,
            wrong_passwords_window: Span(Duration::from_secs(5 * 60)),
            flapping_per_client: 600,
            flapping_per_user: 6000,
            flapping_per_ip: 0,
            flapping_window: Span(Duration::from_secs(60)),
            flapping_ban: Span(Duration::from_secs(5 * 60)),
        }
    }
}

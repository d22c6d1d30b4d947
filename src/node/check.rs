//! Whether a start would take the settings: everything is made of them that needs no store, no
//! port and no answer from elsewhere.

use std::sync::Arc;

use crate::auth::Open;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Provider};
use crate::net::tls::Tls;

use super::{auth, settings};

/// What [`check`] does not look at.
pub const NOT_LOOKED_AT: &str = "the data directory, the store, the ports, and whether \
     a member API, Redis or the URL of a JWKS answers";

/// Reads the files of certificates and keys, the templates of providers and the rules, as the
/// start does.
///
/// # Errors
/// The words with which the start would end.
pub async fn check(config: &Config) -> Result<(), String> {
    let clock = SystemClock::default();
    settings::live(config)?;
    Tls::load(&config.tls, clock.wall())?;
    let mut here = config.clone();
    if auth::is_url(&config.auth.jwt.jwks) {
        here.auth.provider.0.retain(|provider| *provider != Provider::Jwt);
    }
    auth::chain(&here, Arc::new(Open), Arc::new(clock)).await.map(drop)
}

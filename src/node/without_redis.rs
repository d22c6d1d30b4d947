//! Stands for provider `redis` in a build without it.

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;

const WITHOUT: &str = "auth.provider has redis, and this program was built without it: build it \
                       with `--features redis`, or take another provider";

/// # Errors
/// Always, in words.
pub fn provider(
    _: &Config,
    _: (Arc<dyn Clock>, Arc<Metrics>),
) -> Result<Arc<dyn Authenticator>, String> {
    Err(WITHOUT.into())
}

/// # Errors
/// Always, in words.
pub async fn redis_answers(_: &Config, _: Arc<dyn Clock>) -> Result<(), String> {
    Err(WITHOUT.into())
}

//! Provider `redis`, built from its settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::auth::Authenticator;
use crate::auth::redis::{Layout, Redis, Server, Template};
use crate::clock::Clock;
use crate::config::{Config, RedisLayout};
use crate::metrics::Metrics;

/// The login service of Startalk keeps its tokens here.
const STARTALK_DATABASE: i64 = 2;
const STARTALK_KEY: &str = "login_service:{uid}@{host}:{token.mk}";
const STARTALK_VALUE: &str = "{token.token}";
const STARTALK_RENEW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

type Standing = (Arc<dyn Clock>, Arc<Metrics>);

/// # Errors
/// In words: the settings are wrong.
pub fn provider(config: &Config, standing: Standing) -> Result<Arc<dyn Authenticator>, String> {
    Ok(Arc::new(redis(config, standing)?))
}

/// Asks the server of provider `redis` for nothing but an answer.
///
/// # Errors
/// In words: the settings are wrong, or it does not answer.
pub async fn redis_answers(config: &Config, clock: Arc<dyn Clock>) -> Result<(), String> {
    redis(config, (clock, Arc::default()))?.ping().await
}

fn redis(config: &Config, standing: Standing) -> Result<Redis, String> {
    let own = &config.auth.redis;
    let startalk = own.layout == RedisLayout::Startalk;
    let server = Server {
        url: own.url.to_string(),
        user: own.user.clone(),
        password: own.password.expose().into(),
        database: startalk.then_some(STARTALK_DATABASE),
        wait: own.wait.0,
        at_once: own.at_once,
    };
    let redis = Redis::new(&server, layout(config)?, Handle::current(), standing);
    redis.map_err(|error| format!("auth.redis.url: {error}"))
}

fn layout(config: &Config) -> Result<Layout, String> {
    let own = &config.auth.redis;
    let (key, value, renew) = match own.layout {
        RedisLayout::Own => (own.key.as_str(), own.value.as_str(), own.renew.0),
        RedisLayout::Startalk => (STARTALK_KEY, STARTALK_VALUE, STARTALK_RENEW),
    };
    let template = |name: &str, text: &str| {
        Template::parse(text).map_err(|error| format!("auth.redis.{name}: {text:?}: {error}"))
    };
    let layout = Layout {
        key: template("key", key)?,
        field: (own.layout == RedisLayout::Own && !own.field.is_empty()).then(|| own.field.clone()),
        value: template("value", value)?,
        renew: (renew > Duration::ZERO).then_some(renew),
        host: config.startalk.domain.clone(),
    };
    if (layout.key.has_host() || layout.value.has_host()) && layout.host.is_empty() {
        return Err("auth.redis: its {host} is startalk.domain, which is not set".into());
    }
    proves(&layout)?;
    Ok(layout)
}

/// What lies in Redis has to join a user to a token, or one's token would let in as another.
fn proves(Layout { key, value, .. }: &Layout) -> Result<(), String> {
    let missing = match (key.has_uid() || value.has_uid(), key.has_token() || value.has_token()) {
        (true, true) => return Ok(()),
        (false, _) => "{uid}, so that a right token would be right for every user",
        (_, false) => "{token}, so that any token would be right",
    };
    Err(format!("auth.redis: neither key nor value has {missing}: put it into one of them"))
}

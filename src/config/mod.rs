//! Typed settings with their defaults. `config.toml` shows every one of them; a test compares.
//! Where they come from (file, environment, command line) is `load.rs`.

mod check;
mod env;
mod file;
mod keys;
pub mod load;
pub mod show;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use value::{Size, Span};

/// Everything that can be set. Each key is also `HOMING__SECTION__KEY`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: Listen,
    pub auth: Auth,
    pub acl: Acl,
    pub topics: Topics,
    pub inbox: Inbox,
    pub limits: Limits,
    pub store: Store,
    pub log: Log,
}

/// Where clients come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// MQTT 3.1.1 and 5 over TCP.
    pub mqtt: Vec<String>,
    /// `/health` and `/metrics`.
    pub http: Vec<String>,
    /// Threads that serve connections; 0 is one per core.
    pub workers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Users made by `homing user add`.
    Accounts,
    /// Any uid with any password; only on loopback.
    Open,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub provider: Provider,
    /// Password checks that run at the same time (argon2 costs 19 MiB each).
    pub hashes_at_once: usize,
}

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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Which topics are inboxes.
    pub inbox: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbox {
    /// Quiet time after the last publish before a fresh connection gets its mail.
    pub settle: Span,
    /// The settle time ends after this, quiet or not.
    pub settle_max: Span,
    pub retention: Span,
    pub messages_max: u64,
    pub device_ttl: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub connect_wait: Span,
    pub packet: Size,
    /// QoS 1 and 2 messages that a client may have in flight to the server.
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages that the server has in flight to a client.
    pub send_maximum: u16,
    pub keep_alive_max: Span,
    pub session_expiry_max: Span,
    pub devices_per_user: u32,
    pub subscriptions_per_session: usize,
    /// Bytes that wait for one slow connection before it gets nothing more.
    pub outbox: Size,
    /// A connection that takes nothing for this long is closed.
    pub outbox_wait: Span,
    /// Bytes of publishes that wait for the store before connections are read no further.
    pub store_queue: Size,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite` (a file in the data directory) or `postgres://…`.
    pub url: String,
    /// The data directory; `serve` must be told.
    pub data: Option<PathBuf>,
    /// Free space below which nothing new is stored.
    pub reserve: Size,
    pub sweep_interval: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// error, warn, info, debug or trace; or a filter such as `info,homing::net=debug`.
    pub level: String,
    pub format: LogFormat,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Listen {
    fn default() -> Self {
        Listen {
            mqtt: vec!["0.0.0.0:1883".into()],
            http: vec!["127.0.0.1:8080".into()],
            workers: 0,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Auth { provider: Provider::Accounts, hashes_at_once: 2 }
    }
}

impl Default for Acl {
    fn default() -> Self {
        Acl { default: Access::Deny }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Topics { inbox: "{uid}".into() }
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            settle: Span(Duration::from_millis(250)),
            settle_max: Span(Duration::from_secs(2)),
            retention: Span(30 * DAY),
            messages_max: 10_000,
            device_ttl: Span(90 * DAY),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 100_000,
            connect_wait: Span(Duration::from_secs(10)),
            packet: Size(1024 * 1024),
            receive_maximum: 64,
            send_maximum: 64,
            keep_alive_max: Span(Duration::from_secs(60 * 60)),
            session_expiry_max: Span(90 * DAY),
            devices_per_user: 32,
            subscriptions_per_session: 1024,
            outbox: Size(256 * 1024),
            outbox_wait: Span(Duration::from_secs(30)),
            store_queue: Size(64 * 1024 * 1024),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Store {
            url: "sqlite".into(),
            data: None,
            reserve: Size(64 * 1024 * 1024),
            sweep_interval: Span(Duration::from_secs(10)),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Text }
    }
}

/// What a file and a variable say about a value that its key cannot have.
fn wrong_value(dotted: &str, cause: &str) -> String {
    let known = keys::known();
    let example = dotted.split_once('.').and_then(|(section, key)| {
        let value = known.get(section)?.as_table()?.get(key)?;
        Some(format!("; as in {key} = {value}"))
    });
    format!("`{dotted}`: {cause}{}", example.unwrap_or_default())
}

//! Typed settings with their defaults. `config.toml` shows every one of them; a test compares.
//! Where they come from (file, environment, command line) is `load.rs`.

mod auth;
mod auth_http;
mod check;
mod check_listen;
mod env;
mod file;
mod http;
mod keys;
mod limits;
mod listen;
pub mod load;
mod policy;
mod rate;
pub mod regular;
pub mod reload;
pub mod secret;
pub mod show;
mod tls;
mod url;
mod value;
mod websocket;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use auth::{Auth, JwtAlgorithm, JwtAuth, Provider, Providers, RedisAuth, RedisLayout};
pub use auth_http::{BodyType, HttpAuth, Preset, TimeFormat};
pub use http::{Http, Startalk};
pub use limits::{Flapping, Limits, WrongPasswords};
pub use listen::{Advertise, Listen, Listener};
pub use policy::{Access, Acl};
pub use rate::{BytesRate, CountRate};
pub use tls::{CertificateFiles, ClientCertificate, Network, Proxy, Tls, TlsVersion};
pub use url::Url;
pub use value::{Secret, Size, Span};
pub use websocket::{Origin, WebSocket};

/// Everything that can be set. Each key is also `HOMING__SECTION__KEY`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: Listen,
    pub tls: Tls,
    pub proxy: Proxy,
    pub websocket: WebSocket,
    pub advertise: Advertise,
    pub http: Http,
    pub auth: Auth,
    pub startalk: Startalk,
    pub acl: Acl,
    pub topics: Topics,
    pub inbox: Inbox,
    pub limits: Limits,
    pub store: Store,
    pub log: Log,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// Which topics are inboxes.
    pub inbox: String,
    /// How often what has changed under `$SYS/broker` is published; 0: there is nothing.
    pub sys_interval: Span,
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
pub struct Store {
    /// `sqlite` (a file in the data directory) or `postgres://…`.
    pub url: Url,
    /// The data directory; `serve` must be told.
    pub data: Option<PathBuf>,
    /// Free space below which nothing new is stored.
    pub reserve: Size,
    pub sweep_interval: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Text` on a terminal, else `Json`.
    Auto,
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

impl Default for Topics {
    fn default() -> Self {
        Topics { inbox: "{uid}".into(), sys_interval: Span(Duration::from_secs(10)) }
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
        Log { level: "info".into(), format: LogFormat::Auto }
    }
}

/// What a file and a variable say about a value that its key cannot have.
fn wrong_value(dotted: &str, cause: &str) -> String {
    let key = dotted.rsplit('.').next().unwrap_or(dotted);
    let example = keys::at(&keys::known(), dotted).map(|value| format!("; as in {key} = {value}"));
    format!("`{dotted}`: {cause}{}", example.unwrap_or_default())
}

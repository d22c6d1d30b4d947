//! `[listen]`, `[tls]`, `[proxy]`, `[advertise]`: where clients come in, and how.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Span;

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

/// Certificates of the TLS listeners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {}

/// Load balancers in front.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {}

/// What `/v1/route` tells to clients: how they reach the broker from where they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advertise {
    /// Names or addresses; none: nothing is advertised.
    pub hosts: Vec<String>,
    /// A port for each kind of listener; 0: not advertised.
    pub mqtt: u16,
    pub mqtts: u16,
    pub ws: u16,
    pub wss: u16,
    /// How long a client may keep the answer.
    pub ttl: Span,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            mqtt: vec!["0.0.0.0:1883".into()],
            http: vec!["127.0.0.1:8080".into()],
            workers: 0,
        }
    }
}

impl Default for Advertise {
    fn default() -> Self {
        Advertise {
            hosts: Vec::new(),
            mqtt: 0,
            mqtts: 0,
            ws: 0,
            wss: 0,
            ttl: Span(Duration::from_secs(60 * 60)),
        }
    }
}

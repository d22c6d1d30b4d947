//! `[listen]`, `[tls]`, `[proxy]`, `[advertise]`: where clients come in, and how.

use serde::{Deserialize, Serialize};

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

/// What `/v1/route` tells to clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advertise {}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            mqtt: vec!["0.0.0.0:1883".into()],
            http: vec!["127.0.0.1:8080".into()],
            workers: 0,
        }
    }
}

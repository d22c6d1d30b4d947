//! `[listen]` and `[advertise]`: where clients come in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ClientCertificate, Span};

const TLS: [&str; 3] = ["listen.mqtts", "listen.wss", "listen.https"];
const HTTP: [&str; 2] = ["listen.http", "listen.https"];

/// Where clients come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// MQTT 3.1.1 and 5 over TCP.
    pub mqtt: Vec<Listener>,
    /// The same over TLS.
    pub mqtts: Vec<Listener>,
    /// MQTT over WebSocket.
    pub ws: Vec<Listener>,
    /// The same over TLS.
    pub wss: Vec<Listener>,
    /// `/health` and `/metrics`.
    pub http: Vec<Listener>,
    /// The same over TLS.
    pub https: Vec<Listener>,
    /// Threads that serve connections; 0 is one per core.
    pub workers: usize,
}

/// One address that is listened on. Written as `"ADDR:PORT"`, or as a table where there is more to
/// say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: String,
    /// A load balancer stands in front and says in a PROXY header who is calling.
    pub proxy: bool,
    /// Other than `tls.client_certificate`.
    pub client_certificate: Option<ClientCertificate>,
}

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
    /// Another server, for clients of MQTT 5 when this one stops; empty: none is named.
    pub server_reference: String,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            mqtt: vec!["0.0.0.0:1883".into()],
            mqtts: Vec::new(),
            ws: Vec::new(),
            wss: Vec::new(),
            http: vec!["127.0.0.1:8080".into()],
            https: Vec::new(),
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
            server_reference: String::new(),
        }
    }
}

impl Listen {
    /// Every listener with its key.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        let lists = [
            ("listen.mqtt", &self.mqtt),
            ("listen.mqtts", &self.mqtts),
            ("listen.ws", &self.ws),
            ("listen.wss", &self.wss),
            ("listen.http", &self.http),
            ("listen.https", &self.https),
        ];
        lists.into_iter().flat_map(|(key, list)| list.iter().map(move |one| (key, one)))
    }

    /// Those that speak TLS, with their key.
    pub fn tls(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        self.all().filter(|(key, _)| TLS.contains(key))
    }

    /// Those that speak MQTT, with their key.
    pub fn clients(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        self.all().filter(|(key, _)| !HTTP.contains(key))
    }
}

impl From<&str> for Listener {
    fn from(address: &str) -> Listener {
        Listener { address: address.into(), proxy: false, client_certificate: None }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    address: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    proxy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_certificate: Option<ClientCertificate>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "\"ADDR:PORT\" or { address = \"ADDR:PORT\", proxy = true or false, \
                 client_certificate = \"none\", \"optional\" or \"required\" }"
)]
enum Written {
    Short(String),
    Long(Table),
}

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Short(address) => Listener::from(address.as_str()),
            Written::Long(Table { address, proxy, client_certificate }) => {
                Listener { address, proxy, client_certificate }
            }
        })
    }
}

impl Serialize for Listener {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Listener { address, proxy, client_certificate } = self.clone();
        match (proxy, client_certificate) {
            (false, None) => serializer.serialize_str(&address),
            _ => Table { address, proxy, client_certificate }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_an_address_or_a_table() {
        let text = "mqtt = [\"127.0.0.1:1\", { address = \"[::1]:2\", proxy = true }]\n\
                    mqtts = [{ address = \"[::]:3\", client_certificate = \"required\" }]";
        let listen: Listen = toml::from_str(text).unwrap();
        assert_eq!(listen.mqtt[0], "127.0.0.1:1".into());
        assert!(listen.mqtt[1].proxy && listen.mqtt[1].address == "[::1]:2");
        let wanted = Some(ClientCertificate::Required);
        assert_eq!(listen.mqtts[0].client_certificate, wanted);
        let again: Listen = toml::from_str(&toml::to_string(&listen).unwrap()).unwrap();
        assert_eq!(again, listen);
    }

    #[test]
    fn an_entry_that_cannot_be_read_says_how_it_is_written() {
        for bad in ["mqtt = [1883]", "mqtt = [{ adress = \"127.0.0.1:1\" }]"] {
            let error = toml::from_str::<Listen>(bad).unwrap_err();
            assert!(error.message().contains("address = \"ADDR:PORT\""), "{error}");
        }
    }
}

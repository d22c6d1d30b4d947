//! `[tls]` and `[proxy]`: what stands between a socket and its client: certificates, and load
//! balancers in front.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

use super::Span;
use crate::model::parse_network;

/// Certificates of the TLS listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Chosen by the name that a client asks for; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    pub min_version: TlsVersion,
    /// From the first byte to the end of the handshake.
    pub handshake_wait: Span,
    /// Whether clients have to show a certificate.
    pub client_certificate: ClientCertificate,
    /// PEM file of the authorities that client certificates may come from; empty: none.
    pub client_ca: String,
    /// PEM file of revocation lists, one for each of these authorities; empty: none.
    pub client_crl: String,
    /// How provider `certificate` makes a uid of the names in a client certificate.
    pub identity: String,
}

/// A certificate chain and its private key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    pub cert: String,
    pub key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Not asked for.
    None,
    /// Asked for; if one comes, it has to be right.
    Optional,
    /// Nobody comes in without.
    Required,
}

/// Load balancers in front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// From where a PROXY header is believed.
    pub trusted: Vec<Network>,
    /// From the TCP connection to the whole header.
    pub header_wait: Span,
}

/// Addresses, written as `10.0.0.0/8`; a single one may be written without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Network(pub IpNet);

impl Default for Tls {
    fn default() -> Self {
        Tls {
            certificates: Vec::new(),
            min_version: TlsVersion::V12,
            handshake_wait: Span(Duration::from_secs(5)),
            client_certificate: ClientCertificate::None,
            client_ca: String::new(),
            client_crl: String::new(),
            identity: "{cn}".into(),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Proxy { trusted: Vec::new(), header_wait: Span(Duration::from_secs(5)) }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_network(&text).map(Network).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_with_and_without_their_length() {
        let read = |text: &str| toml::from_str::<Proxy>(&format!("trusted = [\"{text}\"]"));
        assert_eq!(read("10.0.0.0/8").unwrap().trusted[0].0.to_string(), "10.0.0.0/8");
        assert_eq!(read("::1").unwrap().trusted[0].0.to_string(), "::1/128");
        let mapped = read("::ffff:10.0.0.0/104").unwrap();
        assert_eq!(mapped.trusted[0].0.to_string(), "10.0.0.0/8");
        for bad in ["10.0.0.0/33", "10.0.0", "lb.example.org"] {
            assert!(read(bad).unwrap_err().message().contains("is no network"), "{bad}");
        }
    }
}

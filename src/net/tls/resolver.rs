//! Which certificate a client gets: the one with the name it asks for, else the first.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Ready;

/// Certificates in the order of the settings.
pub struct Resolver(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl Resolver {
    pub fn new(certificates: &[Ready]) -> Resolver {
        let names =
            |ready: &Ready| ready.names.dns.iter().map(|n| n.to_ascii_lowercase()).collect();
        Resolver(certificates.iter().map(|ready| (names(ready), ready.key.clone())).collect())
    }
}

impl ResolvesServerCert for Resolver {
    /// Of several with the name the first whose kind of key the client knows.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let named =
            self.0.iter().filter(|(names, _)| names.iter().any(|name| serves(name, &asked)));
        let usable = |(_, key): &&(Vec<String>, Arc<CertifiedKey>)| {
            key.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let found = named.chain(&self.0).find(usable).or(self.0.first());
        found.map(|(_, key)| key.clone())
    }
}

/// A wildcard stands for exactly one label (RFC 6125, section 6.4.3).
fn serves(name: &str, asked: &str) -> bool {
    let wildcard = || {
        let (_, parent) = asked.split_once('.')?;
        Some(name.strip_prefix("*.")? == parent)
    };
    name == asked || wildcard().unwrap_or(false)
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(names, _)| names)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_label() {
        assert!(serves("a.example.org", "a.example.org"));
        assert!(serves("*.example.org", "a.example.org"));
        for other in ["example.org", "b.a.example.org", "a.example.com", "", "org"] {
            assert!(!serves("*.example.org", other), "{other}");
        }
    }
}

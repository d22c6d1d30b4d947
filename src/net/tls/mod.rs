//! TLS in front of MQTT and HTTP: certificates that can be replaced while clients are connected,
//! handshakes, and the state of one connection. The cryptography is rustls with aws-lc-rs.

mod files;
mod handshake;
pub mod look;
mod names;
mod resolver;
mod secure;
pub mod shown;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

pub use names::names as certificate_names;
pub use secure::{Heard, Secure};

use crate::auth::Certificate;
use crate::clock::Clock;
use crate::config::{self, ClientCertificate, TlsVersion};
use crate::log::Seldom;
use crate::metrics::Metrics;
use crate::model::Stamp;
use files::Ready;
use resolver::Resolver;

/// What is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Mqtt,
    Http,
}

/// Settings whose files have been read and fit together: nothing can fail any more.
pub struct Loaded {
    configs: HashMap<(Protocol, ClientCertificate), Arc<ServerConfig>>,
    client_certificate: ClientCertificate,
    handshake_wait: Duration,
    /// Label and end of validity.
    expiries: Vec<(String, Stamp)>,
}

/// The certificates of all TLS listeners.
pub struct Tls {
    now: ArcSwap<Loaded>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    pub(super) failures: Seldom,
}

impl Tls {
    /// Reads all files and makes everything of them that handshakes need. The listeners are opened
    /// at the start; the rest of `[tls]` may change while clients are connected.
    ///
    /// # Errors
    /// In words: which file or key, and what is wrong with it.
    pub fn load(settings: &config::Tls, now: Stamp) -> Result<Loaded, String> {
        let provider = aws_lc_rs::default_provider();
        let read = |files| files::certificate(files, &provider, now);
        let certificates: Vec<Ready> =
            settings.certificates.iter().map(read).collect::<Result<_, _>>()?;
        let mut configs = HashMap::new();
        for (kind, verifier) in verifiers(settings)? {
            for protocol in [Protocol::Mqtt, Protocol::Http] {
                let config = server(settings, protocol, &certificates, verifier.clone())?;
                configs.insert((protocol, kind), Arc::new(config));
            }
        }
        Ok(Loaded {
            configs,
            client_certificate: settings.client_certificate,
            handshake_wait: settings.handshake_wait.0,
            expiries: certificates.iter().map(expiry).collect(),
        })
    }

    pub fn new(loaded: Loaded, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Tls {
        metrics.doors.set_certificates(loaded.expiries());
        let failures = Seldom::new(clock.clone());
        Tls { now: ArcSwap::from_pointee(loaded), metrics, clock, failures }
    }

    /// New handshakes take this; who is connected stays so.
    pub fn swap(&self, loaded: Loaded) {
        self.metrics.doors.set_certificates(loaded.expiries());
        self.now.store(Arc::new(loaded));
    }

    /// What a client's certificate says.
    ///
    /// # Errors
    /// In words: it has expired since the session began that was resumed with it.
    pub fn names(&self, certificate: &CertificateDer<'_>) -> Result<Certificate, String> {
        names::names(certificate, self.clock.wall())
    }
}

impl Loaded {
    fn expiries(&self) -> impl Iterator<Item = (&str, i64)> {
        self.expiries.iter().map(|(label, until)| (label.as_str(), until.0 / 1000))
    }

    /// `own` is what a listener asks for other than the rest. `None` for a listener that asks for
    /// client certificates, where the settings name no authority any more.
    fn config(
        &self,
        protocol: Protocol,
        own: Option<ClientCertificate>,
    ) -> Option<Arc<ServerConfig>> {
        self.configs.get(&(protocol, own.unwrap_or(self.client_certificate))).cloned()
    }
}

/// The first name, else the file.
fn expiry(ready: &Ready) -> (String, Stamp) {
    let label = ready.names.dns.first().unwrap_or(&ready.file).clone();
    (label, ready.names.expires_at.unwrap_or_default())
}

type Verifier = Arc<dyn ClientCertVerifier>;

/// One for each way of asking that the settings allow for.
fn verifiers(settings: &config::Tls) -> Result<Vec<(ClientCertificate, Verifier)>, String> {
    let mut all: Vec<(_, Verifier)> = vec![(ClientCertificate::None, Arc::new(NoClientAuth))];
    if settings.client_ca.is_empty() {
        return Ok(all);
    }
    let roots = Arc::new(files::authorities(&settings.client_ca)?);
    let crls = match settings.client_crl.as_str() {
        "" => Vec::new(),
        file => files::revocations(file)?,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    for kind in [ClientCertificate::Optional, ClientCertificate::Required] {
        let builder = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let builder = builder.with_crls(crls.clone()).only_check_end_entity_revocation();
        let builder = match kind {
            ClientCertificate::Required => builder,
            _ => builder.allow_unauthenticated(),
        };
        let file = if crls.is_empty() { &settings.client_ca } else { &settings.client_crl };
        let built = builder.build().map_err(|error| files::problem(file, &error.to_string()))?;
        all.push((kind, built));
    }
    Ok(all)
}

/// Each has session tickets of its own: who was let in without a certificate cannot come back by
/// its ticket where one is required. Nor can anybody after a reload.
fn server(
    settings: &config::Tls,
    protocol: Protocol,
    certificates: &[Ready],
    verifier: Verifier,
) -> Result<ServerConfig, String> {
    let problem = |error: rustls::Error| format!("[tls] cannot be set up: {error}");
    let versions: &[&SupportedProtocolVersion] = match settings.min_version {
        TlsVersion::V12 => &[&TLS12, &TLS13],
        TlsVersion::V13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .map_err(problem)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Resolver::new(certificates)));
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(problem)?;
    config.alpn_protocols = match protocol {
        Protocol::Mqtt => vec![b"mqtt".to_vec()],
        Protocol::Http => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

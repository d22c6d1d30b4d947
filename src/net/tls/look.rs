//! What the files of `[tls]` say, whether or not it is good enough to be served.

use std::net::IpAddr;

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::files::{all, certified, problem, revocations};
use crate::config::CertificateFiles;
use crate::model::Stamp;

/// A certificate file and its key: they belong together.
#[derive(Clone, Debug)]
pub struct Served {
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// The server's own certificate, and behind it those that it stands on. At least one.
    pub chain: Vec<Link>,
    own: CertificateDer<'static>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub subject: String,
    pub issuer: String,
    pub valid_from: Stamp,
    pub valid_until: Stamp,
}

/// A list of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocations {
    pub issuer: String,
    pub count: usize,
    /// When the authority promised the next list.
    pub next_update: Option<Stamp>,
}

impl Served {
    /// Whether this is the server's own certificate.
    pub fn is(&self, der: &CertificateDer<'_>) -> bool {
        self.own == *der
    }

    /// Whether clients that look for this name or address take it for the right one.
    pub fn is_for(&self, host: &str) -> bool {
        let parsed = ParsedCertificate::try_from(&self.own);
        let name = ServerName::try_from(host.to_owned());
        match (parsed, name) {
            (Ok(parsed), Ok(name)) => verify_server_name(&parsed, &name).is_ok(),
            _ => false,
        }
    }
}

/// # Errors
/// In words: a file cannot be read, or the key belongs to another certificate.
pub fn served(files: &CertificateFiles) -> Result<Served, String> {
    let chain: Vec<CertificateDer<'static>> = all(&files.cert, "certificate")?;
    let links = chain.iter().map(|der| link(der, &files.cert)).collect::<Result<_, _>>()?;
    let names = names(&chain[0]).map_err(|words| problem(&files.cert, &words))?;
    let own = chain[0].clone();
    certified(chain, files, &aws_lc_rs::default_provider())?;
    Ok(Served { names, chain: links, own })
}

/// The authorities that client certificates may come from.
///
/// # Errors
/// In words: the file cannot be read.
pub fn authorities(file: &str) -> Result<Vec<Link>, String> {
    let all: Vec<CertificateDer<'static>> = all(file, "certificate")?;
    all.iter().map(|der| link(der, file)).collect()
}

/// # Errors
/// In words: the file cannot be read.
pub fn revoked(file: &str) -> Result<Vec<Revocations>, String> {
    revocations(file)?.iter().map(|der| list(der, file)).collect()
}

fn link(der: &CertificateDer<'_>, file: &str) -> Result<Link, String> {
    let (_, parsed) = X509Certificate::from_der(der)
        .map_err(|error| problem(file, &format!("has an unreadable certificate: {error}")))?;
    let validity = parsed.validity();
    Ok(Link {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        valid_from: stamp(&validity.not_before),
        valid_until: stamp(&validity.not_after),
    })
}

fn list(der: &CertificateRevocationListDer<'_>, file: &str) -> Result<Revocations, String> {
    let (_, parsed) = CertificateRevocationList::from_der(der)
        .map_err(|error| problem(file, &format!("has an unreadable list: {error}")))?;
    Ok(Revocations {
        issuer: parsed.issuer().to_string(),
        count: parsed.iter_revoked_certificates().count(),
        next_update: parsed.next_update().as_ref().map(stamp),
    })
}

fn stamp(time: &ASN1Time) -> Stamp {
    Stamp(time.timestamp().saturating_mul(1000))
}

fn names(der: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let alternative = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let all = alternative.into_iter().flat_map(|extension| &extension.value.general_names);
    Ok(all.filter_map(shown).collect())
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

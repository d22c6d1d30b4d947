//! PEM files: certificate chains with their keys, authorities, revocation lists. Every problem
//! names its file and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use zeroize::Zeroizing;

use super::names::names;
use crate::auth::Certificate;
use crate::config::{CertificateFiles, regular};
use crate::model::Stamp;

/// Permissions that let others than owner and group read a file.
const OTHERS: u32 = 0o007;
/// Lists of revocations may be long.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A server certificate that is ready for use.
pub struct Ready {
    pub key: Arc<CertifiedKey>,
    pub names: Certificate,
    /// Its file.
    pub file: String,
}

pub fn certificate(
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now: Stamp,
) -> Result<Ready, String> {
    let CertificateFiles { cert, key } = files;
    let chain: Vec<CertificateDer<'static>> = all(cert, "certificate")?;
    let names = names(&chain[0], now).map_err(|error| problem(cert, &error))?;
    let certified = certified(chain, files, provider)?;
    warn_if_others_may_read(key);
    Ok(Ready { key: Arc::new(certified), names, file: cert.clone() })
}

/// The chain with its key.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    CertificateFiles { cert, key }: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(chain, private_key(key)?, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => problem(key, &format!("is not the key of {cert}")),
        other => problem(key, &format!("cannot be used with {cert}: {other}")),
    })
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = read(file)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            problem(file, "has no private key in it (-----BEGIN PRIVATE KEY-----)")
        }
        other => no_pem(file, &other),
    })
}

pub fn authorities(file: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for authority in all::<CertificateDer<'_>>(file, "certificate")? {
        roots
            .add(authority)
            .map_err(|error| problem(file, &format!("is no authority: {error}")))?;
    }
    Ok(roots)
}

pub fn revocations(file: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    all(file, "revocation list (-----BEGIN X509 CRL-----)")
}

/// All sections of one kind; at least one.
pub fn all<T: PemObject>(file: &str, what: &str) -> Result<Vec<T>, String> {
    let bytes = read(file)?;
    let sections: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
    match sections {
        Ok(found) if found.is_empty() => Err(problem(file, &format!("has no {what} in it"))),
        Ok(found) => Ok(found),
        Err(error) => Err(no_pem(file, &error)),
    }
}

/// Wiped when it goes: it may be a private key.
fn read(file: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes = regular::read(Path::new(file), FILE_BYTES_MAX);
    bytes.map(Zeroizing::new).map_err(|error| problem(file, &format!("cannot be read: {error}")))
}

fn no_pem(file: &str, error: &pem::Error) -> String {
    problem(file, &format!("is no PEM file: {error}"))
}

pub fn problem(file: &str, what: &str) -> String {
    format!("[tls] {file}: {what}")
}

fn warn_if_others_may_read(key: &str) {
    // It was read a moment ago; if it is gone now, there is nothing to warn of.
    let mode = std::fs::metadata(key).map_or(0, |file| file.permissions().mode());
    if mode & OTHERS != 0 {
        tracing::warn!("the private key {key} can be read by everybody here: chmod o= {key}");
    }
}

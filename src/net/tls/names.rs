//! What a certificate says: its names and until when it is valid.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::X509Certificate;

use crate::auth::Certificate;
use crate::model::Stamp;

/// # Errors
/// In words: it cannot be read, or is not valid at this time.
pub fn names(der: &CertificateDer<'_>, now: Stamp) -> Result<Certificate, String> {
    let (_, parsed) =
        parse_x509_certificate(der).map_err(|error| format!("unreadable: {error}"))?;
    let expires_at = valid_until(&parsed, now)?;
    let mut common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    // Of two nobody could say which one is meant.
    let common_name = common.next().filter(|_| common.next().is_none()).map(str::to_owned);
    let mut found =
        Certificate { common_name, expires_at: Some(expires_at), ..Certificate::default() };
    let alternative = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    for name in alternative.into_iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => found.dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => found.email.push((*name).to_owned()),
            GeneralName::URI(name) => found.uri.push((*name).to_owned()),
            _ => {}
        }
    }
    Ok(found)
}

/// The end of its validity.
fn valid_until(parsed: &X509Certificate<'_>, now: Stamp) -> Result<Stamp, String> {
    let validity = parsed.validity();
    let millis = |seconds: i64| Stamp(seconds.saturating_mul(1000));
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if now > millis(until) {
        return Err(format!("expired on {}", validity.not_after));
    }
    if now < millis(from) {
        return Err(format!("not valid before {}; is the clock right?", validity.not_before));
    }
    Ok(millis(until))
}

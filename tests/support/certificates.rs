//! Certificates made for one test: an authority, what it signs, what it revokes, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Files {
    /// As in `tls.certificates`.
    pub fn setting(&self) -> String {
        format!("{{ cert = {:?}, key = {:?} }}", self.cert, self.key)
    }
}

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
    /// Its own certificate.
    pub file: PathBuf,
}

/// What a certificate says.
pub fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.remove(DnType::CommonName);
    if !common_name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params
}

pub fn email(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().expect("ASCII"))
}

impl Authority {
    pub fn new(dir: &Path, name: &str) -> Authority {
        let mut params = params(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("self-signed");
        let file = write(dir, &format!("{name}.pem"), &issuer.pem());
        Authority { issuer, dir: dir.into(), file }
    }

    /// A server's certificate; its files have this name.
    pub fn server(&self, file: &str, names: &[&str]) -> Files {
        let mut params = params(names, "");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(file, params)
    }

    /// A client's certificate with this common name.
    pub fn client(&self, common_name: &str) -> Files {
        self.issue(common_name, params(&[], common_name))
    }

    pub fn issue(&self, file: &str, params: CertificateParams) -> Files {
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Files {
            cert: write(&self.dir, &format!("{file}.cert.pem"), &certificate.pem()),
            key: write_private(&self.dir, &format!("{file}.key.pem"), &key.serialize_pem()),
        }
    }

    /// A list that revokes the certificates with these serial numbers.
    pub fn revoke(&self, serials: &[u64]) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signed");
        write(&self.dir, "revoked.pem", &list.pem().expect("PEM"))
    }
}

/// A self-signed certificate.
pub fn self_signed(dir: &Path, file: &str, params: &CertificateParams) -> Files {
    let key = key();
    let certificate = params.self_signed(&key).expect("self-signed");
    Files {
        cert: write(dir, &format!("{file}.cert.pem"), &certificate.pem()),
        key: write_private(dir, &format!("{file}.key.pem"), &key.serialize_pem()),
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, text).expect("write");
    file
}

fn write_private(dir: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = write(dir, name, text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    file
}

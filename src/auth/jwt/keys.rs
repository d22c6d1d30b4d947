//! The keys that signatures are checked with: one shared secret, a public key in PEM, or the set of
//! a JWKS (RFC 7517). Each is for one algorithm alone.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// Keys of one set; the rest is not looked at.
const KEYS_COUNT_MAX: usize = 64;

/// Keys that one token is tried with, those first that say of the key id what it says.
const KEYS_TRIED_MAX: usize = 8;

/// An uncompressed point of the curve P-256 (SEC 1, section 2.3.3).
const P256_POINT_BYTES: usize = 65;

/// A key and what it is for.
pub struct Key {
    /// Tokens with another key id are not its own. Without one it is tried for every token.
    id: Option<String>,
    algorithm: Algorithm,
    pub verifies: DecodingKey,
}

/// Keys that were read together.
#[derive(Clone, Default)]
pub struct Keys(Vec<Arc<Key>>);

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("it is a private key: give the public key alone")]
    Private,
    #[error("it has no public key for {0:?}")]
    NotFor(Algorithm),
    #[error("it is no JWKS: {0}")]
    NoSet(String),
    #[error("it has no key for {0}")]
    Empty(String),
}

impl Keys {
    /// The shared key of HS256.
    pub fn secret(secret: &[u8]) -> Keys {
        Keys::one(Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// A public key in PEM.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn pem(pem: &[u8], algorithm: Algorithm) -> Result<Keys, KeysError> {
        if pem.windows(11).any(|words| words == b"PRIVATE KEY") {
            return Err(KeysError::Private);
        }
        let read = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            other => return Err(KeysError::NotFor(other)),
        };
        let verifies = read.map_err(|_| KeysError::NotFor(algorithm))?;
        let other_curve = algorithm == Algorithm::ES256
            && verifies.try_get_as_bytes().map(<[u8]>::len) != Ok(P256_POINT_BYTES);
        if other_curve {
            return Err(KeysError::NotFor(algorithm));
        }
        Ok(Keys::one(algorithm, verifies))
    }

    fn one(algorithm: Algorithm, verifies: DecodingKey) -> Keys {
        Keys(vec![Arc::new(Key { id: None, algorithm, verifies })])
    }

    /// The keys of a JWKS that are for one of `algorithms`.
    ///
    /// # Errors
    /// [`KeysError`], also if there is none.
    pub fn jwks(json: &[u8], algorithms: &[Algorithm]) -> Result<Keys, KeysError> {
        let no_set = |cause: String| KeysError::NoSet(cause);
        let set: Value = serde_json::from_slice(json).map_err(|error| no_set(error.to_string()))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| no_set("the list `keys` is missing".into()))?;
        let own = |key: &Key| algorithms.contains(&key.algorithm);
        let keys = keys.iter().filter_map(key).filter(own).take(KEYS_COUNT_MAX);
        let keys: Vec<_> = keys.map(Arc::new).collect();
        if keys.is_empty() {
            let names: Vec<_> = algorithms.iter().map(|one| format!("{one:?}")).collect();
            return Err(KeysError::Empty(names.join(", ")));
        }
        Ok(Keys(keys))
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The keys that may have signed a token which says this of itself.
    pub fn for_token(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
        let fits = |key: &&Arc<Key>| match (&key.id, id) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => true,
        };
        let own = self.0.iter().filter(|key| key.algorithm == algorithm);
        let mut keys: Vec<_> = own.filter(fits).cloned().collect();
        keys.sort_by_key(|key| key.id.as_deref() != id);
        keys.truncate(KEYS_TRIED_MAX);
        keys
    }
}

impl Key {
    /// For people.
    pub fn name(&self) -> String {
        match (&self.id, self.algorithm) {
            (Some(id), _) => super::shown(id),
            (None, Algorithm::HS256) => "auth.jwt.secret".into(),
            (None, _) => "the one without a key id".into(),
        }
    }
}

/// One key of a set; `None` if it is for something else.
fn key(value: &Value) -> Option<Key> {
    let jwk = serde_json::from_value::<Jwk>(value.clone()).ok()?;
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs =
        !matches!(&jwk.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature);
    if !signs || jwk.common.key_algorithm.is_some_and(|other| other != named) {
        return None;
    }
    let verifies = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id.clone(), algorithm, verifies })
}

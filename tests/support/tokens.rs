//! Signed tokens (JWT) and the keys they are checked with, made while the test runs.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// Whoever makes tokens for a company: a key of ES256.
pub struct Issuer {
    private: EncodingKey,
    /// PEM
    pub public: String,
    pub key_id: String,
}

impl Issuer {
    pub fn new(key_id: &str) -> Issuer {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let private = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("PEM");
        Issuer { private, public: pair.public_key_pem(), key_id: key_id.into() }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.private).expect("a token")
    }

    /// Good for an hour.
    pub fn token(&self, uid: &str) -> String {
        self.sign(&json!({ "sub": uid, "exp": now() + 3600 }))
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, Algorithm::ES256).expect("a JWK");
        jwk.common.key_id = Some(self.key_id.clone());
        json!(jwk)
    }
}

/// A token of HS256, good for an hour.
pub fn shared(secret: &str, uid: &str) -> String {
    let claims = json!({ "sub": uid, "exp": now() + 3600 });
    let secret = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &secret).expect("a token")
}

/// The text of a JWKS.
pub fn jwks(issuers: &[&Issuer]) -> String {
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

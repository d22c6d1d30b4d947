//! Threat I6, as a matrix: what is accepted is a token of the configured algorithm, signed by a
//! known key, within its time, for us. Everything else is not.

mod claims;
mod ring;
mod signature;

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::log::Seldom;
use crate::model::{ClientId, Stamp};

/// Seconds since 1970 at which the clock of the tests stands.
pub const NOW: i64 = 1_700_000_000;
pub const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

/// Somebody who makes tokens.
pub struct Signer {
    pub algorithm: Algorithm,
    pub private: EncodingKey,
    /// PEM
    pub public: String,
}

pub static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::RS256));
pub static EC: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::ES256));
pub static ED: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::EdDSA));
pub static HMAC: LazyLock<Signer> = LazyLock::new(|| Signer {
    algorithm: Algorithm::HS256,
    private: EncodingKey::from_secret(SECRET),
    public: String::new(),
});

impl Signer {
    pub fn new(algorithm: Algorithm) -> Signer {
        let kind = match algorithm {
            Algorithm::RS256 => &rcgen::PKCS_RSA_SHA256,
            Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            _ => &rcgen::PKCS_ED25519,
        };
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let pem = pair.serialize_pem();
        let private = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        Signer { algorithm, private: private.unwrap(), public: pair.public_key_pem() }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(Header::new(self.algorithm), claims)
    }

    pub fn sign_with(&self, header: Header, claims: &Value) -> String {
        encode(&header, claims, &self.private).unwrap()
    }

    /// A token with a key id.
    pub fn sign_as(&self, key_id: &str) -> String {
        let header = Header { kid: Some(key_id.into()), ..Header::new(self.algorithm) };
        self.sign_with(header, &alice())
    }

    pub fn jwk(&self, key_id: Option<&str>) -> Value {
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => {
                let key = Keys::pem(self.public.as_bytes(), Algorithm::EdDSA).unwrap();
                let [key] = &key.for_token(Algorithm::EdDSA, None)[..] else { panic!("one key") };
                let x = URL_SAFE_NO_PAD.encode(key.verifies.try_get_as_bytes().unwrap());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
            algorithm => json!(Jwk::from_encoding_key(&self.private, algorithm).unwrap()),
        };
        if let Some(key_id) = key_id {
            jwk["kid"] = json!(key_id);
        }
        jwk
    }

    /// Its public key as the only one.
    pub fn keys(&self) -> Keys {
        match self.algorithm {
            Algorithm::HS256 => Keys::secret(SECRET),
            algorithm => Keys::pem(self.public.as_bytes(), algorithm).unwrap(),
        }
    }
}

pub fn jwks(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// Claims that are good for an hour.
pub fn alice() -> Value {
    json!({ "sub": "alice", "exp": NOW + 3600 })
}

/// `alice()` with other claims; `null` takes one away.
pub fn alice_with(more: Value) -> Value {
    let mut claims = alice();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => _ = claims.as_object_mut().unwrap().remove(name),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub fn rules() -> ClaimRules {
    ClaimRules {
        uid: Claim::parse("sub"),
        roles: None,
        attributes: Vec::new(),
        issuer: None,
        audience: None,
        leeway: std::time::Duration::from_secs(30),
    }
}

pub async fn provider(algorithms: &[Algorithm], source: Source) -> Jwt {
    let clock = Arc::new(ManualClock::default());
    let keys = KeyRing::open(source, clock.clone()).await.unwrap();
    Jwt {
        keys,
        algorithms: algorithms.to_vec(),
        rules: rules(),
        refusals: Seldom::new(clock.clone()),
        clock,
        metrics: Arc::default(),
    }
}

/// A provider that knows the key of this one alone.
pub async fn trusting(signer: &Signer) -> Jwt {
    provider(&[signer.algorithm], Source::Fixed(signer.keys())).await
}

pub async fn login(jwt: &Jwt, uid: Option<&str>, token: &str) -> Result<Identity, AuthError> {
    let client_id = ClientId::default();
    let credentials = Credentials { uid, ..Credentials::test(&client_id, "", token.as_bytes()) };
    jwt.authenticate(credentials).await
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_names_its_user_until_its_expiry() {
    for signer in [&*HMAC, &*RSA, &*EC, &*ED] {
        let (jwt, token) = (trusting(signer).await, signer.sign(&alice()));
        for uid in [None, Some(""), Some("alice")] {
            let identity = login(&jwt, uid, &token).await.unwrap();
            assert_eq!(identity.uid.as_str(), "alice");
            assert_eq!(identity.expires_at, Some(Stamp((NOW + 3600) * 1000)));
        }
        assert_eq!(login(&jwt, Some("bob"), &token).await, Err(AuthError::BadLogin));
    }
}

#[tokio::test]
async fn a_password_that_is_no_token_is_for_the_next_provider() {
    let jwt = trusting(&HMAC).await;
    for password in ["", "dev", "a.b.c", "e30.e30.e30"] {
        assert_eq!(login(&jwt, Some("alice"), password).await, Err(AuthError::NotMine));
    }
    let client_id = ClientId::default();
    let none = Credentials { password: None, ..Credentials::test(&client_id, "alice", b"") };
    assert_eq!(jwt.authenticate(none).await, Err(AuthError::NotMine));
}

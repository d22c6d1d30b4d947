//! Logins by signed tokens (JWT, RFC 7519): the password is the token, its claims say who it is.
//!
//! - `token`: what is a JWT at all, and its header
//! - `keys`: public keys and the shared one, from PEM and JWKS
//! - `ring`: where keys come from, and how they are read again
//! - `claims`: what a token says, and whether it is valid now
//!
//! The library checks signatures, with the algorithms that the settings name and no other. Times
//! are compared here, by our own clock.

mod claims;
mod keys;
mod ring;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use jsonwebtoken::{Validation, decode};
use serde_json::Value;
use tracing::info;

pub use claims::{Claim, ClaimRules};
pub use jsonwebtoken::Algorithm;
pub use keys::Keys;
pub use ring::{Format, KeyRing, Source, read_once};
use token::Token;

use super::{AuthError, AuthFuture, Authenticator, Credentials, Login, counted};
use crate::clock::Clock;
use crate::log::Seldom;
use crate::metrics::{Backend, Metrics};
use crate::model::{Identity, Uid};

/// More of a token's header does not go to the log.
const SHOWN_CHARS_MAX: usize = 64;

/// Provider `jwt`. What is no JWT is somebody else's password.
pub struct Jwt {
    pub keys: KeyRing,
    /// What may stand in `alg`; all of one kind of key.
    pub algorithms: Vec<Algorithm>,
    pub rules: ClaimRules,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub refusals: Seldom,
}

/// Why a token is not accepted, in words for the log. The client hears less.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("its header is not one that is served: {0}")]
    Header(&'static str),
    #[error("its algorithm {0:?} is not among auth.jwt.algorithms")]
    Algorithm(String),
    #[error("no key with its key id {0:?} is known")]
    KeyId(String),
    #[error("the keys cannot be read now: {0}")]
    NoKeys(String),
    #[error("no known key made its signature")]
    Signature,
    #[error("its claim {0}")]
    Claim(String),
    #[error("it is not valid yet: see its `nbf` and the clocks")]
    TooEarly,
    #[error("it has expired")]
    Expired,
    #[error("it is for another user than the user name says")]
    OtherUser,
}

impl From<&Wrong> for AuthError {
    fn from(wrong: &Wrong) -> AuthError {
        match wrong {
            Wrong::Expired => AuthError::Expired,
            Wrong::NoKeys(_) => AuthError::UNAVAILABLE,
            _ => AuthError::BadLogin,
        }
    }
}

impl Authenticator for Jwt {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(async move {
            let Some(token) = credentials.password.and_then(Token::read) else {
                credentials.why("the password is no JWT");
                return Err(AuthError::NotMine);
            };
            counted(&self.metrics, Backend::Jwt, self.login(&token, &credentials)).await
        })
    }

    /// Nothing is remembered.
    fn forget(&self, _: &Uid) {}
}

impl Jwt {
    async fn login(&self, token: &Token<'_>, credentials: &Credentials<'_>) -> Login {
        credentials.note("algorithm", || shown(&token.algorithm));
        credentials.note("key_id", || token.key_id.as_deref().map(shown));
        self.check(token, credentials).await.map_err(|wrong| {
            if let Some(left_out) = self.refusals.say() {
                info!(uid = credentials.uid, left_out, "a token is not accepted: {wrong}");
            }
            credentials.why(&wrong);
            AuthError::from(&wrong)
        })
    }

    async fn check(
        &self,
        token: &Token<'_>,
        credentials: &Credentials<'_>,
    ) -> Result<Identity, Wrong> {
        let named = self.algorithms.iter().find(|one| format!("{one:?}") == token.algorithm);
        let algorithm = named.ok_or_else(|| Wrong::Algorithm(shown(&token.algorithm)))?;
        if let Some(why) = token.unserved {
            return Err(Wrong::Header(why));
        }
        let keys = self.keys.for_token(*algorithm, token.key_id.as_deref()).await?;
        let (key, claims) = verify(token.text, *algorithm, &keys)?;
        credentials.note("key", || key.name());
        credentials.note("claims", || self.rules.read(&claims));
        let identity = self.rules.identity(&claims, self.clock.wall())?;
        match credentials.uid {
            None | Some("") => Ok(identity),
            Some(uid) if uid == identity.uid.as_str() => Ok(identity),
            Some(_) => Err(Wrong::OtherUser),
        }
    }
}

/// The begin of what a client wrote, for the log.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// The claims with the one of these keys that signed them.
fn verify<'k>(
    token: &str,
    algorithm: Algorithm,
    keys: &'k [Arc<keys::Key>],
) -> Result<(&'k Arc<keys::Key>, Value), Wrong> {
    let mut signature = Validation::new(algorithm);
    signature.required_spec_claims.clear();
    signature.validate_exp = false;
    signature.validate_nbf = false;
    signature.validate_aud = false;
    let by = |key: &'k Arc<keys::Key>| {
        let token = decode::<Value>(token, &key.verifies, &signature).ok()?;
        Some((key, token.claims))
    };
    keys.iter().find_map(by).ok_or(Wrong::Signature)
}

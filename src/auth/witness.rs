//! What people see of a login that is only tried: each provider notes what it does while it does
//! it, so that nothing decides but what decides a real login.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AuthError, Authenticator, Chain, Credentials, Login};
use crate::config::Provider;
use crate::model::{ClientId, Identity};

/// Watches one login; see [`Credentials::witness`]. Providers hand it no secret.
#[derive(Default)]
pub struct Witness(Mutex<Vec<Asked>>);

/// One provider that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub provider: Provider,
    /// What it was asked, what it found: each with its name, in their order.
    pub facts: Vec<(String, Value)>,
    pub decision: Decision,
    pub latency: Duration,
}

/// What a provider said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub result: Outcome,
    /// In words for the administrator; the client hears less.
    pub reason: Option<String>,
    /// Where it is [`Outcome::Accepted`].
    pub identity: Option<Accepted>,
}

/// [`Login`] without what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    /// The next provider is asked.
    NotMine,
    Refused,
    Expired,
    /// Nobody can say now.
    #[default]
    Unavailable,
    Busy,
}

/// Whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub uid: String,
    pub roles: Vec<String>,
    /// Names alone: values are the user's affair.
    pub attributes: Vec<String>,
    /// Milliseconds since 1970.
    pub expires_at: Option<i64>,
}

impl Witness {
    /// The next provider is asked.
    pub fn begin(&self, provider: Provider) {
        let decision = Decision::default();
        self.all().push(Asked { provider, facts: Vec::new(), decision, latency: Duration::ZERO });
    }

    /// It has answered.
    pub fn end(&self, login: &Login, latency: Duration) {
        self.with_last(|asked| {
            asked.latency = latency;
            asked.decision.result = Outcome::from(login);
            asked.decision.identity = login.as_ref().ok().map(Accepted::from);
        });
    }

    pub fn note(&self, name: &str, value: impl Into<Value>) {
        self.with_last(|asked| asked.facts.push((name.into(), value.into())));
    }

    /// Why it decides as it does.
    pub fn why(&self, reason: &dyn Display) {
        self.with_last(|asked| asked.decision.reason = Some(reason.to_string()));
    }

    /// What a provider in another process noted, instead of what was noted here.
    pub fn adopt(&self, other: Asked) {
        self.with_last(|asked| *asked = other);
    }

    /// The providers that were asked, in their order.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.all())
    }

    fn with_last(&self, act: impl FnOnce(&mut Asked)) {
        self.all().last_mut().map(act);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What provider `accounts` says of a login, wherever it would come from.
pub async fn try_accounts(
    accounts: &Arc<dyn Authenticator>,
    uid: Option<&str>,
    password: &str,
) -> Vec<Asked> {
    let (witness, client_id) = (Arc::new(Witness::default()), ClientId::default());
    let credentials = Credentials {
        uid,
        client_id: &client_id,
        password: Some(password.as_bytes()),
        peer: (Ipv4Addr::LOCALHOST, 0).into(),
        listener: "",
        certificate: None,
        witness: Some(&witness),
    };
    // What it decides is among what the witness saw.
    _ = Chain(vec![(Provider::Accounts, accounts.clone())]).authenticate(credentials).await;
    witness.take()
}

impl Credentials<'_> {
    /// For a witness, if there is one.
    pub(super) fn note<V: Into<Value>>(&self, name: &str, value: impl FnOnce() -> V) {
        if let Some(witness) = self.witness {
            witness.note(name, value());
        }
    }

    /// As [`Credentials::note`]: why the provider decides as it does.
    pub(super) fn why(&self, reason: impl Display) {
        if let Some(witness) = self.witness {
            witness.why(&reason);
        }
    }
}

impl From<&Login> for Outcome {
    fn from(login: &Login) -> Outcome {
        match login {
            Ok(_) => Outcome::Accepted,
            Err(AuthError::NotMine) => Outcome::NotMine,
            Err(AuthError::BadLogin | AuthError::Banned { .. } | AuthError::TooMany { .. }) => {
                Outcome::Refused
            }
            Err(AuthError::Expired) => Outcome::Expired,
            Err(AuthError::Unavailable { .. }) => Outcome::Unavailable,
            Err(AuthError::Busy { .. }) => Outcome::Busy,
        }
    }
}

impl From<&Identity> for Accepted {
    fn from(identity: &Identity) -> Accepted {
        Accepted {
            uid: identity.uid.to_string(),
            roles: identity.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            attributes: identity.attrs.names().map(str::to_owned).collect(),
            expires_at: identity.expires_at.map(|at| at.0),
        }
    }
}

//! What the claims of a verified token say, and whether it is valid now (RFC 7519, section 4.1).

use std::time::Duration;

use serde_json::Value;
use tracing::debug;

use super::Wrong;
use crate::model::{Attrs, Identity, Role, Roles, Stamp, Uid};

/// Where a value stands in the claims: a name, or a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim(String);

/// What is asked of the claims, and what is taken from them.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    pub uid: Claim,
    pub roles: Option<Claim>,
    /// Each attribute's name and its claim.
    pub attributes: Vec<(String, Claim)>,
    /// `iss` has to be this.
    pub issuer: Option<String>,
    /// `aud` has to have this; without it, there must be no `aud`.
    pub audience: Option<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

impl Claim {
    /// A text that begins with `/` is a pointer.
    pub fn parse(text: &str) -> Claim {
        Claim(text.into())
    }

    fn of<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        match self.0.starts_with('/') {
            true => claims.pointer(&self.0),
            false => claims.get(&self.0),
        }
    }
}

impl ClaimRules {
    /// Who the claims name, valid until `exp`.
    ///
    /// # Errors
    /// [`Wrong`]
    pub fn identity(&self, claims: &Value, now: Stamp) -> Result<Identity, Wrong> {
        let expires_at = self.expiry(claims, now)?;
        self.check_start(claims, now)?;
        self.check_issuer(claims)?;
        self.check_audience(claims)?;
        let attrs = Attrs::new(self.attributes(claims));
        Ok(Identity {
            roles: self.roles(claims),
            attrs: attrs.ok_or_else(|| wrong("attributes", "are too long together"))?,
            expires_at: Some(expires_at),
            ..Identity::user(self.uid(claims)?)
        })
    }

    /// What of the claims is looked at, for people.
    pub fn read(&self, claims: &Value) -> Value {
        let times = ["exp", "nbf", "iss", "aud"].map(Claim::parse);
        let own = std::iter::once(&self.uid).chain(&self.roles);
        let own = own.chain(self.attributes.iter().map(|(_, claim)| claim));
        let read = |claim: &Claim| Some((claim.0.clone(), claim.of(claims)?.clone()));
        Value::Object(times.iter().chain(own).filter_map(read).collect())
    }

    fn expiry(&self, claims: &Value, now: Stamp) -> Result<Stamp, Wrong> {
        let exp = date(claims, "exp")?.ok_or_else(|| wrong("exp", "is missing"))?;
        match exp {
            _ if exp.after(self.leeway) <= now => Err(Wrong::Expired),
            // Whoever comes in by the leeway alone stays for what is left of it.
            _ if exp <= now => Ok(exp.after(self.leeway)),
            _ => Ok(exp),
        }
    }

    fn check_start(&self, claims: &Value, now: Stamp) -> Result<(), Wrong> {
        let start = date(claims, "nbf")?;
        let too_early = start.is_some_and(|start| start > now.after(self.leeway));
        if too_early { Err(Wrong::TooEarly) } else { Ok(()) }
    }

    fn check_issuer(&self, claims: &Value) -> Result<(), Wrong> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        let is = claims.get("iss").and_then(Value::as_str) == Some(issuer);
        if is { Ok(()) } else { Err(wrong("iss", "is not auth.jwt.issuer")) }
    }

    /// Whoever is not named by `aud` has to refuse (RFC 7519, section 4.1.3).
    fn check_audience(&self, claims: &Value) -> Result<(), Wrong> {
        let named = match (claims.get("aud"), &self.audience) {
            (None, None) => true,
            (Some(Value::String(one)), Some(own)) => one == own,
            (Some(Value::Array(many)), Some(own)) => many.iter().any(|one| one == own.as_str()),
            _ => false,
        };
        if named { Ok(()) } else { Err(wrong("aud", "does not have auth.jwt.audience")) }
    }

    fn uid(&self, claims: &Value) -> Result<Uid, Wrong> {
        let text = self.uid.of(claims).and_then(text);
        let text = text.ok_or_else(|| wrong(&self.uid.0, "has no uid"))?;
        Uid::parse(&text).map_err(|error| wrong(&self.uid.0, &error.to_string()))
    }

    /// Roles that no rule could name are left out: a token is made for others too.
    fn roles(&self, claims: &Value) -> Roles {
        let names: Vec<&str> = match self.roles.as_ref().and_then(|claim| claim.of(claims)) {
            Some(Value::String(names)) => names.split_whitespace().collect(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let role = |name: &str| {
            Role::parse(name).inspect_err(|error| debug!("a role of a token is left out: {error}"))
        };
        names.into_iter().filter_map(|name| role(name).ok()).collect()
    }

    fn attributes(&self, claims: &Value) -> Vec<(String, String)> {
        let value = |claim: &Claim| claim.of(claims).and_then(text);
        let one = |(name, claim): &(String, Claim)| Some((name.clone(), value(claim)?));
        self.attributes.iter().filter_map(one).collect()
    }
}

fn wrong(claim: &str, what: &str) -> Wrong {
    Wrong::Claim(format!("{claim}: {what}"))
}

/// A text as it is; numbers and truth values as JSON writes them.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Seconds since 1970, whole or not (RFC 7519, section 2: NumericDate); a text is none.
fn date(claims: &Value, name: &str) -> Result<Option<Stamp>, Wrong> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let secs = value.as_f64().ok_or_else(|| wrong(name, "is no number of seconds"))?;
    Ok(Some(Stamp((secs * 1000.0) as i64)))
}

//! `[auth]` and its sections: who checks logins, and how each provider is asked.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{HttpAuth, Secret, Span, Url};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Users made by `homing user add`.
    Accounts,
    /// The client certificate of the TLS connection.
    Certificate,
    /// The member API.
    Http,
    /// Signed tokens (JWT).
    Jwt,
    /// Tokens that another program wrote into Redis.
    Redis,
    /// Any uid with any password; only on loopback.
    Open,
}

impl Provider {
    /// As in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Accounts => "accounts",
            Provider::Certificate => "certificate",
            Provider::Http => "http",
            Provider::Jwt => "jwt",
            Provider::Redis => "redis",
            Provider::Open => "open",
        }
    }
}

/// Who is asked, in this order. Written as one name or as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Providers(pub Vec<Provider>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub provider: Providers,
    /// Who brings neither user name, password nor certificate comes in without a login.
    pub anonymous: bool,
    /// Password checks that run at the same time (argon2 costs 19 MiB each).
    pub hashes_at_once: usize,
    pub http: HttpAuth,
    pub jwt: JwtAuth,
    pub redis: RedisAuth,
}

/// Provider `jwt`: signed tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtAuth {
    /// Nothing else is accepted, whatever a token says of itself.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The shared key of HS256.
    pub secret: Secret,
    /// A public key as a PEM file, for any other algorithm.
    pub key: String,
    /// Public keys as a JWKS: a file or an https URL.
    pub jwks: Url,
    pub jwks_refresh: Span,
    /// What `iss` has to be; empty: not looked at.
    pub issuer: String,
    /// What has to be in `aud`; empty: a token with `aud` is for somebody else.
    pub audience: String,
    /// By how much clocks may differ.
    pub leeway: Span,
    /// Claims, each by its name or as a JSON pointer.
    pub uid: String,
    pub roles: String,
    /// `name` or `name=claim`.
    pub attributes: Vec<String>,
}

/// RFC 7518, section 3.1, and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    HS256,
    RS256,
    ES256,
    EdDSA,
}

/// Provider `redis`: tokens that another program wrote there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisAuth {
    /// `redis://host:port/db`, without a password.
    pub url: Url,
    pub user: String,
    pub password: Secret,
    pub layout: RedisLayout,
    /// The key, a template.
    pub key: String,
    /// The field of a hash that has the token; empty: the key has it.
    pub field: String,
    /// What has to stand there, a template.
    pub value: String,
    /// How long a key lives on after each check; 0: it is left as it is.
    pub renew: Span,
    /// For one answer, with all waiting.
    pub wait: Span,
    /// Questions under way at the same time.
    pub at_once: usize,
}

/// How the tokens lie in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisLayout {
    /// As `key`, `field`, `value` and `renew` say.
    Own,
    /// As the login service of Startalk writes them.
    Startalk,
}

impl Providers {
    pub fn has(&self, provider: Provider) -> bool {
        self.0.contains(&provider)
    }
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            provider: Providers(vec![Provider::Accounts]),
            anonymous: false,
            hashes_at_once: 2,
            http: HttpAuth::default(),
            jwt: JwtAuth::default(),
            redis: RedisAuth::default(),
        }
    }
}

impl Default for JwtAuth {
    fn default() -> Self {
        JwtAuth {
            algorithms: vec![JwtAlgorithm::RS256],
            secret: Secret::default(),
            key: String::new(),
            jwks: Url::default(),
            jwks_refresh: Span(Duration::from_secs(10 * 60)),
            issuer: String::new(),
            audience: String::new(),
            leeway: Span(Duration::from_secs(5)),
            uid: "sub".into(),
            roles: String::new(),
            attributes: Vec::new(),
        }
    }
}

impl Default for RedisAuth {
    fn default() -> Self {
        RedisAuth {
            url: "redis://127.0.0.1:6379/0".into(),
            user: String::new(),
            password: Secret::default(),
            layout: RedisLayout::Own,
            key: "homing:token:{uid}".into(),
            field: String::new(),
            value: "{token}".into(),
            renew: Span(Duration::ZERO),
            wait: Span(Duration::from_secs(2)),
            at_once: 64,
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`accounts`, `http`, `jwt`, `redis`, `certificate` or `open`, or a list of them"
)]
enum OneOrMore {
    One(Provider),
    More(Vec<Provider>),
}

impl<'de> Deserialize<'de> for Providers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(one) => Providers(vec![one]),
            OneOrMore::More(more) => Providers(more),
        })
    }
}

impl Serialize for Providers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            more => more.serialize(serializer),
        }
    }
}

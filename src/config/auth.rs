//! `[auth]` and its sections: who checks logins, and how each provider is asked.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::HttpAuth;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Users made by `homing user add`.
    Accounts,
    /// The member API.
    Http,
    /// Any uid with any password; only on loopback.
    Open,
}

/// Who is asked, in this order. Written as one name or as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Providers(pub Vec<Provider>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub provider: Providers,
    /// Password checks that run at the same time (argon2 costs 19 MiB each).
    pub hashes_at_once: usize,
    pub http: HttpAuth,
    pub jwt: JwtAuth,
    pub redis: RedisAuth,
}

/// Provider `jwt`: signed tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtAuth {}

/// Provider `redis`: tokens that another program wrote there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisAuth {}

impl Providers {
    pub fn has(&self, provider: Provider) -> bool {
        self.0.contains(&provider)
    }
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            provider: Providers(vec![Provider::Accounts]),
            hashes_at_once: 2,
            http: HttpAuth::default(),
            jwt: JwtAuth::default(),
            redis: RedisAuth::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a provider (`accounts`, `http` or `open`) or a list of them")]
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

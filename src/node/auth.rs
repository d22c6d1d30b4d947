//! The chain of providers that `auth.provider` names, each built from its settings.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;

use super::redis;
use crate::auth::jwt::{self, Algorithm, Claim, ClaimRules, Jwt, KeyRing, Keys, Source};
use crate::auth::{
    Auth, Authenticator, ByCertificate, Chain, Directory, MemberApi, Open, Parts, Swap,
};
use crate::clock::Clock;
use crate::config::{Config, HttpAuth, JwtAlgorithm, JwtAuth, Provider};
use crate::log::Seldom;
use crate::metrics::Metrics;
use crate::model::certificate::IdentityTemplate;

/// Accounts can be made with any provider. Where accounts are not the only one, nobody can list
/// the users, so that everyone may be sent to.
///
/// # Errors
/// In words: a key that cannot be read, a template that is none.
pub async fn authentication(
    config: &Config,
    parts: Parts,
    (member_api, metrics): (Arc<ArcSwapOption<MemberApi>>, Arc<Metrics>),
) -> Result<(Auth, Providers), String> {
    let clock = parts.clock.clone();
    let mut auth = Auth::accounts(parts);
    let providers = Providers::new(config, auth.accounts.clone(), (clock, metrics), member_api);
    let chain = providers.build(config).await?;
    providers.change(chain);
    auth.authenticator = providers.swap.clone();
    if config.auth.provider.0 != [Provider::Accounts] {
        auth.directory = Arc::new(Directory::everyone());
    }
    Ok((auth, providers))
}

/// The chain alone, for a login that is only tried. `accounts` answers for that provider.
///
/// # Errors
/// As [`authentication`].
pub async fn chain(
    config: &Config,
    accounts: Arc<dyn Authenticator>,
    clock: Arc<dyn Clock>,
) -> Result<Chain, String> {
    let standing = (clock, Arc::new(Metrics::default()));
    let providers = Providers::new(config, accounts, standing, Arc::default());
    Ok(providers.build(config).await?.chain)
}

/// The providers of a running broker, for a reload.
pub struct Providers {
    accounts: Arc<dyn Authenticator>,
    swap: Arc<Swap>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// The one that answers now, for whoever wants to see what it remembers.
    member_api: Arc<ArcSwapOption<MemberApi>>,
    /// The settings that it was made from.
    http: ArcSwap<HttpAuth>,
    /// With the settings that it was made from.
    jwt: ArcSwapOption<(JwtAuth, Arc<Jwt>)>,
}

/// Providers that do not answer yet.
pub struct Built {
    chain: Chain,
    member_api: Option<Arc<MemberApi>>,
    http: HttpAuth,
    jwt: Option<Arc<(JwtAuth, Arc<Jwt>)>>,
}

impl Providers {
    fn new(
        config: &Config,
        accounts: Arc<dyn Authenticator>,
        (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
        member_api: Arc<ArcSwapOption<MemberApi>>,
    ) -> Providers {
        let swap = Arc::new(Swap::new(accounts.clone()));
        let http = ArcSwap::from_pointee(config.auth.http.clone());
        Providers { accounts, swap, clock, metrics, member_api, http, jwt: Default::default() }
    }

    /// New ones for these settings; [`Providers::change`] lets them answer.
    ///
    /// # Errors
    /// As [`authentication`].
    pub async fn build(&self, config: &Config) -> Result<Built, String> {
        let mut chain: Vec<(Provider, Arc<dyn Authenticator>)> = Vec::new();
        let (mut member_api, mut jwt) = (None, None);
        let standing = || (self.clock.clone(), self.metrics.clone());
        for provider in &config.auth.provider.0 {
            let authenticator: Arc<dyn Authenticator> = match provider {
                Provider::Http => {
                    let api = self.member_api(config)?;
                    member_api = Some(api.clone());
                    api
                }
                Provider::Accounts => self.accounts.clone(),
                Provider::Open => Arc::new(Open),
                Provider::Jwt => {
                    let kept = self.jwt(&config.auth.jwt).await?;
                    jwt = Some(kept.clone());
                    kept.1.clone()
                }
                Provider::Certificate => Arc::new(certificate(config, self.clock.clone())?),
                Provider::Redis => redis::provider(config, standing())?,
            };
            chain.push((*provider, authenticator));
        }
        Ok(Built { chain: Chain(chain), member_api, http: config.auth.http.clone(), jwt })
    }

    /// As [`Providers::build`], for a broker whose providers have all they need: new ones have to
    /// have it too.
    ///
    /// # Errors
    /// Also if new keys cannot be read now.
    pub async fn rebuild(&self, config: &Config) -> Result<Built, String> {
        let built = self.build(config).await?;
        let kept = self.jwt.load_full();
        let new = built.jwt.as_ref().filter(|new| !is_same(new, &kept));
        match new.and_then(|new| new.1.keys.failed()) {
            Some(words) => Err(no_keys(&words)),
            None => Ok(built),
        }
    }

    pub fn change(&self, next: Built) {
        let Built { chain, member_api, http, jwt } = next;
        let before = self.member_api.load_full();
        if let Some(before) = before.filter(|before| !is_same(before, &member_api)) {
            before.retire();
        }
        self.swap.change(Arc::new(chain));
        self.jwt.store(jwt);
        self.member_api.store(member_api);
        self.http.store(Arc::new(http));
    }

    /// What it remembers is kept while its settings are the same.
    fn member_api(&self, config: &Config) -> Result<Arc<MemberApi>, String> {
        let http = &config.auth.http;
        if let Some(api) = self.member_api.load_full().filter(|_| **self.http.load() == *http) {
            return Ok(api);
        }
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        MemberApi::new(config, clock, metrics, Handle::current()).map(Arc::new)
    }

    /// Its keys are kept while its settings are the same: their URL may not answer just now.
    async fn jwt(&self, settings: &JwtAuth) -> Result<Arc<(JwtAuth, Arc<Jwt>)>, String> {
        if let Some(kept) = self.jwt.load_full().filter(|kept| kept.0 == *settings) {
            return Ok(kept);
        }
        let new = jwt(settings, (self.clock.clone(), self.metrics.clone())).await?;
        Ok(Arc::new((settings.clone(), Arc::new(new))))
    }
}

fn is_same<T>(one: &Arc<T>, other: &Option<Arc<T>>) -> bool {
    other.as_ref().is_some_and(|other| Arc::ptr_eq(one, other))
}

fn no_keys(words: &str) -> String {
    format!("the keys of auth.jwt cannot be used: {words}")
}

fn certificate(config: &Config, clock: Arc<dyn Clock>) -> Result<ByCertificate, String> {
    let template = IdentityTemplate::parse(&config.tls.identity);
    let refusals = Seldom::new(clock);
    let by = |template| ByCertificate { template, refusals };
    template.map(by).ok_or_else(|| "tls.identity is no template".into())
}

/// Reads the keys of provider `jwt` once; how many there are.
///
/// # Errors
/// In words: a file or a URL that has none, or does not answer.
pub async fn jwt_keys(config: &JwtAuth) -> Result<usize, String> {
    let algorithms: Vec<_> = config.algorithms.iter().copied().map(algorithm).collect();
    jwt::read_once(source(config, &algorithms)).await
}

async fn jwt(
    config: &JwtAuth,
    (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
) -> Result<Jwt, String> {
    let algorithms: Vec<_> = config.algorithms.iter().copied().map(algorithm).collect();
    let source = source(config, &algorithms);
    let keys = KeyRing::open(source, clock.clone()).await;
    let keys = keys.map_err(|words| no_keys(&words))?;
    Ok(Jwt {
        keys,
        algorithms,
        rules: rules(config),
        refusals: Seldom::new(clock.clone()),
        clock,
        metrics,
    })
}

fn algorithm(name: JwtAlgorithm) -> Algorithm {
    match name {
        JwtAlgorithm::HS256 => Algorithm::HS256,
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// Where `auth.jwt.jwks` is not the name of a file.
pub(super) fn is_url(jwks: &str) -> bool {
    jwks.starts_with("https://") || jwks.starts_with("http://")
}

/// The settings were checked: there is one kind of key, and a PEM is for one algorithm.
fn source(config: &JwtAuth, algorithms: &[Algorithm]) -> Source {
    let JwtAuth { secret, key, jwks, jwks_refresh, .. } = config;
    let algorithms = algorithms.to_vec();
    match algorithms.as_slice() {
        _ if is_url(jwks) => {
            Source::Url { url: jwks.to_string(), interval: jwks_refresh.0, algorithms }
        }
        _ if !jwks.is_empty() => {
            Source::File { path: jwks.as_str().into(), format: jwt::Format::Jwks(algorithms) }
        }
        [one] if !key.is_empty() => {
            Source::File { path: key.into(), format: jwt::Format::Pem(*one) }
        }
        _ => Source::Fixed(Keys::secret(secret.expose().as_bytes())),
    }
}

fn rules(config: &JwtAuth) -> ClaimRules {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let attribute = |text: &String| {
        let (name, claim) = text.split_once('=').unwrap_or((text, text));
        (name.to_owned(), Claim::parse(claim))
    };
    ClaimRules {
        uid: Claim::parse(&config.uid),
        roles: some(&config.roles).map(|claim| Claim::parse(&claim)),
        attributes: config.attributes.iter().map(attribute).collect(),
        issuer: some(&config.issuer),
        audience: some(&config.audience),
        leeway: config.leeway.0,
    }
}

//! The chain of providers that `auth.provider` names, each built from its settings.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;

use crate::auth::jwt::{self, Algorithm, Claim, ClaimRules, Jwt, KeyRing, Keys, Source};
use crate::auth::redis::{Layout, Redis, Server, Template};
use crate::auth::{
    Auth, Authenticator, ByCertificate, Chain, Directory, MemberApi, Open, Parts, Swap,
};
use crate::clock::Clock;
use crate::config::{Config, HttpAuth, JwtAlgorithm, JwtAuth, Provider, RedisLayout};
use crate::log::Seldom;
use crate::metrics::Metrics;
use crate::model::certificate::IdentityTemplate;

/// The login service of Startalk keeps its tokens here.
const STARTALK_DATABASE: i64 = 2;
const STARTALK_KEY: &str = "login_service:{uid}@{host}:{token.mk}";
const STARTALK_VALUE: &str = "{token.token}";
const STARTALK_RENEW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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
                Provider::Redis => Arc::new(redis(config, standing())?),
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

/// Asks the server of provider `redis` for nothing but an answer.
///
/// # Errors
/// In words: the settings are wrong, or it does not answer.
pub async fn redis_answers(config: &Config, clock: Arc<dyn Clock>) -> Result<(), String> {
    redis(config, (clock, Arc::default()))?.ping().await
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

fn redis(config: &Config, standing: (Arc<dyn Clock>, Arc<Metrics>)) -> Result<Redis, String> {
    let own = &config.auth.redis;
    let startalk = own.layout == RedisLayout::Startalk;
    let server = Server {
        url: own.url.to_string(),
        user: own.user.clone(),
        password: own.password.expose().into(),
        database: startalk.then_some(STARTALK_DATABASE),
        wait: own.wait.0,
        at_once: own.at_once,
    };
    let redis = Redis::new(&server, layout(config)?, Handle::current(), standing);
    redis.map_err(|error| format!("auth.redis.url: {error}"))
}

fn layout(config: &Config) -> Result<Layout, String> {
    let own = &config.auth.redis;
    let (key, value, renew) = match own.layout {
        RedisLayout::Own => (own.key.as_str(), own.value.as_str(), own.renew.0),
        RedisLayout::Startalk => (STARTALK_KEY, STARTALK_VALUE, STARTALK_RENEW),
    };
    let template = |name: &str, text: &str| {
        Template::parse(text).map_err(|error| format!("auth.redis.{name}: {text:?}: {error}"))
    };
    let layout = Layout {
        key: template("key", key)?,
        field: (own.layout == RedisLayout::Own && !own.field.is_empty()).then(|| own.field.clone()),
        value: template("value", value)?,
        renew: (renew > Duration::ZERO).then_some(renew),
        host: config.startalk.domain.clone(),
    };
    if (layout.key.has_host() || layout.value.has_host()) && layout.host.is_empty() {
        return Err("auth.redis: its {host} is startalk.domain, which is not set".into());
    }
    proves(&layout)?;
    Ok(layout)
}

/// What lies in Redis has to join a user to a token, or one's token would let in as another.
fn proves(Layout { key, value, .. }: &Layout) -> Result<(), String> {
    let missing = match (key.has_uid() || value.has_uid(), key.has_token() || value.has_token()) {
        (true, true) => return Ok(()),
        (false, _) => "{uid}, so that a right token would be right for every user",
        (_, false) => "{token}, so that any token would be right",
    };
    Err(format!("auth.redis: neither key nor value has {missing}: put it into one of them"))
}

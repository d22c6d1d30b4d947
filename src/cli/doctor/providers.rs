//! Those that check logins: whether each answers, and that the member API refuses a login that
//! was made up on the spot.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822;

use super::check::Check;
use super::millis;
use super::scene::Scene;
use crate::auth::witness::{Asked, Outcome};
use crate::auth::{Authenticator, Chain, Credentials, MemberApi, Witness};
use crate::clock::{Clock, Stopwatch, SystemClock};
use crate::config::{Config, Provider};
use crate::metrics::Metrics;
use crate::model::{ClientId, Stamp};
use crate::node;

/// The user and the device of the made-up login.
const NAME: &str = "homing-doctor";
/// An answer that takes longer is felt by everyone who connects.
const LATENCY_MAX: Duration = Duration::from_secs(1);
/// Answers that come from a wrong path as often as from an API that knows nobody.
const NO_SUCH_PAGE: [u16; 2] = [404, 405];

/// What each provider said, in the order in which they are asked.
pub struct Facts(Vec<Answer>);

enum Answer {
    /// Nothing is asked of it.
    Here(Provider),
    Http(Result<Tried, String>),
    Jwt {
        keys: Result<usize, String>,
        latency: Duration,
    },
    Redis {
        answer: Result<(), String>,
        latency: Duration,
    },
}

/// What came of the made-up login.
struct Tried {
    /// `None`: there was no call, because such a login can be none here.
    status: Option<u16>,
    outcome: Outcome,
    words: String,
    latency: Duration,
    /// By how many milliseconds the clock of the API is before ours.
    ahead: Option<i64>,
}

impl Facts {
    pub fn ahead(&self) -> Option<i64> {
        self.0.iter().find_map(|answer| match answer {
            Answer::Http(Ok(tried)) => tried.ahead,
            _ => None,
        })
    }
}

pub async fn look(scene: &Scene) -> Facts {
    let config = &scene.config;
    let has = |provider| config.auth.provider.has(provider);
    let http = async { if has(Provider::Http) { Some(try_login(config).await) } else { None } };
    let jwt = async { if has(Provider::Jwt) { Some(keys(config).await) } else { None } };
    let redis = async { if has(Provider::Redis) { Some(ping(config).await) } else { None } };
    let (mut http, mut jwt, mut redis) = tokio::join!(http, jwt, redis);
    let answer = |provider: &Provider| {
        let answer = match provider {
            Provider::Http => http.take().map(Answer::Http),
            Provider::Jwt => jwt.take(),
            Provider::Redis => redis.take(),
            Provider::Accounts | Provider::Certificate | Provider::Open => None,
        };
        answer.unwrap_or(Answer::Here(*provider))
    };
    Facts(config.auth.provider.0.iter().map(answer).collect())
}

async fn try_login(config: &Config) -> Result<Tried, String> {
    let (clock, metrics) = (Arc::new(SystemClock::default()), Arc::new(Metrics::default()));
    let runtime = tokio::runtime::Handle::current();
    let api = MemberApi::new(config, clock.clone(), metrics, runtime)?;
    let client_id = ClientId::parse(NAME).map_err(|error| error.to_string())?;
    let token = format!("{NAME}-{:032x}", rand::random::<u128>());
    let witness = Arc::new(Witness::default());
    let credentials = Credentials {
        uid: Some(NAME),
        client_id: &client_id,
        password: Some(token.as_bytes()),
        peer: (IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into(),
        listener: "mqtt",
        certificate: None,
        witness: Some(&witness),
    };
    let chain = Chain(vec![(Provider::Http, Arc::new(api) as Arc<dyn Authenticator>)]);
    // What it decides is among what the witness saw.
    _ = chain.authenticate(credentials).await;
    let asked = witness.take().pop().ok_or("the member API was not asked")?;
    Ok(tried(asked, clock.stamp()))
}

fn tried(asked: Asked, now: Stamp) -> Tried {
    let answer = asked.facts.iter().find(|(name, _)| name == "answer").map(|(_, value)| value);
    let status = answer.and_then(|answer| answer["status"].as_u64());
    let date = answer.and_then(|answer| answer["date"].as_str());
    Tried {
        status: status.and_then(|status| status.try_into().ok()),
        ahead: date.and_then(|date| ahead(date, now)),
        outcome: asked.decision.result,
        words: asked.decision.reason.unwrap_or_default(),
        latency: asked.latency,
    }
}

/// The header has whole seconds: their middle is meant.
fn ahead(date: &str, now: Stamp) -> Option<i64> {
    let there = rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    Some(there + 500 - now.0)
}

async fn keys(config: &Config) -> Answer {
    let watch = Stopwatch::start();
    let keys = node::jwt_keys(&config.auth.jwt).await;
    Answer::Jwt { keys, latency: watch.elapsed() }
}

async fn ping(config: &Config) -> Answer {
    let watch = Stopwatch::start();
    let answer = node::redis_answers(config, Arc::new(SystemClock::default())).await;
    Answer::Redis { answer, latency: watch.elapsed() }
}

pub fn judge(facts: &Facts) -> Vec<Check> {
    facts.0.iter().map(judge_one).collect()
}

fn judge_one(answer: &Answer) -> Check {
    match answer {
        Answer::Here(Provider::Open) => Check::warning(
            "provider open",
            "anyone on this machine may log in as anybody",
            "set auth.provider before other machines are let in",
        ),
        Answer::Here(Provider::Certificate) => {
            Check::ok("provider certificate", "it needs nothing but tls.client_ca")
        }
        Answer::Here(_) => Check::ok("provider accounts", "the users are in the store"),
        Answer::Http(Err(words)) => Check::error("provider http", words, "mend auth.http"),
        Answer::Http(Ok(tried)) => judge_tried(tried),
        Answer::Jwt { keys: Ok(count), latency } => {
            timed(Check::ok("provider jwt", format!("keys: {count}")), *latency)
        }
        Answer::Jwt { keys: Err(words), .. } => Check::error(
            "provider jwt",
            format!("the keys cannot be read: {words}"),
            "mend auth.jwt, or what is behind it",
        ),
        Answer::Redis { answer: Ok(()), latency } => {
            timed(Check::ok("provider redis", "it answers"), *latency)
        }
        Answer::Redis { answer: Err(words), .. } => Check::error(
            "provider redis",
            format!("it does not answer: {words}"),
            "look at auth.redis.url, user and password, and whether it runs",
        ),
    }
}

fn judge_tried(tried: &Tried) -> Check {
    let name = "provider http";
    let status = tried.status.map_or("no call".into(), |status| format!("status {status}"));
    let words = &tried.words;
    let check = match (tried.outcome, tried.status) {
        (Outcome::Accepted, _) => Check::error(
            name,
            format!("the member API accepts a made-up login ({status}): anyone would be let in"),
            "look at auth.http.accept_status and accept_pointer, and at the API; \
             homing auth test shows the answer",
        ),
        (Outcome::Unavailable | Outcome::Busy, _) => Check::error(
            name,
            format!("the member API cannot answer: {words}"),
            "look at auth.http.url and whether the API runs; homing auth test shows more",
        ),
        (Outcome::Refused | Outcome::NotMine, None) => Check::warning(
            name,
            format!("the member API was not asked about a made-up login: {words}"),
            "try a real one: homing auth test --uid UID",
        ),
        (_, Some(code)) if NO_SUCH_PAGE.contains(&code) => Check::warning(
            name,
            format!("the member API answers {code} to a made-up login: is the path right?"),
            "look at auth.http.url and method, and try a real login: homing auth test --uid UID",
        ),
        _ => Check::ok(
            name,
            format!("the member API refuses a made-up login, as it should ({status})"),
        ),
    };
    timed(check, tried.latency).with("status", tried.status)
}

/// Slow is worth a warning where all else is well.
fn timed(check: Check, latency: Duration) -> Check {
    let slow = latency > LATENCY_MAX && check.status == super::Status::Ok;
    let words = format!("{}, in {} ms", check.message, millis(latency));
    let check = match slow {
        true => Check::warning(&check.name, words, "find out why it is slow: logins wait for it"),
        false => Check { message: words, ..check },
    };
    check.with("latency_ms", millis(latency))
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn of(outcome: Outcome, status: Option<u16>) -> Status {
        let (latency, words) = (Duration::from_millis(5), String::new());
        judge_tried(&Tried { status, outcome, words, latency, ahead: None }).status
    }

    #[test]
    fn a_made_up_login_has_to_be_refused() {
        assert_eq!(of(Outcome::Refused, Some(200)), Status::Ok);
        assert_eq!(of(Outcome::Expired, Some(200)), Status::Ok);
        assert_eq!(of(Outcome::Refused, Some(404)), Status::Warning);
        assert_eq!(of(Outcome::Refused, None), Status::Warning);
        assert_eq!(of(Outcome::Unavailable, None), Status::Error);
        assert_eq!(of(Outcome::Accepted, Some(200)), Status::Error);
    }

    #[test]
    fn what_is_slow_is_warned_of() {
        let of = |millis| timed(Check::ok("x", "y"), Duration::from_millis(millis)).status;
        assert_eq!((of(1000), of(1001)), (Status::Ok, Status::Warning));
        let keys = |keys| judge_one(&Answer::Jwt { keys, latency: Duration::ZERO }).status;
        assert_eq!((keys(Ok(1)), keys(Err("gone".into()))), (Status::Ok, Status::Error));
        let redis = |answer| judge_one(&Answer::Redis { answer, latency: Duration::ZERO }).status;
        assert_eq!((redis(Ok(())), redis(Err("gone".into()))), (Status::Ok, Status::Error));
        assert_eq!(judge_one(&Answer::Here(Provider::Open)).status, Status::Warning);
    }

    #[test]
    fn the_date_of_an_answer_is_compared_with_ours() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(ahead(date, Stamp(784_111_777_000)), Some(500));
        assert_eq!(ahead(date, Stamp(784_111_787_500)), Some(-10_000));
        assert_eq!(ahead("yesterday", Stamp(0)), None);
    }
}

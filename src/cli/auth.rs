//! `homing auth test`: one login checked before people's eyes, past what a broker remembers.

use std::io::{BufRead, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exit::{FAILURE, Failure, LOGIN, UNREACHABLE};
use super::place::DataPlace;
use crate::auth::http::TOKEN_BYTES_MAX;
use crate::auth::http::answer::Judgement;
use crate::auth::http::trial::Trial;
use crate::auth::{Credentials, MemberApi};
use crate::clock::SystemClock;
use crate::config::{Config, Provider};
use crate::control::{self, Answer, AskError, Request};
use crate::metrics::Metrics;
use crate::model::{ClientId, Identity};

/// Of an answer's body, for people.
const SHOWN_CHARS_MAX: usize = 1000;

/// Checks logins.
#[derive(Args, Debug)]
pub struct AuthArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: DataPlace,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Ask the member API about one login and print request, answer, decision and latency
    Test(TestArgs),
}

#[derive(Args, Debug)]
struct TestArgs {
    /// The user name
    #[arg(long)]
    uid: String,
    /// The password; "-" or none reads it from the terminal or the first line of standard input,
    /// so that the list of processes does not show it
    #[arg(long, default_value = "-", hide_default_value = true)]
    token: String,
    /// The client id: the device
    #[arg(long, default_value = "", hide_default_value = true)]
    client_id: String,
    /// The address that the client would have
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    ip: IpAddr,
    /// The listener that the client would use
    #[arg(long, default_value = "mqtt")]
    listener: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// [`LOGIN`] if the login is refused, [`UNREACHABLE`] if the API cannot answer.
pub async fn run(args: AuthArgs) -> Result<(), Failure> {
    let Verb::Test(test) = args.verb;
    let config = args.place.load()?.config;
    if !config.auth.provider.has(Provider::Http) {
        return Err(Failure::usage(
            "auth.provider has no \"http\", so there is no member API to ask: try another \
             provider's login by `homing sub`",
        ));
    }
    let token = token(&test)?;
    let client_id = ClientId::parse(&test.client_id).map_err(Failure::usage)?;
    let trial = try_login(&config, &test, &client_id, token.as_bytes()).await?;
    let broker = match &config.store.data {
        Some(data) => broker(data, &test.uid).await?,
        None => Broker::NotAsked,
    };
    let report = Report { trial: &trial, token: &token, broker };
    let mut out = std::io::stdout().lock();
    match test.json {
        true => writeln!(out, "{}", report.json())?,
        false => write!(out, "{}", report.text())?,
    }
    match &trial.judgement {
        Judgement::Accepted(_) => Ok(()),
        Judgement::Refused(_) | Judgement::Expired => Err(Failure::new(LOGIN, "")),
        Judgement::NoAnswer(_) => Err(Failure::new(UNREACHABLE, "")),
    }
}

async fn try_login(
    config: &Config,
    test: &TestArgs,
    client_id: &ClientId,
    token: &[u8],
) -> Result<Trial, Failure> {
    let (clock, metrics) = (Arc::new(SystemClock::default()), Arc::new(Metrics::default()));
    let runtime = tokio::runtime::Handle::current();
    let api = MemberApi::new(&config.auth.http, clock, metrics, runtime).map_err(Failure::usage)?;
    let credentials = Credentials {
        uid: Some(&test.uid),
        client_id,
        password: Some(token),
        peer: (test.ip, 0).into(),
        listener: &test.listener,
        certificate: None,
    };
    Ok(api.trial(credentials).await)
}

fn token(test: &TestArgs) -> Result<Zeroizing<String>, Failure> {
    let cannot = |error| Failure::new(FAILURE, format!("the token cannot be read: {error}"));
    let stdin = std::io::stdin();
    match test.token.as_str() {
        "-" if stdin.is_terminal() => {
            let prompt = format!("Token of {}: ", test.uid);
            rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(cannot)
        }
        "-" => first_line(stdin.lock()).map_err(cannot),
        token => Ok(Zeroizing::new(token.into())),
    }
}

/// Of text; reads little more than a token can have.
fn first_line(reader: impl BufRead) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    reader.take(TOKEN_BYTES_MAX as u64 + 2).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

/// What a running broker remembers.
enum Broker {
    NotAsked,
    None,
    Says(crate::auth::http::MemberState),
    /// It runs with other settings.
    NoMemberApi,
}

async fn broker(data: &Path, uid: &str) -> Result<Broker, Failure> {
    match control::ask(data, &Request::AuthState { uid: uid.into() }).await {
        Ok(Answer::AuthState { member_api: Some(state) }) => Ok(Broker::Says(state)),
        Ok(Answer::AuthState { member_api: None }) => Ok(Broker::NoMemberApi),
        // A user name that is no uid: nothing is remembered under it.
        Ok(Answer::Refused { .. }) => Ok(Broker::NotAsked),
        Ok(_) => Err(Failure::new(UNREACHABLE, "the broker answered something else")),
        Err(AskError::NoBroker) => Ok(Broker::None),
        Err(error) => Err(Failure::new(UNREACHABLE, error)),
    }
}

struct Report<'a> {
    trial: &'a Trial,
    token: &'a str,
    broker: Broker,
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            for (number, value) in value.lines().enumerate() {
                let name = if number == 0 { name } else { "" };
                text.push_str(format!("{name:<10}{value}").trim_end());
                text.push('\n');
            }
        };
        line("request", &self.request_text());
        line("answer", &self.answer_text());
        line("decision", &self.decision_text());
        line("latency", &format!("{:.1} ms", self.millis()));
        line("broker", &self.broker_text());
        text
    }

    fn request_text(&self) -> String {
        let Some(request) = &self.trial.request else {
            return format!("none is made (the token has {} bytes)", self.trial.token_bytes);
        };
        let mut text = format!("{} {}", request.method, request.url);
        for (name, value) in &request.headers {
            text.push_str(&format!("\n{name}: {value}"));
        }
        if let Some(body) = &request.body {
            text.push_str(&format!("\n\n{body}"));
        }
        format!("{text}\n(the token has {} bytes)", self.trial.token_bytes)
    }

    fn answer_text(&self) -> String {
        match &self.trial.answer {
            Ok((status, body)) => format!("{status} {}", self.shown(body)),
            Err(words) => format!("none: {words}"),
        }
    }

    /// Clipped, without what a terminal would obey, and without the token if the API repeats it.
    fn shown(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let text =
            if self.token.is_empty() { text } else { text.replace(self.token, "***").into() };
        let safe = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).map(safe).collect();
        let more = text.chars().count().saturating_sub(SHOWN_CHARS_MAX);
        if more == 0 { shown } else { format!("{shown}… ({more} characters more)") }
    }

    fn decision_text(&self) -> String {
        match &self.trial.judgement {
            Judgement::Accepted(identity) => format!("accepted: {}", told(identity)),
            Judgement::Refused(why) => format!("refused: {why}"),
            Judgement::Expired => "refused: the API says that the token has expired".into(),
            Judgement::NoAnswer(why) => format!("cannot be made: {why}"),
        }
    }

    fn broker_text(&self) -> String {
        match &self.broker {
            Broker::NotAsked => "not asked: give its data directory with --data DIR".into(),
            Broker::None => "none runs on this data directory".into(),
            Broker::NoMemberApi => "it runs without the member API: restart it".into(),
            Broker::Says(state) => format!(
                "breaker {} ({} failures in a row)\nlogins of this user: {} accepted without \
                 asking, {} only while the API cannot answer",
                if state.breaker_open { "open" } else { "closed" },
                state.failures,
                state.fresh,
                state.stale
            ),
        }
    }

    fn millis(&self) -> f64 {
        self.trial.latency.as_secs_f64() * 1000.0
    }

    fn json(&self) -> Value {
        let header = |(name, value): &(_, String)| json!([format!("{name}"), value]);
        let request = self.trial.request.as_ref().map(|request| {
            json!({
                "method": request.method.as_str(),
                "url": request.url,
                "headers": request.headers.iter().map(header).collect::<Vec<_>>(),
                "body": request.body,
            })
        });
        let answer = match &self.trial.answer {
            Ok((status, body)) => json!({ "status": status, "body": self.shown(body) }),
            Err(words) => json!({ "error": words }),
        };
        let broker = match &self.broker {
            Broker::Says(state) => json!(state),
            Broker::NotAsked | Broker::None | Broker::NoMemberApi => Value::Null,
        };
        json!({
            "request": request,
            "token_bytes": self.trial.token_bytes,
            "answer": answer,
            "decision": decision_json(&self.trial.judgement),
            "latency_ms": self.millis(),
            "broker": broker,
        })
    }
}

fn told(identity: &Identity) -> String {
    let roles: Vec<&str> = identity.roles.iter().map(|role| role.as_str()).collect();
    let roles = if roles.is_empty() { "none".into() } else { roles.join(" ") };
    let until = match expires_at(identity) {
        Some(time) => format!("until {time}"),
        None => "without an end".into(),
    };
    format!("uid {}, roles {roles}, attributes {:?}, {until}", identity.uid, identity.attrs)
}

fn expires_at(identity: &Identity) -> Option<String> {
    let stamp = identity.expires_at?;
    // A time that no calendar has is shown as the number that it is.
    let calendar = jiff::Timestamp::from_millisecond(stamp.0);
    Some(calendar.map_or_else(|_| format!("{} ms", stamp.0), |time| time.to_string()))
}

fn decision_json(judgement: &Judgement) -> Value {
    match judgement {
        Judgement::Accepted(identity) => json!({
            "result": "accepted",
            "uid": identity.uid.as_str(),
            "roles": identity.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
            "expires_at": expires_at(identity),
        }),
        Judgement::Refused(why) => json!({ "result": "refused", "reason": why }),
        Judgement::Expired => json!({ "result": "expired" }),
        Judgement::NoAnswer(why) => json!({ "result": "unavailable", "reason": why }),
    }
}

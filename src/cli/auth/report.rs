//! How `homing auth test` is told: text for people, JSON for machines. Neither has a secret in it,
//! nor anything that a terminal would obey.

use serde_json::{Map, Value, json};

use crate::auth::http::MemberState;
use crate::auth::witness::{Accepted, Asked, Decision, Outcome};

/// Of a value, as an answer's body.
const SHOWN_CHARS_MAX: usize = 1000;

/// What a running broker remembers of the member API's answers.
pub enum Broker {
    /// The member API is not asked.
    NoMatter,
    NotAsked,
    None,
    Says(MemberState),
    /// It runs with other settings.
    NoMemberApi,
}

pub struct Report {
    pub asked: Vec<Asked>,
    pub login: Outcome,
    pub broker: Broker,
}

impl Report {
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (number, asked) in self.asked.iter().enumerate() {
            line(&mut text, "provider", asked.provider.name());
            for (name, value) in &asked.facts {
                line(&mut text, name, &fact_text(name, value));
            }
            let last = number + 1 == self.asked.len();
            line(&mut text, "decision", &decision_text(&asked.decision, last));
            line(&mut text, "latency", &format!("{:.1} ms", millis(asked)));
        }
        if let Some(words) = self.broker_text() {
            line(&mut text, "broker", &words);
        }
        text
    }

    fn broker_text(&self) -> Option<String> {
        Some(match &self.broker {
            Broker::NoMatter => return None,
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
        })
    }

    pub fn json(&self) -> Value {
        let broker = match &self.broker {
            Broker::Says(state) => json!(state),
            _ => Value::Null,
        };
        json!({
            "login": self.login,
            "asked": self.asked.iter().map(asked_json).collect::<Vec<_>>(),
            "broker": broker,
        })
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    for (number, value) in value.lines().enumerate() {
        let name = if number == 0 { name } else { "" };
        text.push_str(format!("{name:<12}{value}").trim_end());
        text.push('\n');
    }
}

fn fact_text(name: &str, value: &Value) -> String {
    match (name, value) {
        ("request", request) => request_text(request),
        ("answer", answer) => match &answer["error"] {
            Value::String(words) => format!("none: {}", shown(words)),
            _ => format!("{} {}", answer["status"], plain(&answer["body"])),
        },
        (_, Value::Null) => "none".into(),
        (_, value) => plain(value),
    }
}

fn request_text(request: &Value) -> String {
    let mut text = format!("{} {}", plain(&request["method"]), plain(&request["url"]));
    for header in request["headers"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n{}: {}", plain(&header[0]), plain(&header[1])));
    }
    if let Value::String(body) = &request["body"] {
        text.push_str(&format!("\n\n{}", shown(body)));
    }
    text
}

fn decision_text(decision: &Decision, last: bool) -> String {
    let reason = decision.reason.as_deref().map(|why| format!(": {}", shown(why)));
    let reason = reason.unwrap_or_default();
    match (decision.result, &decision.identity) {
        (Outcome::Accepted, Some(who)) => format!("accepted: {}", told(who)),
        (Outcome::Accepted, None) => "accepted".into(),
        (Outcome::NotMine, _) if last => format!("not mine{reason}; nobody is left: refused"),
        (Outcome::NotMine, _) => format!("not mine{reason}; the next one is asked"),
        (Outcome::Refused, _) => format!("refused{reason}"),
        (Outcome::Expired, _) => format!("refused, expired{reason}"),
        (Outcome::Unavailable | Outcome::Busy, _) => format!("cannot be made{reason}"),
    }
}

fn told(who: &Accepted) -> String {
    let words = |all: &[String]| if all.is_empty() { "none".into() } else { all.join(" ") };
    let until = match expires_at(who) {
        Some(time) => format!("until {time}"),
        None => "without an end".into(),
    };
    let (roles, attributes) = (words(&who.roles), words(&who.attributes));
    shown(&format!("uid {}, roles {roles}, attributes {attributes}, {until}", who.uid))
}

fn expires_at(who: &Accepted) -> Option<String> {
    let millis = who.expires_at?;
    // A time that no calendar has is shown as the number that it is.
    let calendar = jiff::Timestamp::from_millisecond(millis);
    Some(calendar.map_or_else(|_| format!("{millis} ms"), |time| time.to_string()))
}

fn millis(asked: &Asked) -> f64 {
    asked.latency.as_secs_f64() * 1000.0
}

fn asked_json(asked: &Asked) -> Value {
    let Decision { result, reason, identity } = &asked.decision;
    let mut all = Map::new();
    all.insert("provider".into(), asked.provider.name().into());
    all.extend(asked.facts.iter().map(|(name, value)| (name.clone(), clipped(value))));
    let mut decision = json!({ "result": result, "reason": reason });
    if let Some(who) = identity {
        decision["uid"] = json!(who.uid);
        decision["roles"] = json!(who.roles);
        decision["attributes"] = json!(who.attributes);
        decision["expires_at"] = json!(expires_at(who));
    }
    all.insert("decision".into(), decision);
    all.insert("latency_ms".into(), json!(millis(asked)));
    Value::Object(all)
}

fn clipped(value: &Value) -> Value {
    match value {
        Value::String(text) => shown(text).into(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), clipped(value))).collect()
        }
        other => other.clone(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    }
}

/// Clipped, without what a terminal would obey.
fn shown(text: &str) -> String {
    let safe = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).map(safe).collect();
    match text.chars().count().saturating_sub(SHOWN_CHARS_MAX) {
        0 => shown,
        more => format!("{shown}… ({more} characters more)"),
    }
}

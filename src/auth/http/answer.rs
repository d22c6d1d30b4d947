//! What an answer of the member API means: accepted, refused, of no use, or no answer at all.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::{ANSWER_BYTES_MAX, Answered};
use super::template::scalar;
use crate::config::{HttpAuth, TimeFormat};
use crate::model::{Attrs, Identity, Role, Roles, Stamp, Uid};

const ROLES_COUNT_MAX: usize = 32;

/// How answers are read.
#[derive(Debug)]
pub struct AnswerPlan {
    accept_status: BTreeSet<u16>,
    refuse_status: BTreeSet<u16>,
    /// Place and value; without it the status decides.
    accept: Option<(Pointer, Value)>,
    uid: Option<Pointer>,
    uid_may_differ: bool,
    /// An answer without one says of nobody that the token is theirs.
    uid_required: bool,
    roles: Option<Pointer>,
    expires: Option<(Pointer, TimeFormat)>,
    attributes: Option<Pointer>,
}

/// A JSON pointer (RFC 6901) to somewhere inside of the answer.
#[derive(Clone, Debug)]
pub struct Pointer(String);

/// What the API said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Accepted(Identity),
    /// The login is wrong; the words are for the log and for `homing auth test`.
    Refused(String),
    /// It was accepted, but only until a time that has passed.
    Expired,
    /// The API cannot answer anybody now.
    NoAnswer(String),
    /// It failed, of this login or altogether.
    Error(String),
    /// It answered, but nothing that decides: a matter of this login alone, as far as one can see.
    Unusable(String),
}

impl Pointer {
    /// `None` for an empty text.
    ///
    /// # Errors
    /// In words, with the key.
    pub fn read(key: &str, text: &str) -> Result<Option<Pointer>, String> {
        let stray = |part: &str| part.starts_with(|c| c != '0' && c != '1') || part.is_empty();
        match text {
            "" => Ok(None),
            _ if !text.starts_with('/') || text.split('~').skip(1).any(stray) => {
                Err(format!("auth.http.{key}: {text:?} is no JSON pointer, as \"/data/ok\""))
            }
            _ => Ok(Some(Pointer(text.into()))),
        }
    }

    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(&self.0).filter(|found| !found.is_null())
    }
}

impl AnswerPlan {
    /// Of settings whose preset is resolved. `names_uid`: the API is told the user name.
    ///
    /// # Errors
    /// In words that name the key.
    pub fn new(settings: &HttpAuth, names_uid: bool) -> Result<AnswerPlan, String> {
        let expires = Pointer::read("expires_pointer", &settings.expires_pointer)?;
        let plan = AnswerPlan {
            accept_status: settings.accept_status.iter().copied().collect(),
            refuse_status: settings.refuse_status.iter().copied().collect(),
            accept: accept(settings)?,
            uid: Pointer::read("uid_pointer", &settings.uid_pointer)?,
            uid_may_differ: settings.uid_may_differ,
            uid_required: settings.uid_may_differ || !names_uid,
            roles: Pointer::read("roles_pointer", &settings.roles_pointer)?,
            expires: expires.map(|pointer| (pointer, settings.expires_format)),
            attributes: Pointer::read("attributes_pointer", &settings.attributes_pointer)?,
        };
        if let Some(status) = plan.accept_status.intersection(&plan.refuse_status).next() {
            return Err(format!(
                "auth.http.refuse_status: {status} is in auth.http.accept_status too: remove one"
            ));
        }
        if plan.uid_may_differ && plan.uid.is_none() {
            return Err("auth.http.uid_may_differ needs auth.http.uid_pointer".into());
        }
        if plan.uid_required && plan.uid.is_none() {
            return Err("auth.http: no template has {uid}, so that a right token would be right \
                        for every user: put it into the body, a header or the URL, or set \
                        auth.http.uid_pointer"
                .into());
        }
        Ok(plan)
    }

    /// Whether user names may be something else than a uid.
    pub fn uid_may_differ(&self) -> bool {
        self.uid_may_differ
    }

    /// `user` is the user name that was asked about.
    pub fn judge(&self, answered: &Answered, user: &str, now: Stamp) -> Judgement {
        let Answered { status, body, .. } = answered;
        if self.refuse_status.contains(status) {
            return Judgement::Refused(format!("status {status} is in auth.http.refuse_status"));
        }
        if !self.accept_status.contains(status) {
            return undecided(*status);
        }
        match body {
            Some(body) => self.read(body, user, now).unwrap_or_else(|other| other),
            None => {
                Judgement::Unusable(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes"))
            }
        }
    }

    fn read(&self, body: &[u8], user: &str, now: Stamp) -> Result<Judgement, Judgement> {
        let answer = match self.status_decides() {
            true => Value::Null,
            false => serde_json::from_slice(body)
                .map_err(|error| Judgement::Unusable(format!("the answer is no JSON: {error}")))?,
        };
        if let Some((pointer, wanted)) = &self.accept
            && pointer.find(&answer) != Some(wanted)
        {
            let Pointer(pointer) = pointer;
            return Err(Judgement::Refused(format!("{pointer} in the answer is not {wanted}")));
        }
        let mut identity = Identity::user(self.uid(&answer, user)?);
        identity.roles = self.roles(&answer)?;
        identity.attrs = self.attributes(&answer)?;
        identity.expires_at = self.expires_at(&answer)?;
        match identity.expires_at {
            Some(end) if end <= now => Err(Judgement::Expired),
            _ => Ok(Judgement::Accepted(identity)),
        }
    }

    fn status_decides(&self) -> bool {
        let pointers = [&self.uid, &self.roles, &self.attributes];
        self.accept.is_none() && self.expires.is_none() && pointers.iter().all(|p| p.is_none())
    }

    fn uid(&self, answer: &Value, user: &str) -> Result<Uid, Judgement> {
        let found = self.uid.as_ref().and_then(|pointer| pointer.find(answer));
        let text = match found {
            Some(value) => scalar(value).ok_or_else(|| unreadable("uid", "is no text"))?,
            None if self.uid_required => return Err(unreadable("uid", "is missing")),
            None => user.into(),
        };
        if text != user && !self.uid_may_differ {
            return Err(Judgement::Refused(format!(
                "the API answered for the uid {text:?}: set auth.http.uid_may_differ if it may"
            )));
        }
        Uid::parse(&text).map_err(|error| unreadable("uid", error))
    }

    fn roles(&self, answer: &Value) -> Result<Roles, Judgement> {
        let one = std::slice::from_ref;
        let names = match self.roles.as_ref().and_then(|pointer| pointer.find(answer)) {
            None => return Ok(Roles::default()),
            Some(Value::Array(names)) if names.len() <= ROLES_COUNT_MAX => names,
            Some(Value::Array(_)) => return Err(unreadable("roles", "are too many")),
            Some(name) => one(name),
        };
        let role = |name: &Value| {
            let name = name.as_str().ok_or_else(|| unreadable("roles", "are no texts"))?;
            Role::parse(name).map_err(|error| unreadable("roles", error))
        };
        names.iter().map(role).collect()
    }

    fn attributes(&self, answer: &Value) -> Result<Attrs, Judgement> {
        let found = self.attributes.as_ref().and_then(|pointer| pointer.find(answer));
        let Some(found) = found else { return Ok(Attrs::default()) };
        let object = found.as_object().ok_or_else(|| unreadable("attributes", "are no object"))?;
        let pair = |(name, value): (&String, &Value)| match value {
            Value::Null => None,
            _ => Some(scalar(value).map(|text| (name.clone(), text))),
        };
        let pairs: Option<Vec<_>> = object.iter().filter_map(pair).collect();
        let pairs = pairs.ok_or_else(|| unreadable("attributes", "have lists or objects"))?;
        Attrs::new(pairs).ok_or_else(|| unreadable("attributes", "are too long"))
    }

    fn expires_at(&self, answer: &Value) -> Result<Option<Stamp>, Judgement> {
        let Some((pointer, format)) = &self.expires else { return Ok(None) };
        let Some(found) = pointer.find(answer) else { return Ok(None) };
        let bad = || unreadable("expires_pointer", "leads to no time of auth.http.expires_format");
        time(found, *format).map(Some).ok_or_else(bad)
    }
}

fn accept(settings: &HttpAuth) -> Result<Option<(Pointer, Value)>, String> {
    let Some(pointer) = Pointer::read("accept_pointer", &settings.accept_pointer)? else {
        return Ok(None);
    };
    let wrong = |error| {
        let value = &settings.accept_value;
        format!("auth.http.accept_value: {value:?} is no JSON ({error}): as true or \"\\\"ok\\\"\"")
    };
    serde_json::from_str(&settings.accept_value).map(|value| Some((pointer, value))).map_err(wrong)
}

fn unreadable(what: &str, why: impl std::fmt::Display) -> Judgement {
    Judgement::Unusable(format!("the answer cannot be read: {what} {why}"))
}

/// A status that is neither accepted nor refused. 408, 425 and 429 ask to come again (RFC 9110,
/// RFC 8470, RFC 6585), whatever was asked.
fn undecided(status: u16) -> Judgement {
    let unnamed = || format!("status {status} is not in auth.http.accept_status or refuse_status");
    match status {
        408 | 425 | 429 => Judgement::NoAnswer(unnamed()),
        500..600 => Judgement::Error(unnamed()),
        300..400 => Judgement::Unusable(format!(
            "status {status}: put the address it leads to into auth.http.url"
        )),
        _ => Judgement::Unusable(unnamed()),
    }
}

/// Numbers may be texts: many an API quotes them.
fn time(value: &Value, format: TimeFormat) -> Option<Stamp> {
    let text = scalar(value)?;
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
    match format {
        TimeFormat::Seconds => number().map(|seconds| Stamp((seconds * 1000.0) as i64)),
        TimeFormat::Milliseconds => number().map(|millis| Stamp(millis as i64)),
        TimeFormat::Rfc3339 => {
            text.parse::<jiff::Timestamp>().ok().map(|time| Stamp(time.as_millisecond()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::preset::resolve;
    use super::*;

    const NOW: Stamp = Stamp(1_700_000_000_000);

    fn plan(text: &str) -> AnswerPlan {
        AnswerPlan::new(&resolve(&toml::from_str(text).unwrap()), true).unwrap()
    }

    fn judge(text: &str, status: u16, body: &str) -> Judgement {
        let answered = Answered { status, body: Some(body.into()), date: None };
        plan(text).judge(&answered, "ut001", NOW)
    }

    fn refused(judgement: Judgement) -> bool {
        matches!(judgement, Judgement::Refused(_))
    }

    fn unusable(judgement: Judgement) -> bool {
        matches!(judgement, Judgement::Unusable(_))
    }

    #[test]
    fn everything_that_the_json_preset_reads() {
        let body = r#"{"allow":true,"uid":"ut001","roles":["operator","vip"],
            "expires_at":1700000060,"attributes":{"city":"Xian","level":3,"x":null}}"#;
        let Judgement::Accepted(identity) = judge("", 200, body) else { panic!("not accepted") };
        assert_eq!(identity.uid.as_str(), "ut001");
        assert_eq!(*identity.roles, [Role::Operator, Role::parse("vip").unwrap()]);
        assert_eq!(identity.expires_at, Some(Stamp(1_700_000_060_000)));
        assert_eq!(
            (identity.attrs.get("city"), identity.attrs.get("level")),
            (Some("Xian"), Some("3"))
        );
        let user = Identity::user(Uid::parse("ut001").unwrap());
        assert_eq!(judge("", 200, r#"{"allow":true}"#), Judgement::Accepted(user));
    }

    #[test]
    fn refused_against_of_no_use_against_cannot_answer() {
        for status in [400, 401, 403, 404, 422] {
            assert!(refused(judge("", status, "anything")), "{status}");
        }
        for body in [r#"{"allow":false}"#, r#"{"allow":"true"}"#, "{}", "[]", r#"{"allow":null}"#] {
            assert!(refused(judge("", 200, body)), "{body}");
        }
        for status in [100, 201, 204, 302, 402, 405, 413, 414, 431] {
            assert!(unusable(judge("", status, r#"{"allow":true}"#)), "{status}");
        }
        for status in [408, 425, 429] {
            let said = judge("", status, r#"{"allow":true}"#);
            assert!(matches!(said, Judgement::NoAnswer(_)), "{status}");
        }
        for status in [500, 502, 503, 504] {
            let said = judge("", status, r#"{"allow":true}"#);
            assert!(matches!(said, Judgement::Error(_)), "{status}");
        }
        let long = Answered { status: 200, body: None, date: None };
        assert!(unusable(plan("").judge(&long, "ut001", NOW)));
        for body in ["", "<html>", r#"{"allow":true"#, "\u{0}"] {
            assert!(unusable(judge("", 200, body)), "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_half_right_is_none() {
        for rest in [
            r#""roles":[1]"#,
            r#""roles":["a b"]"#,
            r#""expires_at":"tomorrow""#,
            r#""attributes":[1]"#,
            r#""attributes":{"a":[]}"#,
            r#""uid":[]"#,
        ] {
            assert!(unusable(judge("", 200, &format!(r#"{{"allow":true,{rest}}}"#))), "{rest}");
        }
    }

    #[test]
    fn the_uid_of_the_answer_has_to_be_the_user_name_unless_it_may_differ() {
        let other = r#"{"allow":true,"uid":"ut002"}"#;
        assert!(refused(judge("", 200, other)));
        let may = "uid_may_differ = true";
        let Judgement::Accepted(identity) = judge(may, 200, other) else { panic!("refused") };
        assert_eq!(identity.uid.as_str(), "ut002");
        assert!(unusable(judge(may, 200, r#"{"allow":true}"#)));
        assert!(unusable(judge(may, 200, r#"{"allow":true,"uid":"a/b"}"#)));
    }

    #[test]
    fn where_the_api_is_not_told_the_user_name_it_has_to_say_it() {
        let plan = |text| AnswerPlan::new(&resolve(&toml::from_str(text).unwrap()), false);
        assert!(plan("preset = \"none\"").unwrap_err().contains("no template has {uid}"));
        let said = |body: &str| {
            let answered = Answered { status: 200, body: Some(body.into()), date: None };
            plan("").unwrap().judge(&answered, "ut001", NOW)
        };
        assert!(matches!(said(r#"{"allow":true,"uid":"ut001"}"#), Judgement::Accepted(_)));
        assert!(refused(said(r#"{"allow":true,"uid":"ut002"}"#)));
        for body in [r#"{"allow":true}"#, r#"{"allow":true,"uid":null}"#] {
            assert!(unusable(said(body)), "{body}");
        }
    }

    #[test]
    fn times_in_three_forms_and_a_time_that_has_passed() {
        for (format, value) in [
            ("seconds", "1700000060"),
            ("seconds", "\"1700000060\""),
            ("milliseconds", "1700000060000"),
            ("rfc3339", "\"2023-11-14T22:14:20Z\""),
            ("rfc3339", "\"2023-11-15T06:14:20+08:00\""),
        ] {
            let body = format!(r#"{{"allow":true,"expires_at":{value}}}"#);
            let said = judge(&format!("expires_format = {format:?}"), 200, &body);
            let Judgement::Accepted(identity) = said else { panic!("{format} {value}: {said:?}") };
            assert_eq!(identity.expires_at, Some(Stamp(1_700_000_060_000)));
        }
        let past = r#"{"allow":true,"expires_at":1700000000}"#;
        assert_eq!(judge("", 200, past), Judgement::Expired);
    }

    #[test]
    fn the_status_alone_decides_where_nothing_is_read() {
        let user = Identity::user(Uid::parse("ut001").unwrap());
        let said = judge("preset = \"session\"", 200, "not json");
        assert_eq!(said, Judgement::Accepted(user));
    }

    #[test]
    fn settings_that_cannot_be_are_told_with_their_key() {
        for (text, key) in [
            ("accept_pointer = \"allow\"", "accept_pointer"),
            ("roles_pointer = \"/a~2\"", "roles_pointer"),
            ("accept_value = \"ok\"", "accept_value"),
            ("accept_status = [200, 403]", "refuse_status"),
            ("preset = \"none\"\nuid_may_differ = true", "uid_pointer"),
        ] {
            let settings = resolve(&toml::from_str(text).unwrap());
            let error = AnswerPlan::new(&settings, true).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}

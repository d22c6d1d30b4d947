//! Texts with placeholders for what a client says of itself, as `session:{uid}:{token.id}`.
//!
//! Filled, they name a key. Nobody may make the key of one user look like that of another, so a
//! value has to end where the text behind its placeholder is found first.

use serde_json::Value;

/// A template that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The text before the first placeholder.
    start: String,
    /// Each placeholder with the text behind it.
    rest: Vec<(Hole, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hole {
    Uid,
    Host,
    ClientId,
    Token,
    /// A field of a token that is a JSON object.
    Field(String),
}

/// Why a template is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "{{{0}}} is no placeholder: there are {{uid}} {{host}} {{client_id}} {{token}} \
         {{token.field}}"
    )]
    Unknown(String),
    #[error("a {{ has no }}")]
    Open,
    #[error("two placeholders need a text between them, else one key could stand for two users")]
    Adjacent,
    #[error("it has no placeholder, so it would be the same for all users")]
    Fixed,
}

/// What a client says of itself.
pub struct Said<'a> {
    pub uid: &'a str,
    pub host: &'a str,
    pub client_id: &'a str,
    pub token: &'a str,
}

impl Template {
    /// # Errors
    /// [`TemplateError`]
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = text.split('{');
        let start = pieces.next().unwrap_or_default().to_owned();
        let rest = pieces.map(|piece| {
            let (name, text) = piece.split_once('}').ok_or(TemplateError::Open)?;
            Ok((Hole::parse(name)?, text.to_owned()))
        });
        let rest = rest.collect::<Result<Vec<_>, _>>()?;
        match rest.split_last() {
            None => Err(TemplateError::Fixed),
            Some((_, before)) if before.iter().any(|(_, text)| text.is_empty()) => {
                Err(TemplateError::Adjacent)
            }
            Some(_) => Ok(Template { start, rest }),
        }
    }

    /// `None` if a value is missing or empty, or could be read as more than itself.
    pub fn fill(&self, said: &Said<'_>) -> Option<String> {
        let mut filled = self.start.clone();
        for (hole, text) in &self.rest {
            let value = hole.value(said).filter(|value| !value.is_empty())?;
            let end = value.len();
            let value = value + text;
            if !text.is_empty() && value.find(text) != Some(end) {
                return None;
            }
            filled.push_str(&value);
        }
        Some(filled)
    }

    /// For people: what comes from the token is `***`.
    pub fn shown(&self, said: &Said<'_>) -> String {
        let mut shown = self.start.clone();
        for (hole, text) in &self.rest {
            match hole {
                Hole::Token | Hole::Field(_) => shown.push_str("***"),
                Hole::Uid | Hole::Host | Hole::ClientId => {
                    shown.extend(hole.value(said));
                }
            }
            shown.push_str(text);
        }
        shown
    }

    pub fn has_host(&self) -> bool {
        self.has(|hole| *hole == Hole::Host)
    }

    pub fn has_uid(&self) -> bool {
        self.has(|hole| *hole == Hole::Uid)
    }

    /// The token, or a field of it.
    pub fn has_token(&self) -> bool {
        self.has(|hole| matches!(hole, Hole::Token | Hole::Field(_)))
    }

    fn has(&self, is: impl Fn(&Hole) -> bool) -> bool {
        self.rest.iter().any(|(hole, _)| is(hole))
    }
}

impl Hole {
    fn parse(name: &str) -> Result<Hole, TemplateError> {
        match name {
            "uid" => Ok(Hole::Uid),
            "host" => Ok(Hole::Host),
            "client_id" => Ok(Hole::ClientId),
            "token" => Ok(Hole::Token),
            _ => match name.strip_prefix("token.") {
                Some(field) if !field.is_empty() => Ok(Hole::Field(field.into())),
                _ => Err(TemplateError::Unknown(name.into())),
            },
        }
    }

    fn value(&self, said: &Said<'_>) -> Option<String> {
        match self {
            Hole::Uid => Some(said.uid.into()),
            Hole::Host => Some(said.host.into()),
            Hole::ClientId => Some(said.client_id.into()),
            Hole::Token => Some(said.token.into()),
            Hole::Field(field) => {
                let token: Value = serde_json::from_str(said.token).ok()?;
                match token.get(field)? {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STARTALK: &str = "login_service:{uid}@{host}:{token.mk}";

    fn fill(template: &str, uid: &str, token: &str) -> Option<String> {
        let said = Said { uid, host: "d", client_id: "phone", token };
        Template::parse(template).unwrap().fill(&said)
    }

    #[test]
    fn placeholders_are_filled_with_what_the_client_says() {
        let token = r#"{"token":"t","mk":"k","n":7,"list":[]}"#;
        let filled = |template| fill(template, "alice", token);
        assert_eq!(filled(STARTALK).as_deref(), Some("login_service:alice@d:k"));
        assert_eq!(filled("{token.n}").as_deref(), Some("7"));
        assert_eq!(filled("{client_id}/{token}!"), Some(format!("phone/{token}!")));
        assert_eq!(filled("{token.list}"), None);
        assert_eq!(filled("{token.other}"), None);
        for (uid, token) in [("alice", "plain"), ("alice", "[1]"), ("alice", r#"{"mk":""}"#)] {
            assert_eq!(fill(STARTALK, uid, token), None, "{token}");
        }
    }

    #[test]
    fn what_is_no_template_is_told_in_words() {
        let wrong = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(wrong("x:{user}"), TemplateError::Unknown("user".into()));
        assert!(wrong("{token.}").to_string().contains("{uid} {host}"));
        assert_eq!(wrong("x:{uid"), TemplateError::Open);
        assert_eq!(wrong("x:{uid}{token}"), TemplateError::Adjacent);
        assert_eq!(wrong("x"), TemplateError::Fixed);
    }

    #[test]
    fn a_name_cannot_reach_into_the_next_part_of_the_key() {
        let eve = fill(STARTALK, "eve", r#"{"mk":"x@d:y"}"#);
        assert_eq!(eve.as_deref(), Some("login_service:eve@d:x@d:y"));
        assert_eq!(fill(STARTALK, "eve@d:x", r#"{"mk":"y"}"#), None);
    }

    proptest! {
        #[test]
        fn different_sayings_never_name_the_same_key(
            one in ("[a:]{1,5}", "[a:]{1,5}"), other in ("[a:]{1,5}", "[a:]{1,5}"),
        ) {
            let key = |said: &(String, String)| fill("s:{uid}::{token}", &said.0, &said.1);
            if let (Some(first), Some(second)) = (key(&one), key(&other)) {
                prop_assert_eq!(first == second, one == other);
            }
        }
    }
}

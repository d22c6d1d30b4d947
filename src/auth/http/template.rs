//! Templates with placeholders, read at the start, and their values, escaped for the place where
//! they stand.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use serde_json::Value;

const HIDDEN: &str = "***";
/// Names for words about a wrong placeholder.
const KNOWN: &str = "{uid} {client_id} {token} {token.x} {ip} {listener} {host} {api_key}";

/// Where a template stands: it decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Path or query of a URL: percent-encoded.
    Url,
    /// The value of a header: as it is, without control characters.
    Header,
    /// Inside of a string of JSON. A brace without a letter behind it belongs to the JSON.
    Json,
    /// `application/x-www-form-urlencoded`: percent-encoded.
    Form,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Uid,
    ClientId,
    Token,
    /// A field of a token that is a JSON object; dots lead into objects in it.
    TokenField(Box<str>),
    Ip,
    Listener,
    Host,
    ApiKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Field(Field),
}

/// Text with placeholders.
#[derive(Clone, Debug)]
pub struct Template {
    place: Place,
    pieces: Vec<Piece>,
}

/// Why a text is no template; its reader adds the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("there is no placeholder {{{0}}}: there are {KNOWN}")]
    Unknown(String),
    #[error("the placeholder {{{0} has no end: write {{{0}}}")]
    NoEnd(String),
}

/// Why this login cannot be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncarried {
    #[error("a value has control characters, which no header can carry")]
    ControlInHeader,
    #[error("a part of the path is `.` or `..`, which would lead to another path of the URL")]
    DotInUrl,
    #[error("the token has no such field as the template wants")]
    NoTokenField,
}

/// What placeholders stand for in one login.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub uid: &'a str,
    pub client_id: &'a str,
    pub token: &'a str,
    pub ip: IpAddr,
    pub listener: &'a str,
    pub host: &'a str,
    pub api_key: &'a str,
    /// For people: token and key are `***`.
    pub masked: bool,
}

impl Template {
    /// # Errors
    /// [`TemplateError`] for an unknown placeholder, or one without end.
    pub fn parse(place: Place, text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = next_placeholder(place, rest) {
            push_text(&mut pieces, &rest[..open]);
            let inner = &rest[open + 1..];
            let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)));
            let name = &inner[..end.unwrap_or(inner.len())];
            if !inner[name.len()..].starts_with('}') {
                return Err(TemplateError::NoEnd(name.into()));
            }
            pieces.push(Piece::Field(Field::parse(name)?));
            rest = &inner[name.len() + 1..];
        }
        push_text(&mut pieces, rest);
        Ok(Template { place, pieces })
    }

    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Text(_) => None,
        })
    }

    /// # Errors
    /// [`Uncarried`] if a value cannot stand here.
    pub fn render(&self, values: &Values<'_>) -> Result<String, Uncarried> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(field) if values.hides(field) => out.push_str(HIDDEN),
                Piece::Field(field) => escape(self.place, &values.of(field)?, &mut out)?,
            }
        }
        if self.place == Place::Url && leads_elsewhere(&out) {
            return Err(Uncarried::DotInUrl);
        }
        Ok(out)
    }
}

/// Where the next placeholder opens.
fn next_placeholder(place: Place, text: &str) -> Option<usize> {
    let named = |at: &usize| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic());
    text.match_indices('{').map(|(at, _)| at).find(|at| place != Place::Json || named(at))
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

impl Field {
    fn parse(name: &str) -> Result<Field, TemplateError> {
        Ok(match name {
            "uid" => Field::Uid,
            "client_id" => Field::ClientId,
            "token" => Field::Token,
            "ip" => Field::Ip,
            "listener" => Field::Listener,
            "host" => Field::Host,
            "api_key" => Field::ApiKey,
            _ => match name.strip_prefix("token.") {
                Some(path) if !path.is_empty() => Field::TokenField(path.into()),
                _ => return Err(TemplateError::Unknown(name.into())),
            },
        })
    }
}

impl<'a> Values<'a> {
    fn hides(&self, field: &Field) -> bool {
        self.masked && matches!(field, Field::Token | Field::TokenField(_) | Field::ApiKey)
    }

    fn of(&self, field: &Field) -> Result<Cow<'a, str>, Uncarried> {
        let text = match field {
            Field::Uid => self.uid,
            Field::ClientId => self.client_id,
            Field::Token => self.token,
            Field::Listener => self.listener,
            Field::Host => self.host,
            Field::ApiKey => self.api_key,
            Field::Ip => return Ok(self.ip.to_string().into()),
            Field::TokenField(path) => return token_field(self.token, path).map(Cow::Owned),
        };
        Ok(text.into())
    }
}

fn token_field(token: &str, path: &str) -> Result<String, Uncarried> {
    let object: Value = serde_json::from_str(token).map_err(|_| Uncarried::NoTokenField)?;
    let found = path.split('.').try_fold(&object, |value, name| value.as_object()?.get(name));
    found.and_then(scalar).ok_or(Uncarried::NoTokenField)
}

/// A text, number or boolean as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn escape(place: Place, value: &str, out: &mut String) -> Result<(), Uncarried> {
    match place {
        Place::Header if value.chars().any(char::is_control) => Err(Uncarried::ControlInHeader),
        Place::Header => {
            out.push_str(value);
            Ok(())
        }
        Place::Url | Place::Form => {
            percent_encode(value, out);
            Ok(())
        }
        Place::Json => {
            let quoted = Value::from(value).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
            Ok(())
        }
    }
}

/// Whether a part of the path is a dot segment (RFC 3986, section 3.3), whatever pieces made it;
/// the readers of URLs take `%2e` for a dot, and `\` for a slash.
fn leads_elsewhere(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let is_dots =
        |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.split(['/', '\\']).any(is_dots)
}

/// Everything but the unreserved characters (RFC 3986, section 2.3).
fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            // Writing to a String does not fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values<'a>(uid: &'a str, token: &'a str) -> Values<'a> {
        Values {
            uid,
            client_id: "phone",
            token,
            ip: [10, 0, 0, 9].into(),
            listener: "mqtt",
            host: "example.org",
            api_key: "k3y",
            masked: false,
        }
    }

    fn render(place: Place, text: &str, uid: &str, token: &str) -> Result<String, Uncarried> {
        Template::parse(place, text).unwrap().render(&values(uid, token))
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let bad = "a\"\\\n\0&=ü/";
        let json = render(Place::Json, r#"{"u":"{uid}"}"#, bad, "t").unwrap();
        assert_eq!(json, "{\"u\":\"a\\\"\\\\\\n\\u0000&=ü/\"}");
        let form = render(Place::Form, "u={uid}&i={ip}", bad, "t").unwrap();
        assert_eq!(form, "u=a%22%5C%0A%00%26%3D%C3%BC%2F&i=10.0.0.9");
        assert_eq!(
            render(Place::Url, "/{uid}?l={listener}", "a/?#", ""),
            Ok("/a%2F%3F%23?l=mqtt".into())
        );
        assert_eq!(render(Place::Header, "{host} {api_key}", "", ""), Ok("example.org k3y".into()));
    }

    #[test]
    fn what_a_place_cannot_carry_refuses_the_login() {
        for control in ["a\rb", "a\nb", "a\0"] {
            let refused = render(Place::Header, "{token}", "u", control);
            assert_eq!(refused, Err(Uncarried::ControlInHeader));
        }
        for (text, uid, token) in [
            ("/{uid}/x", "..", ""),
            ("/x/{uid}", ".", ""),
            ("/{uid}{token}/x", ".", "."),
            ("/.{uid}?a", ".", ""),
            ("/%2E{uid}", ".", ""),
        ] {
            let refused = render(Place::Url, text, uid, token);
            assert_eq!(refused, Err(Uncarried::DotInUrl), "{text}");
        }
        assert_eq!(render(Place::Url, "/x?u={uid}", "..", ""), Ok("/x?u=..".into()));
        assert_eq!(render(Place::Url, "/{uid}.{token}", "a", ""), Ok("/a.".into()));
    }

    #[test]
    fn fields_of_a_token_that_is_json() {
        let token = r#"{"token":"a\"b","n":{"mk":7}}"#;
        let text = r#"{"t":"{token.token}","m":"{token.n.mk}"}"#;
        assert_eq!(render(Place::Json, text, "u", token).unwrap(), r#"{"t":"a\"b","m":"7"}"#);
        for without in [r#"{"mk":1}"#, "[]", "plain", ""] {
            let refused = render(Place::Json, "{token.token}", "u", without);
            assert_eq!(refused, Err(Uncarried::NoTokenField), "{without}");
        }
    }

    #[test]
    fn a_placeholder_that_is_unknown_or_has_no_end_is_named() {
        let wrong = |place, text: &str| Template::parse(place, text).unwrap_err().to_string();
        for (place, text, words) in [
            (Place::Json, r#"{"u":"{user}"}"#, "no placeholder {user}"),
            (Place::Json, r#"{"u":"{uid"}"#, "{uid has no end"),
            (Place::Url, "/{uid", "{uid has no end"),
            (Place::Url, "/{}", "no placeholder {}"),
            (Place::Form, "u={ uid}", "has no end"),
            (Place::Header, "{token.}", "no placeholder {token.}"),
        ] {
            let told = wrong(place, text);
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn what_people_see_has_no_secrets() {
        let template = Template::parse(Place::Url, "{uid} {token} {token.x} {api_key}").unwrap();
        let shown = template.render(&Values { masked: true, ..values("u", "tok") }).unwrap();
        assert_eq!(shown, "u *** *** ***");
    }

    proptest! {
        /// Whatever the values are, they stay inside of the string or field where they stand.
        #[test]
        fn nothing_breaks_out(uid: String, token: String) {
            let json = render(Place::Json, r#"{"u":"{uid}","t":"{token}"}"#, &uid, &token).unwrap();
            let read: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, serde_json::json!({ "u": uid, "t": token }));
            let form = render(Place::Form, "u={uid}&t={token}", &uid, &token).unwrap();
            let url = reqwest::Url::parse(&format!("http://h/?{form}")).unwrap();
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("u".to_owned(), uid), ("t".to_owned(), token)]);
        }
    }
}

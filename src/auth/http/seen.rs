//! What a witness sees of a call: the request without token and key, the answer without the token.

use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answer::Judgement;
use super::call::Answered;
use super::request::Rendered;
use crate::auth::Witness;

/// Goes with the call to where it is made.
pub struct Seen {
    pub witness: Arc<Witness>,
    pub token: Zeroizing<String>,
}

impl Seen {
    /// `shown` has no secret in it.
    pub fn request(&self, shown: &Rendered) {
        let header = |(name, value): &(_, String)| json!([format!("{name}"), value]);
        let request = json!({
            "method": shown.method.as_str(),
            "url": shown.url,
            "headers": shown.headers.iter().map(header).collect::<Vec<_>>(),
            "body": shown.body,
        });
        self.witness.note("request", request);
    }

    pub fn answer(&self, answered: &Result<Answered, String>) {
        let answer = match answered {
            Ok(Answered { status, body, date }) => {
                let body = body.as_ref().map(|body| self.masked(body));
                json!({ "status": status, "date": date, "body": body })
            }
            Err(words) => json!({ "error": words }),
        };
        self.witness.note("answer", answer);
    }

    pub fn judgement(&self, judgement: &Judgement) {
        match judgement {
            Judgement::Accepted(_) => {}
            Judgement::Refused(why)
            | Judgement::NoAnswer(why)
            | Judgement::Error(why)
            | Judgement::Unusable(why) => self.witness.why(why),
            Judgement::Expired => self.witness.why(&"the API says that the token has expired"),
        }
    }

    /// An API may repeat the token, as it is or as JSON writes it.
    fn masked(&self, body: &[u8]) -> Value {
        let text = String::from_utf8_lossy(body);
        let json = Zeroizing::new(Value::from(self.token.as_str()).to_string());
        let escaped = json.trim_matches('"');
        match self.token.is_empty() {
            true => text.into(),
            false => text.replace(escaped, "***").replace(self.token.as_str(), "***").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    #[test]
    fn an_answer_that_repeats_the_token_does_not_show_it() {
        let witness = Arc::new(Witness::default());
        witness.begin(Provider::Http);
        let seen = Seen { witness: witness.clone(), token: Zeroizing::new("a\"b".into()) };
        let body = br#"{"plain":a"b,"json":"a\"b"}"#.to_vec();
        seen.answer(&Ok(Answered { status: 200, date: None, body: Some(body) }));
        let asked = witness.take().remove(0);
        assert_eq!(asked.facts[0].1["body"], r#"{"plain":***,"json":"***"}"#);
    }
}

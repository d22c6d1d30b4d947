//! What is a JWT at all, told by its shape (RFC 7515, section 3.1), and what its header says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token as its own header describes it; nothing of it is verified.
pub struct Token<'a> {
    pub text: &'a str,
    /// `alg`; whatever stands there.
    pub algorithm: String,
    /// `kid`
    pub key_id: Option<String>,
    /// Why a token with such a header is never accepted.
    pub unserved: Option<&'static str>,
}

impl<'a> Token<'a> {
    /// `None` if it is not a JWT: three parts, the first of which is a JSON object that names an
    /// algorithm. One without a signature is a JWT too, and never accepted.
    pub fn read(password: &'a [u8]) -> Option<Token<'a>> {
        let text = std::str::from_utf8(password).ok().filter(|t| t.len() <= TOKEN_BYTES_MAX)?;
        let mut parts = text.split('.');
        let (header, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
        if claims.is_empty() || parts.next().is_some() {
            return None;
        }
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let algorithm = header.get("alg")?.as_str()?.to_owned();
        let key_id = header.get("kid");
        // An extension that must be understood is not (RFC 7515, section 4.1.11).
        let unserved = match key_id {
            _ if header.get("crit").is_some() => Some("it has `crit`"),
            Some(key_id) if !key_id.is_string() => Some("`kid` is no text"),
            _ => None,
        };
        let key_id = key_id.and_then(Value::as_str).map(str::to_owned);
        Some(Token { text, algorithm, key_id, unserved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, rest: &str) -> Option<(String, Option<String>, bool)> {
        let token = format!("{}{rest}", URL_SAFE_NO_PAD.encode(header));
        let token = Token::read(token.as_bytes())?;
        Some((token.algorithm.clone(), token.key_id.clone(), token.unserved.is_some()))
    }

    #[test]
    fn passwords_that_only_look_like_tokens_are_not_tokens() {
        for password in ["", "dev", "a.b.c", "...", "1.2.3", "e30.e30.x", "my.pass.word"] {
            assert!(Token::read(password.as_bytes()).is_none(), "{password}");
        }
        assert!(Token::read(b"\xFF.\x00.c").is_none());
        let good = r#"{"alg":"HS256"}"#;
        for rest in ["", ".e30", ".e30.s.t", "..s", ".e30.s.t.u"] {
            assert_eq!(read(good, rest), None, "{rest}");
        }
        assert_eq!(read(r#"{"alg":1}"#, ".e30.s"), None);
        assert_eq!(read(good, &format!(".{}.s", "x".repeat(TOKEN_BYTES_MAX))), None);
    }

    #[test]
    fn the_header_is_read_and_what_must_be_understood_is_seen() {
        let kid = Some("k1".to_owned());
        assert_eq!(
            read(r#"{"alg":"RS256","kid":"k1"}"#, ".e30.s"),
            Some(("RS256".into(), kid, false))
        );
        assert_eq!(read(r#"{"alg":"none"}"#, ".e30."), Some(("none".into(), None, false)));
        for header in [r#"{"alg":"RS256","crit":["b64"]}"#, r#"{"alg":"RS256","kid":7}"#] {
            assert_eq!(read(header, ".e30.s"), Some(("RS256".into(), None, true)), "{header}");
        }
    }
}

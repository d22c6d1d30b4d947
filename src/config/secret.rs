//! Secrets among the settings: which keys they are, and how one is read from a file of its own
//! (`url_file` in place of `url`).

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::{Table, Value};

use super::{Config, keys, regular};

/// A secret's file; a key or a token is far shorter.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Behind the name of a key: the file that has its value.
const SUFFIX: &str = "_file";
/// A text that every type that hides something shows otherwise.
const PROBE: &str = "scheme://user:password@host";
/// What stands for a secret wherever settings are shown.
pub const SHOWN: &str = "***";

static KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| keys::dotted().into_iter().filter(|key| hides(key)).collect());

/// `section.key` of every secret, taken from the types of the settings.
pub fn keys() -> &'static [String] {
    &KEYS
}

pub fn is_secret(dotted: &str) -> bool {
    KEYS.iter().any(|key| key == dotted)
}

/// Whether there is a secret in a value: an empty key and a URL without a password have none.
pub fn has_one(dotted: &str, value: &Value) -> bool {
    is_secret(dotted) && shown(dotted, value).is_some_and(|shown| shown != *value)
}

/// The secret that `section.key_file` stands for; a list has none.
pub fn of_file_key(dotted: &str) -> Option<&'static str> {
    let secret = dotted.strip_suffix(SUFFIX)?;
    KEYS.iter().find(|key| *key == secret && is_text(key)).map(String::as_str)
}

/// Else it is a list of texts.
pub fn is_text(dotted: &str) -> bool {
    keys::at(&keys::known(), dotted).is_some_and(|value| value.is_str())
}

/// What a secret has to be, for a mistake that must not tell what it is.
pub fn kind(dotted: &str) -> &'static str {
    if is_text(dotted) { "it is a string" } else { "it is a list of strings" }
}

/// A key of type [`super::Secret`] or [`super::Url`], or a list of them.
fn hides(dotted: &str) -> bool {
    let probe = Value::String(PROBE.into());
    let probe = if is_text(dotted) { probe } else { Value::Array(vec![probe]) };
    shown(dotted, &probe).is_some_and(|shown| shown != probe)
}

/// A value as its type shows it; `None` if the key cannot have it.
fn shown(dotted: &str, value: &Value) -> Option<Value> {
    let mut table = Table::new();
    keys::put(&mut table, dotted, value.clone());
    let config = Config::deserialize(table.into_deserializer()).ok()?;
    keys::at(&Table::try_from(config).ok()?, dotted)
}

/// The text of a secret's file, without one line end behind it.
///
/// # Errors
/// In words that name the key and the path: not there, not readable, too long, empty, no UTF-8.
pub fn read(dotted: &str, path: &str) -> Result<String, String> {
    let problem = |words: String| format!("`{dotted}{SUFFIX}`: {path} {words}");
    let bytes = regular::read(Path::new(path), FILE_BYTES_MAX)
        .map_err(|error| problem(format!("is unreadable: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| problem("is no UTF-8 text".into()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(problem("is empty: write the secret into it".into())),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_type() {
        assert_eq!(
            keys().join(" "),
            "auth.http.api_key auth.http.headers auth.http.url auth.jwt.jwks auth.jwt.secret \
             auth.redis.password auth.redis.url store.url"
        );
        assert_eq!(of_file_key("auth.http.headers_file"), None);
        assert_eq!(of_file_key("store.url_file"), Some("store.url"));
        assert_eq!(of_file_key("log.level_file"), None);
    }

    #[test]
    fn one_line_end_is_no_part_of_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (text, secret) in [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read("store.url", path.to_str().unwrap()).unwrap(), secret);
        }
    }

    #[test]
    fn a_file_that_has_no_secret_is_told_by_key_and_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let path = path.to_str().unwrap();
        let wrong = |path: &str, words: &str| {
            let told = read("store.url", path).unwrap_err();
            assert!(told.contains("`store.url_file`") && told.contains(path), "{told}");
            assert!(told.contains(words), "{told}");
        };
        wrong(path, "unreadable");
        wrong(dir.path().to_str().unwrap(), "it is no file");
        for (bytes, words) in [
            (vec![b'x'; FILE_BYTES_MAX as usize + 1], "more than"),
            (b"\n".to_vec(), "is empty"),
            (vec![0xff], "no UTF-8"),
        ] {
            std::fs::write(path, bytes).unwrap();
            wrong(path, words);
        }
    }
}

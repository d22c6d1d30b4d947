//! Secrets among the settings: which keys they are, how one is read from a file of its own
//! (`url_file` in place of `url`), and how a line is shown that may have one.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::{Table, Value};

use super::{Config, keys};

/// A secret's file; a key or a token is far shorter.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Behind the name of a key: the file that has its value.
const SUFFIX: &str = "_file";
/// No [`super::Secret`], since all of it but the password may be shown.
const HAS_PASSWORD: &str = "store.url";
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
    match value.as_str() {
        Some(text) if dotted == HAS_PASSWORD => super::show::without_password(text) != text,
        Some(text) => is_secret(dotted) && !text.is_empty(),
        None => false,
    }
}

/// The secret that `section.key_file` stands for.
pub fn of_file_key(dotted: &str) -> Option<&'static str> {
    let secret = dotted.strip_suffix(SUFFIX)?;
    KEYS.iter().find(|key| *key == secret).map(String::as_str)
}

/// A key whose text is not shown is one of type [`super::Secret`].
fn hides(dotted: &str) -> bool {
    let mut table = Table::new();
    keys::put(&mut table, dotted, Value::String("probe".into()));
    let config = Config::deserialize(table.into_deserializer());
    let shown = config.ok().and_then(|config| Table::try_from(config).ok());
    let shown = shown.and_then(|table| keys::at(&table, dotted));
    dotted == HAS_PASSWORD || shown == Some(Value::String(SHOWN.into()))
}

/// The text of a secret's file, without one line end behind it.
///
/// # Errors
/// In words that name the key and the path: not there, not readable, too long, empty, no UTF-8.
pub fn read(dotted: &str, path: &str) -> Result<String, String> {
    let problem = |words: String| format!("`{dotted}{SUFFIX}`: {path} {words}");
    let bytes =
        bytes(Path::new(path)).map_err(|error| problem(format!("is unreadable: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(problem(format!("has more than {FILE_BYTES_MAX} bytes: it is no secret")));
    }
    let text = String::from_utf8(bytes).map_err(|_| problem("is no UTF-8 text".into()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(problem("is empty: write the secret into it".into())),
        text => Ok(text.to_owned()),
    }
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line of a configuration file as it may be shown: nothing behind the name of a secret's key.
pub fn line(line: &str) -> String {
    let name = |key: &String| key.rsplit('.').next().unwrap_or(key).to_owned();
    let ends = KEYS.iter().map(name).chain(["store".into()]);
    let hidden = ends.filter_map(|name| value_of(line, &name)).min();
    hidden.map_or_else(|| line.to_owned(), |at| format!("{} {SHOWN}", &line[..at]))
}

/// Where the value of `name` begins, if the line sets it.
fn value_of(line: &str, name: &str) -> Option<usize> {
    line.match_indices(name).find_map(|(at, _)| {
        let rest = &line[at + name.len()..];
        let sign = rest.find('=')?;
        let alone = rest[..sign].chars().all(|c| c.is_whitespace() || "\"'".contains(c));
        alone.then_some(at + name.len() + sign + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_type() {
        assert!(is_secret("store.url"));
        assert!(!is_secret("topics.inbox") && !is_secret("log.level"));
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

    #[test]
    fn nothing_of_a_secret_is_left_in_a_line() {
        assert_eq!(line("url = hunter2"), "url = ***");
        assert_eq!(line("  \"url\"= 5 # x"), "  \"url\"= ***");
        assert_eq!(line("store = { reserve = 5, url = \"x\" }"), "store = ***");
        assert_eq!(line("settle = \"1s\""), "settle = \"1s\"");
        assert_eq!(line("# the url of it"), "# the url of it");
    }
}

//! `HOMING__SECTION__KEY` variables. A list is TOML; what is a string needs no quotes.

use std::ffi::OsString;

use toml::{Table, Value};

use super::{file, keys, secret};

const PREFIX: &str = "HOMING__";

/// The variables of this process that are meant for homing.
///
/// # Errors
/// In words: a name or a value that is no UTF-8.
pub fn variables() -> Result<Vec<(String, String)>, String> {
    let meant = |name: &OsString| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let own = std::env::vars_os().filter(|(name, _)| meant(name));
    let mut own: Vec<_> = own.map(text).collect::<Result<_, _>>()?;
    own.sort();
    Ok(own)
}

/// Refused rather than bent: a password would be another one.
fn text((name, value): (OsString, OsString)) -> Result<(String, String), String> {
    let name = name.into_string().map_err(|name| {
        format!("the name of the environment variable {} is no UTF-8", name.to_string_lossy())
    })?;
    match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(format!("the environment variable {name} is no UTF-8 text: set it anew")),
    }
}

/// What one variable sets.
pub enum Setting {
    Value { dotted: String, value: Value },
    SecretFile { secret: &'static str, path: String },
}

/// Reads variables whose names start with `HOMING__`, each with its name.
///
/// # Errors
/// In words: no such key, a value that its key cannot have, or a secret that is given twice.
pub fn read_all(variables: &[(String, String)]) -> Result<Vec<(&str, Setting)>, String> {
    let mut all = Vec::new();
    for (name, text) in variables {
        all.push((name.as_str(), read(name, text)?));
    }
    let value = |secret: &str| {
        all.iter().find(|(_, set)| matches!(set, Setting::Value { dotted, .. } if dotted == secret))
    };
    for (name, set) in &all {
        if let Setting::SecretFile { secret, .. } = set
            && let Some((other, _)) = value(secret)
        {
            return Err(format!("{other} and {name} are both given: keep one"));
        }
    }
    Ok(all)
}

fn read(name: &str, text: &str) -> Result<Setting, String> {
    let dotted = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace("__", ".");
    let dotted = if dotted == "store" { "store.url".to_owned() } else { dotted };
    if let Some(secret) = secret::of_file_key(&dotted) {
        return Ok(Setting::SecretFile { secret, path: text.into() });
    }
    if secret::is_secret(&dotted) {
        let value = secret_value(&dotted, text).ok_or_else(|| {
            format!("{name}: {}", super::wrong_value(&dotted, secret::kind(&dotted)))
        })?;
        return Ok(Setting::Value { dotted, value });
    }
    let found = keys::at(&keys::known(), &dotted).filter(|value| !value.is_table());
    let Some(example) = found else { return Err(unknown(name, &dotted)) };
    let value = value(text, &example).map_err(|words| format!("{name}: {words}"))?;
    let mut table = Table::new();
    keys::put(&mut table, &dotted, value.clone());
    file::fits(&table)
        .map_err(|words| format!("{name}={text}: {}", super::wrong_value(&dotted, &words)))?;
    Ok(Setting::Value { dotted, value })
}

/// A text is taken as it is: no mistake in it could be told without telling it.
fn secret_value(dotted: &str, text: &str) -> Option<Value> {
    if secret::is_text(dotted) {
        return Some(Value::String(text.into()));
    }
    let mut table = Table::new();
    keys::put(&mut table, dotted, value(text, &Value::Array(Vec::new())).ok()?);
    file::fits(&table).ok()?;
    keys::at(&table, dotted)
}

fn unknown(name: &str, dotted: &str) -> String {
    let hint = match keys::nearest(dotted) {
        Some(near) => format!("did you mean {}?", variable(&near)),
        None => "a key of a section is written HOMING__SECTION__KEY".into(),
    };
    format!("unknown environment variable {name}: {hint}")
}

/// `section.key` as a variable.
pub fn variable(dotted: &str) -> String {
    format!("{PREFIX}{}", dotted.replace('.', "__").to_uppercase())
}

fn value(text: &str, example: &Value) -> Result<Value, String> {
    if example.is_str() && !text.starts_with(['"', '\'', '[']) {
        return Ok(Value::String(text.into()));
    }
    let toml = |error: toml::de::Error| {
        let cause = error.message().to_owned();
        format!("{text:?} cannot be read ({cause}): write it as in TOML, for instance {example}")
    };
    toml::from_str::<Table>(&format!("x={text}"))
        .map_err(toml)
        .map(|mut table| table.remove("x").unwrap_or(Value::String(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(name: &str, text: &str) -> String {
        match read(name, text).unwrap() {
            Setting::Value { value, .. } => value.to_string(),
            Setting::SecretFile { path, .. } => path,
        }
    }

    #[test]
    fn strings_are_bare_and_lists_are_toml() {
        assert_eq!(value_of("HOMING__INBOX__SETTLE", "1s"), "\"1s\"");
        assert_eq!(value_of("HOMING__INBOX__SETTLE", "'1s'"), "\"1s\"");
        assert_eq!(value_of("HOMING__LISTEN__MQTT", "['[::]:1883']"), "[\"[::]:1883\"]");
        assert_eq!(value_of("HOMING__LIMITS__CONNECTIONS", "5"), "5");
        assert_eq!(value_of("HOMING__STORE__DATA", "/data"), "\"/data\"");
        assert_eq!(value_of("HOMING__STORE", "postgres://db/x"), "\"postgres://db/x\"");
    }

    #[test]
    fn what_cannot_be_read_is_told_in_words() {
        let wrong = |name, text| read(name, text).err().unwrap();
        assert_eq!(
            wrong("HOMING__INBOX__SETLE", "1s"),
            "unknown environment variable HOMING__INBOX__SETLE: did you mean HOMING__INBOX__SETTLE?"
        );
        assert!(wrong("HOMING__X", "1").contains("HOMING__SECTION__KEY"));
        let words = wrong("HOMING__LISTEN__MQTT", "0.0.0.0:1883");
        assert!(words.contains("for instance [\"0.0.0.0:1883\"]"), "{words}");
        for text in ["authorization: 4711", "[4711]", "[\"4711\""] {
            let words = wrong("HOMING__AUTH__HTTP__HEADERS", text);
            assert!(words.contains("list of strings") && !words.contains("4711"), "{words}");
        }
        let words = wrong("HOMING__INBOX__SETTLE", "soon");
        assert!(words.contains("\"soon\" is no duration"), "{words}");
    }

    #[test]
    fn what_is_no_utf8_is_refused_and_not_shown() {
        use std::os::unix::ffi::OsStringExt;
        let name = || OsString::from("HOMING__AUTH__REDIS__PASSWORD");
        let odd = OsString::from_vec(b"hunter2\xff".to_vec());
        let words = text((name(), odd)).unwrap_err();
        assert!(words.contains("HOMING__AUTH__REDIS__PASSWORD is no UTF-8"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
        assert!(text((name(), "hunter2".into())).is_ok());
    }

    #[test]
    fn a_secret_is_taken_as_it_is_or_from_its_file() {
        assert_eq!(value_of("HOMING__STORE__URL", "[x"), "\"[x\"");
        assert_eq!(value_of("HOMING__STORE__URL_FILE", "/run/url"), "/run/url");
        let given = |name: &str| (name.to_owned(), "x".to_owned());
        let both = [given("HOMING__STORE"), given("HOMING__STORE__URL_FILE")];
        let words = read_all(&both).err().unwrap();
        assert_eq!(words, "HOMING__STORE and HOMING__STORE__URL_FILE are both given: keep one");
    }
}

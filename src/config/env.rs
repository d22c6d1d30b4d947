//! `HOMING__SECTION__KEY` variables. A list is TOML; what is a string needs no quotes.

use toml::{Table, Value};

use super::{file, keys};

const PREFIX: &str = "HOMING__";

/// The variables of this process that are meant for homing.
pub fn variables() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let all = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let mut own: Vec<_> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    own.sort();
    own
}

/// One variable as `section.key` and value.
pub struct Setting {
    pub dotted: String,
    pub value: Value,
}

/// Reads a variable whose name starts with `HOMING__`.
///
/// # Errors
/// In words: no such key, or a value that its key cannot have.
pub fn read(name: &str, text: &str) -> Result<Setting, String> {
    let dotted = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace("__", ".");
    let dotted = if dotted == "store" { "store.url".to_owned() } else { dotted };
    let found = keys::at(&keys::known(), &dotted).filter(|value| !value.is_table());
    let Some(example) = found else { return Err(unknown(name, &dotted)) };
    let value = value(text, &example).map_err(|words| format!("{name}: {words}"))?;
    let mut table = Table::new();
    keys::put(&mut table, &dotted, value.clone());
    file::fits(&table)
        .map_err(|words| format!("{name}={text}: {}", super::wrong_value(&dotted, &words)))?;
    Ok(Setting { dotted, value })
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
        read(name, text).map(|setting| setting.value.to_string()).unwrap()
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
        let words = wrong("HOMING__INBOX__SETTLE", "soon");
        assert!(words.contains("\"soon\" is no duration"), "{words}");
    }
}

//! Settings as text: TOML or JSON, with what set each key, and without secrets.

use std::collections::BTreeMap;

use serde_json::json;
use toml::{Table, Value};

use super::load::Loaded;
use super::reload::{Takes, takes};
use super::{Config, keys, secret};

/// By their types, secrets are left out.
fn sections(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

/// All settings as they stand in a file; behind a key stands what set it. Where `hidden` stands
/// too, a copy would have lost the secret.
pub fn toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    section("", &sections(&loaded.config), loaded, &mut text);
    text.truncate(text.trim_end().len());
    text
}

/// A section with its keys, then the sections in it.
fn section(name: &str, keys: &Table, loaded: &Loaded, text: &mut String) {
    let dotted = |key: &str| if name.is_empty() { key.into() } else { format!("{name}.{key}") };
    let (inner, own): (Vec<_>, Vec<_>) = keys.iter().partition(|(_, value)| value.is_table());
    if !own.is_empty() {
        text.push_str(&format!("[{name}]\n"));
        for (key, value) in own {
            let note = note(&dotted(key), loaded);
            text.push_str(&format!("{key} = {value}{note}\n"));
        }
        text.push('\n');
    }
    for (key, value) in inner {
        if let Value::Table(keys) = value {
            section(&dotted(key), keys, loaded, text);
        }
    }
}

/// What set a key, whether it is shown as it is, and that a change of it takes a restart.
fn note(key: &str, loaded: &Loaded) -> String {
    let origin = loaded.origins.get(key).map(String::as_str);
    let given = keys::at(&loaded.values.0, key);
    let hidden = given.is_some_and(|value| secret::has_one(key, &value)).then_some("hidden");
    let restart = (takes(key) == Takes::Restart).then_some("takes a restart");
    let notes: Vec<&str> = [origin, hidden, restart].into_iter().flatten().collect();
    if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) }
}

/// `{"section.key": {"value": …, "from": "default" | file | variable | flag, "takes": "reload" |
/// "restart"}}`, and `"secret": true` where the value is not shown as it is if a secret is in it.
pub fn json(loaded: &Loaded) -> String {
    let mut all = BTreeMap::new();
    for (dotted, value) in keys::leaves(&sections(&loaded.config)) {
        let from = loaded.origins.get(&dotted).map_or("default", String::as_str);
        let mut key = json!({ "value": value, "from": from, "takes": takes(&dotted).name() });
        if secret::is_secret(&dotted) {
            key["secret"] = true.into();
        }
        all.insert(dotted, key);
    }
    json!(all).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Flags, Sources, merge};

    fn loaded() -> Loaded {
        let text = "store = \"postgres://homing:hunter2@db:5432/homing\"\n\
                    auth.redis.url = \"redis://:hunter2@h/0\"\n\
                    auth.http.headers = [\"authorization: Bearer hunter2\"]\n\
                    log.level = \"warn\"";
        let (base, flags) = (Config::default(), Flags::default());
        merge(Sources { base, file: Some(("f", text)), variables: Vec::new(), flags }).unwrap()
    }

    #[test]
    fn a_password_is_never_shown() {
        let (toml, json) = (toml(&loaded()), json(&loaded()));
        for shown in [&toml, &json, &format!("{:?}", loaded())] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("postgres://homing:***@db:5432/homing"), "{shown}");
            assert!(shown.contains("redis://:***@h/0"), "{shown}");
        }
        assert!(toml.contains("headers = [\"***\"]  # f; hidden\n"), "{toml}");
        assert!(toml.contains("password = \"\"\n"), "{toml}");
    }

    #[test]
    fn what_is_shown_is_a_file_and_tells_who_set_it() {
        let shown = toml(&loaded());
        assert!(shown.contains("level = \"warn\"  # f\n"), "{shown}");
        assert_eq!(toml::from_str::<Config>(&shown).unwrap().log.level, "warn");
        let parsed: serde_json::Value = serde_json::from_str(&json(&loaded())).unwrap();
        assert_eq!(parsed["log.level"]["from"], "f");
        assert_eq!(parsed["inbox.settle"]["from"], "default");
        assert_eq!(parsed["inbox.settle"]["takes"], "reload");
        assert!(shown.contains("workers = 0  # takes a restart\n"), "{shown}");
    }
}

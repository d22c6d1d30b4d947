//! Settings as text: TOML or JSON, with what set each key, and without secrets.

use std::collections::BTreeMap;

use serde_json::json;
use toml::{Table, Value};

use super::load::Loaded;
use super::reload::{Takes, takes};
use super::{Config, keys, secret};

/// A URL whose password is replaced by `***`.
pub fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next()?;
        let (login, _) = authority.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***{}", &rest[login.len()..]))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

fn sections(config: &Config) -> Table {
    let mut shown = config.clone();
    shown.store.url = without_password(&shown.store.url);
    Table::try_from(shown).unwrap_or_default()
}

/// All settings as a file that could be read again; behind a key stands what set it.
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

/// What set a key, and that a change of it takes a restart.
fn note(key: &str, loaded: &Loaded) -> String {
    let restart = (takes(key) == Takes::Restart).then_some("takes a restart");
    let notes: Vec<&str> =
        loaded.origins.get(key).map(String::as_str).into_iter().chain(restart).collect();
    if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) }
}

/// `{"section.key": {"value": …, "from": "default" | file | variable | flag, "takes": "reload" |
/// "restart"}}`, and `"secret": true` where the value is not shown as it is.
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
        let text = "store = \"postgres://homing:hunter2@db:5432/homing\"\n[log]\nlevel = \"warn\"";
        let (base, flags) = (Config::default(), Flags::default());
        merge(Sources { base, file: Some(("f", text)), variables: Vec::new(), flags }).unwrap()
    }

    #[test]
    fn a_password_is_never_shown() {
        let (toml, json) = (toml(&loaded()), json(&loaded()));
        for shown in [&toml, &json] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("postgres://homing:***@db:5432/homing"), "{shown}");
        }
        assert_eq!(without_password("postgres://db/homing"), "postgres://db/homing");
        assert_eq!(without_password("postgres://u:a@b@h/x"), "postgres://u:***@h/x");
    }

    #[test]
    fn what_is_shown_can_be_read_again_and_tells_who_set_it() {
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

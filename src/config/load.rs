//! Where settings come from: the defaults, then the file, then the environment, then the command
//! line; each may change what came before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use super::check_listen::not_loopback;
use super::{Config, check, env, file, keys, regular, secret};

/// With every key and a thousand rules, settings have a tenth of this.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub mqtt: Vec<String>,
    pub http: Vec<String>,
    pub data: Option<PathBuf>,
}

/// Everything settings are made from; `file` is its name and its text.
pub struct Sources<'a> {
    pub base: Config,
    pub file: Option<(&'a str, &'a str)>,
    pub variables: Vec<(String, String)>,
    pub flags: Flags,
}

/// Settings, and for each key that was set: by what.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub origins: BTreeMap<String, String>,
    /// For each secret that stands in a file: which one.
    pub secret_files: BTreeMap<String, PathBuf>,
    /// As they were given, secrets too: to be compared with those of a reload.
    pub(super) values: Given,
}

/// Never shown.
#[derive(Clone)]
pub(super) struct Given(pub Table);

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(secret::SHOWN)
    }
}

/// Loads the settings of this process. Only a file that is named is read.
///
/// # Errors
/// In words, ready to be printed: who is to blame and what to change.
pub fn load(base: Config, path: Option<&Path>, flags: Flags) -> Result<Loaded, String> {
    let name = path.map(|path| path.display().to_string()).unwrap_or_default();
    let unreadable = |error| format!("the configuration file {name} cannot be read: {error}");
    let text = path.map(text).transpose().map_err(unreadable)?;
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        // An editor that has not finished, or a full disk: nobody means the defaults by it.
        return Err(format!(
            "the configuration file {name} is empty: write settings or a comment into it, or \
             leave out --config to have the defaults"
        ));
    }
    let file = text.as_deref().map(|text| (name.as_str(), text));
    merge(Sources { base, file, variables: env::variables()?, flags })
}

fn text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(regular::read(path, FILE_BYTES_MAX)?).map_err(std::io::Error::other)
}

/// Merges the sources and looks for contradictions.
///
/// # Errors
/// In words: the first mistake of a source, or all contradictions, one a line.
pub fn merge(sources: Sources<'_>) -> Result<Loaded, String> {
    let mut state = State::new(sources.base)?;
    if let Some((name, text)) = sources.file {
        let content = file::read(name, text)?;
        state.put_all(&content.values, name);
        for (secret, path) in content.secret_files {
            state.put_secret(secret, &path, name)?;
        }
    }
    for (name, setting) in env::read_all(&sources.variables)? {
        match setting {
            env::Setting::Value { dotted, value } => state.put(&dotted, value, name),
            env::Setting::SecretFile { secret, path } => state.put_secret(secret, &path, name)?,
        }
    }
    state.put_flags(sources.flags)?;
    let config = file::fits(&state.table)?;
    match check::contradictions(&config).as_slice() {
        [] => {
            let State { table, origins, secret_files } = state;
            Ok(Loaded { config, origins, secret_files, values: Given(table) })
        }
        all => Err(all.join("\n")),
    }
}

struct State {
    table: Table,
    origins: BTreeMap<String, String>,
    secret_files: BTreeMap<String, PathBuf>,
}

impl State {
    fn new(base: Config) -> Result<State, String> {
        let table = Table::try_from(base).map_err(|error| error.to_string())?;
        Ok(State { table, origins: BTreeMap::new(), secret_files: BTreeMap::new() })
    }

    fn put(&mut self, dotted: &str, value: Value, origin: &str) {
        self.origins.insert(dotted.into(), origin.into());
        keys::put(&mut self.table, dotted, value);
    }

    fn put_all(&mut self, table: &Table, origin: &str) {
        for (dotted, value) in keys::leaves(table) {
            if secret::has_one(&dotted, &value) {
                self.secret_files.insert(dotted.clone(), origin.into());
            }
            self.put(&dotted, value, origin);
        }
    }

    /// Reads a secret from its file.
    fn put_secret(&mut self, dotted: &str, path: &str, origin: &str) -> Result<(), String> {
        let text = secret::read(dotted, path)?;
        self.secret_files.insert(dotted.into(), path.into());
        self.put(dotted, Value::String(text), &format!("{path}, named by {origin}"));
        Ok(())
    }

    fn put_flags(&mut self, flags: Flags) -> Result<(), String> {
        let list = |all: Vec<String>| Value::Array(all.into_iter().map(Value::String).collect());
        if !flags.mqtt.is_empty() {
            self.put("listen.mqtt", list(flags.mqtt), "--mqtt");
        }
        if !flags.http.is_empty() {
            self.put("listen.http", list(flags.http), "--http");
        }
        if let Some(data) = flags.data {
            let text =
                data.to_str().ok_or("--data is no UTF-8 text: give the directory another name")?;
            self.put("store.data", Value::String(text.into()), "--data");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOWN: &str = include_str!("../../config.toml");

    fn sources<'a>(text: &'a str, variables: &[(&str, &str)]) -> Sources<'a> {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Sources {
            base: Config::default(),
            file: Some(("f.toml", text)),
            variables: variables.collect(),
            flags: Flags::default(),
        }
    }

    #[test]
    fn each_source_overrules_the_one_before_and_leaves_the_rest() {
        let text = "[inbox]\nsettle = \"1ms\"\nmessages_max = 7\n[store]\ndata = \"a\"";
        let mut sources = sources(text, &[("HOMING__INBOX__SETTLE", "2ms")]);
        sources.base.inbox.settle_max = super::super::Span(std::time::Duration::from_secs(9));
        sources.flags.data = Some("b".into());
        sources.flags.mqtt = vec!["127.0.0.1:0".into()];
        let Loaded { config, origins, .. } = merge(sources).unwrap();
        assert_eq!(config.inbox.settle.to_string(), "2ms");
        assert_eq!(config.inbox.settle_max.to_string(), "9s");
        assert_eq!((config.inbox.messages_max, config.store.data), (7, Some("b".into())));
        assert_eq!(config.listen.mqtt, ["127.0.0.1:0".into()]);
        assert_eq!(config.inbox.retention, Config::default().inbox.retention);
        let origin = |key: &str| origins.get(key).map(String::as_str);
        assert_eq!(origin("inbox.settle"), Some("HOMING__INBOX__SETTLE"));
        assert_eq!(origin("inbox.messages_max"), Some("f.toml"));
        assert_eq!((origin("store.data"), origin("log.level")), (Some("--data"), None));
    }

    #[test]
    fn a_missing_file_is_told() {
        let words = load(Config::default(), Some(Path::new("no/such.toml")), Flags::default());
        assert!(words.unwrap_err().contains("no/such.toml cannot be read"));
    }

    /// Threat I4.
    #[test]
    fn an_empty_file_is_refused_and_a_comment_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homing.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            load(Config::default(), Some(&path), Flags::default())
        };
        assert!(load(" \n\n").unwrap_err().contains("homing.toml is empty"));
        assert_eq!(load("# all as it is\n").unwrap().config, Config::default());
    }

    #[test]
    fn a_secret_from_a_file_is_named_by_its_path_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url");
        std::fs::write(&path, "postgres://u:hunter2@h/d\n").unwrap();
        let path = path.to_str().unwrap();
        let loaded = merge(sources("", &[("HOMING__STORE__URL_FILE", path)])).unwrap();
        assert_eq!(loaded.config.store.url.as_str(), "postgres://u:hunter2@h/d");
        let origin = loaded.origins.get("store.url").unwrap();
        assert_eq!(*origin, format!("{path}, named by HOMING__STORE__URL_FILE"));
        assert_eq!(loaded.secret_files["store.url"], PathBuf::from(path));
    }

    #[test]
    fn a_secret_in_the_settings_file_itself_is_known_to_stand_there() {
        let files = |text: &str| merge(sources(text, &[])).unwrap().secret_files;
        let there = BTreeMap::from([("store.url".to_owned(), PathBuf::from("f.toml"))]);
        assert_eq!(files("store.url = \"postgres://u:hunter2@h/d\""), there);
        for none in ["store.url = \"sqlite\"", "store.url = \"postgres://u@h/d\""] {
            assert_eq!(files(none), BTreeMap::new(), "{none}");
        }
        assert_eq!(files("auth.http.api_key = \"\""), BTreeMap::new());
    }

    proptest! {
        /// Threat M9. Any values of any keys are taken or refused in words.
        #[test]
        fn odd_settings_are_refused_and_nothing_panics(
            odd in prop::collection::vec((any::<prop::sample::Index>(), 0..VALUES.len()), 1..4),
        ) {
            let keys = crate::config::keys::dotted();
            let settings: BTreeMap<&String, &str> =
                odd.iter().map(|(key, value)| (key.get(&keys), VALUES[*value])).collect();
            let text: String = settings.iter().map(|(key, v)| format!("{key} = {v}\n")).collect();
            match merge(sources(&text, &[])) {
                Ok(loaded) => prop_assert_eq!(check::contradictions(&loaded.config).len(), 0),
                Err(words) => prop_assert!(!words.is_empty()),
            }
        }
    }

    const VALUES: [&str; 18] = [
        "0",
        "1",
        "-1",
        "65535",
        "65536",
        "4294967296",
        "9223372036854775807",
        "1.5",
        "true",
        "\"\"",
        "\"off\"",
        "\"0s\"",
        "\"0B\"",
        "\"200000000000d\"",
        "\"9000000000GiB\"",
        "\"1/s burst 1\"",
        "\"1099511627777/s\"",
        "[]",
    ];

    #[test]
    fn config_toml_says_the_defaults() {
        assert_eq!(merge(sources(SHOWN, &[])).unwrap().config, Config::default());
    }

    /// Keys without a default are shown as a comment.
    #[test]
    fn config_toml_shows_every_key_with_a_reason() {
        let mut shown = Vec::new();
        let mut section = "";
        let mut before = "";
        for line in SHOWN.lines() {
            let setting = line.strip_prefix("# data").map_or(line, |_| &line[2..]);
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some((key, _)) = setting.split_once(" = ") {
                assert!(before.starts_with("# "), "{key} has no line that says why");
                shown.push(format!("{section}.{key}"));
            }
            before = line;
        }
        shown.sort();
        let mut all = crate::config::keys::dotted();
        all.sort();
        assert_eq!(shown, all);
    }
}

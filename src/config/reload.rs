//! What a reload changes: each key is live at once or takes a restart, and until that restart the
//! value of the start holds.

use toml::{Table, Value};

use super::load::Loaded;
use super::{Config, check, file, keys, secret};

/// When a changed value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Reload,
    Restart,
}

use Takes::{Reload, Restart};

impl Takes {
    pub fn name(self) -> &'static str {
        match self {
            Reload => "reload",
            Restart => "restart",
        }
    }
}

/// Every key, or a section whose keys are all alike.
#[rustfmt::skip]
const KEYS: &[(&str, Takes)] = &[
    // Sockets and threads are made once.
    ("listen",                           Restart),
    ("proxy",                            Restart),
    ("websocket",                        Restart),
    ("advertise",                        Restart),
    ("advertise.server_reference",       Reload),
    ("http",                             Restart),
    ("startalk",                         Restart),
    // Who knows the users is built into every worker.
    ("auth.provider",                    Restart),
    ("auth.anonymous",                   Reload),
    ("auth.hashes_at_once",              Reload),
    ("auth.http",                        Reload),
    ("auth.jwt",                         Reload),
    ("auth.redis",                       Reload),
    ("tls",                              Reload),
    ("acl",                              Reload),
    // Stored names depend on it.
    ("topics.inbox",                     Restart),
    ("topics.sys_interval",              Reload),
    ("inbox.settle",                     Reload),
    ("inbox.settle_max",                 Reload),
    ("inbox.retention",                  Reload),
    // The store keeps to it within its appends.
    ("inbox.messages_max",               Restart),
    ("inbox.device_ttl",                 Reload),
    ("limits",                           Reload),
    // The places are counted by it from the start.
    ("limits.logins",                    Restart),
    ("store.url",                        Restart),
    ("store.data",                       Restart),
    ("store.reserve",                    Restart),
    ("store.sweep_interval",             Reload),
    ("log.level",                        Reload),
    ("log.format",                       Restart),
];

/// What a key says of itself, or its section; a key that is not in the table takes a restart.
pub fn takes(dotted: &str) -> Takes {
    marked(dotted).unwrap_or(Restart)
}

fn marked(dotted: &str) -> Option<Takes> {
    let of = |name: &str| KEYS.iter().find(|(key, _)| *key == name).map(|(_, takes)| *takes);
    of(dotted).or_else(|| marked(dotted.rsplit_once('.')?.0))
}

/// The settings after a reload, and the keys whose values are new.
#[derive(Debug)]
pub struct Change {
    /// With the old values of the keys in `restart`.
    pub loaded: Loaded,
    pub live: Vec<String>,
    pub restart: Vec<String>,
}

/// What becomes of the settings that hold when `new` ones are loaded.
///
/// # Errors
/// In words, if the new values contradict the old ones that stay until the restart.
pub fn change(holding: &Loaded, mut new: Loaded) -> Result<Change, String> {
    let changed = changed(holding, &new)?;
    let (live, restart): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|key| takes(key) == Reload);
    for key in &restart {
        keep(holding, &mut new, key);
    }
    new.config = file::fits(&new.values.0)?;
    match check::contradictions(&new.config).as_slice() {
        [] => Ok(Change { loaded: new, live, restart }),
        all => Err(format!(
            "until a restart the old values of {} hold, and with these: {}",
            restart.join(", "),
            all.join("\n")
        )),
    }
}

/// Puts the value that holds in place of the new one.
fn keep(holding: &Loaded, new: &mut Loaded, key: &str) {
    match keys::at(&holding.values.0, key) {
        Some(old) => keys::put(&mut new.values.0, key, old),
        None => keys::remove(&mut new.values.0, key),
    }
    match holding.origins.get(key) {
        Some(origin) => _ = new.origins.insert(key.into(), origin.clone()),
        None => _ = new.origins.remove(key),
    }
}

/// The keys whose values differ, however they are written.
fn changed(old: &Loaded, new: &Loaded) -> Result<Vec<String>, String> {
    let (old_values, new_values) = (values(&old.config)?, values(&new.config)?);
    let mut all: Vec<String> =
        [&old_values, &new_values].into_iter().flat_map(keys::leaves).map(|(key, _)| key).collect();
    all.sort();
    all.dedup();
    all.retain(|key| match secret::is_secret(key) {
        true => text(old, key) != text(new, key),
        false => keys::at(&old_values, key) != keys::at(&new_values, key),
    });
    Ok(all)
}

fn values(config: &Config) -> Result<Table, String> {
    Table::try_from(config).map_err(|error| error.to_string())
}

/// A secret as it was given, since its type shows nothing.
fn text(loaded: &Loaded, key: &str) -> Option<Value> {
    keys::at(&loaded.values.0, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Flags, Sources, merge};

    fn loaded(text: &str) -> Loaded {
        let (base, flags) = (Config::default(), Flags::default());
        merge(Sources { base, file: Some(("f", text)), variables: Vec::new(), flags }).unwrap()
    }

    #[test]
    fn every_key_is_marked() {
        for key in keys::dotted() {
            assert!(marked(&key).is_some(), "{key} is in no line of the table in config/reload.rs");
        }
    }

    #[test]
    fn every_mark_is_of_a_key_or_a_section() {
        for (name, _) in KEYS {
            assert!(keys::at(&keys::known(), name).is_some(), "{name} is no key");
        }
    }

    #[test]
    fn live_keys_are_taken_and_the_others_stay_and_are_named() {
        let old = loaded("[inbox]\nsettle = \"1s\"\n[store]\nreserve = \"1MiB\"");
        let new = loaded("inbox.settle = \"500ms\"\nstore.reserve = \"2MiB\"\nlisten.workers = 3");
        let change = change(&old, new).unwrap();
        assert_eq!(change.live, ["inbox.settle"]);
        assert_eq!(change.restart, ["listen.workers", "store.reserve"]);
        let config = &change.loaded.config;
        assert_eq!(config.inbox.settle.to_string(), "500ms");
        assert_eq!((config.store.reserve.to_string(), config.listen.workers), ("1MiB".into(), 0));
        assert_eq!(change.loaded.origins.get("listen.workers"), None);
    }

    #[test]
    fn a_key_that_waits_for_the_restart_is_named_each_time_until_it_is_as_it_was() {
        let old = loaded("");
        let first = change(&old, loaded("listen.workers = 3")).unwrap();
        let second = change(&first.loaded, loaded("listen.workers = 3")).unwrap();
        assert_eq!((second.live.len(), second.restart), (0, vec!["listen.workers".into()]));
        let third = change(&second.loaded, loaded("")).unwrap();
        assert_eq!((third.live.len(), third.restart.len()), (0, 0));
    }

    #[test]
    fn another_way_to_write_the_same_is_no_change() {
        let same = change(&loaded("inbox.settle = \"1s\""), loaded("inbox.settle = \"1000ms\""));
        assert_eq!(same.unwrap().live.len(), 0);
    }

    #[test]
    fn a_new_secret_is_seen_though_it_is_not_shown() {
        let with = |password: &str| {
            loaded(&format!(
                "store = \"postgres://u:{password}@h/d\"\nauth.jwt.secret = {password:?}"
            ))
        };
        let change = change(&with("the-old-one"), with("the-new-one")).unwrap();
        assert_eq!(
            (change.restart, change.live),
            (vec!["store.url".into()], vec!["auth.jwt.secret".into()])
        );
        assert_eq!(change.loaded.config.store.url.as_str(), "postgres://u:the-old-one@h/d");
        assert_eq!(change.loaded.config.auth.jwt.secret.expose(), "the-new-one");
        let shown = format!("{:?}", change.loaded);
        assert!(!shown.contains("the-old-one") && !shown.contains("the-new-one"), "{shown}");
    }

    #[test]
    fn new_values_that_contradict_those_that_stay_change_nothing() {
        // Each is right by itself; the rule names an inbox only where inboxes are the first level.
        let old = loaded("topics.inbox = \"{uid}\"");
        let new = "topics.inbox = \"u/{uid}\"\nacl.rules = [{ allow = \"all\", topic = \"news\" }]";
        let words = change(&old, loaded(new)).unwrap_err();
        assert!(words.contains("until a restart the old values of topics.inbox hold"), "{words}");
        assert!(words.contains("rule 1"), "{words}");
    }

    #[test]
    fn new_values_that_wait_for_the_restart_together_contradict_nothing() {
        let old = loaded("listen.mqtt = [\"0.0.0.0:1883\"]");
        let new = "listen.mqtt = [\"127.0.0.1:1883\"]\nauth.provider = \"open\"";
        assert_eq!(change(&old, loaded(new)).unwrap().loaded.config, old.config);
    }
}

//! Secrets from files of their own, and that no secret is ever shown.

use super::support::broker::Start;
use super::support::command::homing;

const SECRET: &str = "hunter2-4711";

fn url() -> String {
    // Nobody listens there.
    format!("postgres://homing:{SECRET}@127.0.0.1:1/homing?password={SECRET}")
}

#[test]
fn a_secret_is_read_from_the_file_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    std::fs::write(&path, url() + "\n").unwrap();
    let file = dir.path().join("homing.toml");
    std::fs::write(&file, format!("[store]\nurl_file = {path:?}\n")).unwrap();
    let by_file = homing(&["config", "show", "--config"]).arg(&file).ok();
    let by_variable =
        homing(&["config", "show"]).env("HOMING__STORE__URL_FILE", path.to_str().unwrap()).ok();
    for shown in [by_file, by_variable] {
        assert!(shown.contains("postgres://homing:***@127.0.0.1:1/homing"), "{shown}");
        assert!(shown.contains(path.to_str().unwrap()) && !shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn a_secret_given_twice_or_not_readable_stops_the_start() {
    let twice = homing(&["config", "check"])
        .env("HOMING__STORE__URL", &url())
        .env("HOMING__STORE__URL_FILE", "/dev/null")
        .fails();
    assert!(twice.contains("both given") && !twice.contains(SECRET), "{twice}");
    let missing =
        homing(&["config", "check"]).env("HOMING__STORE__URL_FILE", "/no/such/file").fails();
    assert!(missing.contains("store.url_file") && missing.contains("/no/such/file"), "{missing}");
}

/// Every secret there is gets a value that would be recognised.
#[test]
fn no_secret_is_shown_or_logged() {
    let known = homing(&["config", "show", "--json"]).ok();
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let secrets = known.as_object().unwrap().iter().filter(|(_, key)| key["secret"] == true);
    let names: Vec<&String> = secrets.map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| *name == "store.url"), "{names:?}");
    let variable = |name: &str| format!("HOMING__{}", name.replace('.', "__").to_uppercase());
    let value = |name: &str| match &known[name]["value"] {
        serde_json::Value::Array(_) => format!("[\"authorization: Bearer {SECRET}\"]"),
        _ if name.ends_with("url") || name.ends_with("jwks") => url(),
        _ => SECRET.to_owned(),
    };
    for words in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let command = homing(words);
        let done = names.iter().fold(command, |c, name| c.env(&variable(name), &value(name))).run();
        let said = done.stdout + &done.stderr;
        assert!(!said.contains(SECRET), "{said}");
    }
    let start = Start::dev().env("HOMING__LOG__LEVEL", "trace");
    let refused =
        names.iter().fold(start, |s, name| s.env(&variable(name), &value(name))).refused();
    assert!(!refused.said.contains(SECRET), "{}", refused.said);
}

#[test]
fn a_mistake_beside_a_secret_does_not_tell_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homing.toml");
    for text in [
        format!("[store]\nurl = {SECRET}\n"),
        format!("store = \"{SECRET}\n"),
        format!("[auth.redis]\npasword = \"{SECRET}\"\n"),
        format!("[auth.redis]\npassword = \"\"\"\n{SECRET}\n{SECRET}=\\q\"\"\"\n"),
    ] {
        std::fs::write(&file, text).unwrap();
        let words = homing(&["config", "check", "--config"]).arg(&file).fails();
        assert!(words.contains("line") && !words.contains(SECRET), "{words}");
    }
}

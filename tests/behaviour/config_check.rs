//! `homing config check` refuses what `homing serve` would refuse, and says what it leaves out.

use super::support::command::{Done, homing};

fn check(text: &str, more: &[&str]) -> Done {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homing.toml");
    std::fs::write(&file, text).unwrap();
    let command = homing(&["config", "check", "--config"]).arg(&file);
    more.iter().fold(command, |command, word| command.arg(word)).run()
}

#[test]
fn settings_with_which_serve_would_not_start_are_refused() {
    let jwt = "[auth]\nprovider = \"jwt\"\n[auth.jwt]\n";
    let redis = "[auth]\nprovider = \"redis\"\n[auth.redis]\n";
    for (text, words) in [
        (format!("{redis}key = \"x:{{uid\""), "auth.redis.key"),
        (format!("{redis}url = \"redis://:secret@h/0\""), "auth.redis.password"),
        (format!("{redis}layout = \"startalk\""), "startalk.domain"),
        (format!("{jwt}key = \"/no/such.pem\""), "/no/such.pem"),
        (format!("{jwt}jwks = \"/no/such.json\""), "/no/such.json"),
        (
            "[tls]\ncertificates = [{ cert = \"/no/c.pem\", key = \"/no/k.pem\" }]".into(),
            "/no/c.pem",
        ),
        ("[auth]\nprovider = \"http\"".into(), "auth.http.url"),
    ] {
        let done = check(&text, &[]);
        assert_eq!(done.status.code(), Some(2), "{text}");
        let told = done.stderr;
        assert!(told.contains(words) && !told.contains("secret@"), "{text}: {told}");
    }
}

#[test]
fn right_settings_say_what_was_not_looked_at() {
    let url = "[auth]\nprovider = \"jwt\"\n[auth.jwt]\njwks = \"https://127.0.0.1:1/keys\"\n";
    for text in ["# the defaults\n", url] {
        let told = check(text, &[]).stdout;
        assert!(told.contains("are right") && told.contains("the ports"), "{told}");
    }
    let done = check(url, &["--json"]);
    assert!(done.status.success());
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["ok"], true);
    assert!(json["not_looked_at"].as_str().unwrap().contains("the store"), "{json}");
}

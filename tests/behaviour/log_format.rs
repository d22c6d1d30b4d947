//! The form of the log: JSON lines where no terminal is, text for people where there is one.

use std::process::Command;

use super::support::broker::Start;
use super::support::command::{HOMING, Running, forget_settings, homing};
use super::support::wait_until;

#[test]
fn in_service_the_log_is_json_lines() {
    let broker = Start::dev().env("HOMING__LOG__FORMAT", "auto").start();
    broker.signal("HUP");
    let line = broker.log.wait_for(&["settings reloaded"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"settings reloaded".into()));
    assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
}

#[test]
fn text_is_had_by_asking() {
    let broker = Start::dev().env("HOMING__LOG__FORMAT", "text").start();
    broker.signal("HUP");
    let line = broker.log.wait_for(&["settings reloaded"]);
    assert!(line.contains("INFO") && !line.starts_with('{'), "{line}");
}

/// `script` gives it a terminal; when that is gone, so is the broker.
#[test]
fn on_a_terminal_it_is_text() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let dev = format!(
        "exec {HOMING} dev --data {} --mqtt 127.0.0.1:0 --http 127.0.0.1:0",
        data.display()
    );
    let mut script = Command::new("script");
    forget_settings(&mut script);
    script.args(["-q", "-f", "-e", "-c", &dev, "/dev/null"]);
    let script = Running::start(script, "");
    script.expect_line(&["ready "]);
    homing(&["reload", "--data"]).arg(&data).ok();
    let line = script.expect_line(&["settings reloaded"]);
    assert!(line.contains("INFO") && !line.starts_with('{'), "{line}");
    drop(script);
    wait_until("the end of the broker whose terminal is gone", || {
        (!data.join("control.sock").exists()).then_some(())
    });
}

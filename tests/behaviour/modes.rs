//! `homing dev` and `homing serve`: what each refuses, and in which words.

use std::path::Path;

use super::support::broker::Start;
use super::support::command::homing;
use super::support::{Broker, Connect, metrics};

fn temp() -> tempfile::TempDir {
    tempfile::TempDir::new().unwrap()
}

/// Starts and ends a broker, so that the directory is one of its kind.
fn used_by(start: Start, data: &Path) {
    assert!(start.data(data).start().terminate().success());
}

#[test]
fn dev_refuses_a_directory_of_serve_and_the_reverse() {
    let dir = temp();
    let (dev, serve) = (dir.path().join("dev"), dir.path().join("serve"));
    used_by(Start::dev(), &dev);
    used_by(Start::serve(), &serve);
    let said = Start::dev().data(&serve).refused().said;
    assert!(said.contains("serve") && said.contains(serve.to_str().unwrap()), "{said}");
    let said = Start::serve().data(&dev).refused().said;
    assert!(said.contains("dev") && said.contains(dev.to_str().unwrap()), "{said}");
    // Each still accepts its own.
    used_by(Start::dev(), &dev);
    used_by(Start::serve(), &serve);
}

#[test]
fn serve_must_be_told_its_data_directory() {
    let dir = temp();
    let words = ["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let here = homing(&words).env("HOME", dir.path().to_str().unwrap());
    let said = here.fails();
    assert!(said.contains("--data") || said.contains("store.data"), "{said}");
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let broker = Broker::dev();
    let said = Start::dev().data(&broker.data).refused().said;
    let words = ["in use", "locked", "another", "running"];
    assert!(words.iter().any(|word| said.contains(word)), "{said}");
    assert!(said.contains(broker.data.to_str().unwrap()), "{said}");
    // The first one has noticed nothing.
    broker.device("alice", "phone");
}

#[test]
fn a_port_taken_is_named_with_the_key_that_changes_it() {
    let broker = Broker::dev();
    let said = Start::dev().mqtt(broker.mqtt).refused().said;
    assert!(said.contains(&broker.mqtt.to_string()), "{said}");
    assert!(said.contains("listen.mqtt"), "{said}");
}

#[test]
fn dev_stays_on_loopback() {
    let said = Start::dev().mqtt("0.0.0.0:0").refused().said;
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn open_accepts_anybody_on_loopback() {
    let broker = Start::serve().env("HOMING__AUTH__PROVIDER", "open").start();
    let mut phone = Connect::v311("anybody", "phone").password("anything").device(broker.mqtt);
    let mut other = Connect::v311("somebody", "post").password("else").device(broker.mqtt);
    phone.expect_marker_from(&mut other, "anybody");
}

#[test]
fn open_is_refused_beyond_loopback() {
    let open = Start::serve().env("HOMING__AUTH__PROVIDER", "open");
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let said = open.clone().mqtt(addr).refused().said;
        assert!(said.contains("open") && said.contains("loopback"), "{said}");
    }
}

#[test]
fn serve_is_closed_by_default() {
    let broker = Start::serve().start();
    for (uid, password) in [("alice", "dev"), ("admin", "admin"), ("anybody", "")] {
        let code = Connect::v311(uid, "phone").password(password).refused(broker.mqtt);
        assert!([4, 5].contains(&code), "{uid}: {code}");
    }
}

#[test]
fn dev_prints_lines_to_copy() {
    let broker = Broker::dev();
    for word in ["alice", "bob", &broker.mqtt.port().to_string()] {
        broker.said.wait_for(&[word]);
    }
}

#[test]
fn an_unknown_key_in_the_file_stops_the_start_with_its_place() {
    let dir = temp();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[inbox]\nretension = \"30d\"\n").unwrap();
    let said = Start::dev().arg("--config").arg(file.to_str().unwrap()).refused().said;
    for word in ["retension", "retention", "line 2", "column 1"] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
}

#[test]
fn a_value_that_cannot_be_is_said_with_its_place() {
    let dir = temp();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[inbox]\nmessages_max = 5\nsettle = \"soon\"\n").unwrap();
    let said = Start::dev().arg("--config").arg(file.to_str().unwrap()).refused().said;
    assert!(said.contains("line 3") && said.contains("soon"), "{said}");
}

#[test]
fn an_unknown_variable_stops_the_start() {
    let said = Start::dev().env("HOMING__INBOX__RETENSION", "30d").refused().said;
    assert!(said.contains("HOMING__INBOX__RETENSION"), "{said}");
    assert!(said.to_lowercase().contains("retention"), "{said}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let dir = temp();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[inbox]\nmessages_max = 5\n").unwrap();
    let show = |variable: &str| {
        let mut show = homing(&["config", "show", "--config", file.to_str().unwrap()]);
        if !variable.is_empty() {
            show = show.env("HOMING__INBOX__MESSAGES_MAX", variable);
        }
        show.ok()
    };
    assert!(show("").contains("messages_max = 5"));
    assert!(show("7").contains("messages_max = 7"));
}

#[test]
fn the_defaults_can_be_printed_and_checked() {
    let dir = temp();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, homing(&["config", "defaults"]).ok()).unwrap();
    homing(&["config", "check", "--config", file.to_str().unwrap()]).ok();
    std::fs::write(&file, "[nonsense]\n").unwrap();
    let said = homing(&["config", "check", "--config", file.to_str().unwrap()]).fails();
    assert!(said.contains("nonsense") && said.contains("line 1"), "{said}");
}

#[test]
fn health_and_metrics_are_served() {
    let broker = Broker::dev();
    assert_eq!(metrics::get(broker.http, "/health").0, 200);
    let (status, text) = metrics::get(broker.http, "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("homing_messages_removed_total"), "{text}");
    assert_eq!(metrics::get(broker.http, "/nothing-here").0, 404);
}

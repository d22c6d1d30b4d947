//! The matrix is complete: each client has each behaviour in each version of MQTT, or a reason why
//! not; and `docs/protocol.md` names the clients and versions that are installed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::rig::{Client, Transport};

const CLIENTS: &[(&str, Client)] = &[
    ("paho_1", crate::paho_1::CLIENT),
    ("paho_2", crate::paho_2::CLIENT),
    ("aiomqtt", crate::aiomqtt::CLIENT),
    ("gmqtt", crate::gmqtt::CLIENT),
    ("mqtt_js", crate::mqtt_js::CLIENT),
    ("mqtt_js_websocket", crate::mqtt_js_websocket::CLIENT),
    ("mosquitto", crate::mosquitto::CLIENT),
    ("rumqttc", crate::rumqttc::CLIENT),
    ("paho_c", crate::paho_c::CLIENT),
];

/// Modules and what MQTT they stand for.
const VERSIONS: &[(&str, &str)] = &[("v31", "3.1"), ("v311", "3.1.1"), ("v5", "5")];

const BEHAVIOURS: &[&str] =
    &["login", "qos_0_1_2", "retained", "will", "session", "reconnect", "inbox"];

/// What a client does not have, and why: (client, version, reason).
const MISSING: &[(&str, &str, &str)] = &[
    ("gmqtt", "v31", "the library begins with 3.1.1"),
    ("rumqttc", "v31", "the library begins with 3.1.1"),
];

fn is_missing(client: &str, version: &str) -> bool {
    MISSING.iter().any(|(c, v, _)| (*c, *v) == (client, version))
}

/// What has to be there, as `client::version::behaviour`.
fn expected() -> BTreeSet<String> {
    let versions = |client| VERSIONS.iter().map(move |(version, _)| (client, *version));
    let there = CLIENTS.iter().flat_map(|(client, _)| versions(*client));
    let there = there.filter(|(client, version)| !is_missing(client, version));
    let tests = |(client, version)| {
        BEHAVIOURS.iter().map(move |behaviour| format!("{client}::{version}::{behaviour}"))
    };
    there.flat_map(tests).collect()
}

/// The tests of this binary that belong to the matrix, as the runner lists them.
fn found() -> BTreeSet<String> {
    let binary = std::env::current_exe().expect("this binary");
    let list = Command::new(binary).args(["--list", "--format", "terse"]).output().expect("runs");
    let list = String::from_utf8(list.stdout).expect("names");
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    tests.filter(|test| test.split("::").count() == 3).map(str::to_owned).collect()
}

#[test]
fn every_client_has_every_behaviour_or_a_reason() {
    assert_eq!(found(), expected());
}

#[test]
fn what_is_missing_is_of_the_matrix() {
    for (client, version, reason) in MISSING {
        assert!(CLIENTS.iter().any(|(name, _)| name == client), "{client}");
        assert!(VERSIONS.iter().any(|(name, _)| name == version), "{version}");
        assert!(!reason.is_empty());
    }
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file")
}

#[test]
fn versions_are_those_that_are_installed() {
    for (_, client) in CLIENTS {
        let (file, words) = client.pinned;
        assert!(read(file).contains(words), "{file} does not have {words}");
        assert!(client.version == "Debian's" || words.contains(client.version), "{words}");
    }
}

/// The line of a client in the table of the page.
fn row(module: &str, client: &Client) -> String {
    let there = VERSIONS.iter().filter(|(version, _)| !is_missing(module, version));
    let versions: Vec<&str> = there.map(|(_, mqtt)| *mqtt).collect();
    let over = match client.over {
        Transport::Tcp => "TCP",
        Transport::WebSocket => "WebSocket",
    };
    format!("| {} | {} | {} | {over} |", client.name, client.version, versions.join(", "))
}

#[test]
fn the_page_names_the_clients_with_their_versions() {
    let page = read("docs/protocol.md");
    let (_, section) = page.split_once("\n## Clients that are tested\n").expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let table: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let rows: Vec<String> = CLIENTS.iter().map(|(module, client)| row(module, client)).collect();
    assert_eq!(table, rows);
}

//! `homing bench` as it is used: messages are counted one by one, over every transport.

use serde_json::Value;

use super::support::broker::{Broker, Start};
use super::support::command::homing;
use super::support::tls::Secured;

/// Listeners of all transports, any login.
fn broker(secured: &Secured) -> Broker {
    let start = secured.start().env("HOMING__AUTH__PROVIDER", "open");
    with_web(start).start()
}

fn with_web(start: Start) -> Start {
    let any = "[\"127.0.0.1:0\"]";
    start.env("HOMING__LISTEN__WS", any).env("HOMING__LISTEN__WSS", any)
}

fn figures(port: u16, words: &[&str]) -> Value {
    let bench = homing(&["bench"]).env("HOMING_PASSWORD", "any");
    let bench = words.iter().fold(bench, |bench, word| bench.arg(word));
    let told = bench.arg("-p").arg(port.to_string()).arg("--json").arg("--quiet").ok();
    serde_json::from_str(&told).expect("one JSON object")
}

#[test]
fn every_transport_carries_all_messages() {
    let secured = Secured::new();
    let broker = broker(&secured);
    let tls = ["--ca", secured.ca()];
    let ways: [(u16, Vec<&str>); 4] = [
        (broker.mqtt.port(), vec![]),
        (broker.mqtts().port(), tls.to_vec()),
        (broker.ws().port(), vec!["--ws"]),
        (broker.wss().port(), [&tls[..], &["--ws=/mqtt"]].concat()),
    ];
    for (port, way) in ways {
        // Larger than a TLS record and than a short WebSocket frame.
        let load = ["pairs", "-c", "3", "-n", "40", "-s", "20000", "-q", "1"];
        let found = figures(port, &[&load[..], &way[..]].concat());
        let counts = ["delivered", "lost", "duplicates", "out_of_order", "misdelivered"];
        assert_eq!(counts.map(|key| found[key].as_u64()), [120, 0, 0, 0, 0].map(Some), "{way:?}");
    }
}

#[test]
fn topics_of_a_pair_are_all_subscribed_to() {
    let broker = Start::dev().env("HOMING__AUTH__PROVIDER", "open").start();
    // More than one SUBSCRIBE may ask for.
    let words = ["pairs", "-c", "2", "-n", "500", "--topics", "450", "-q", "1"];
    let found = figures(broker.mqtt.port(), &words);
    assert_eq!((&found["delivered"], &found["lost"]), (&1000.into(), &0.into()));
    assert_eq!(found["topics_each"], 450);
}

#[test]
fn an_authority_that_did_not_sign_the_broker_is_told() {
    let (secured, other) = (Secured::new(), Secured::new());
    let broker = broker(&secured);
    let port = broker.mqtts().port().to_string();
    let words = ["bench", "idle", "-c", "1", "-p", &port, "--ca", other.ca()];
    let told = homing(&words).fails();
    assert!(told.contains("certificate"), "{told}");
    let told = homing(&["bench", "idle", "--ca", "no-such-file.pem"]).fails();
    assert!(told.contains("--ca no-such-file.pem"), "{told}");
}

#[test]
fn what_is_no_websocket_is_told() {
    let broker = Start::dev().env("HOMING__LISTEN__WS", "[\"127.0.0.1:0\"]").start();
    let port = broker.ws().port().to_string();
    let told = homing(&["bench", "idle", "-c", "1", "-p", &port, "--ws=/elsewhere"]).fails();
    assert!(told.contains("404"), "{told}");
}

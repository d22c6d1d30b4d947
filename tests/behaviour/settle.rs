//! A publish-only script acknowledges what arrives without showing it. The settle time keeps it
//! from eating its owner's waiting mail: catch-up begins after a quiet while, or with the first
//! SUBSCRIBE or PINGREQ.

use std::process::Command;
use std::time::{Duration, Instant};

use super::support::broker::HANG;
use super::support::command::Running;
use super::support::python::Paho;
use super::support::wire::Packet;
use super::support::{Broker, Client, Connect};

/// Long enough for a script's whole life on a busy machine.
const LONG: [(&str, &str); 2] =
    [("HOMING__INBOX__SETTLE", "20s"), ("HOMING__INBOX__SETTLE_MAX", "20s")];

/// Alice's laptop is a known device with mail; a script runs under its name and sends to carol.
fn mail_survives(script: impl Fn(&Broker)) {
    let broker = Broker::with(&LONG);
    broker.know("alice", "laptop");
    let mut carol = broker.device("carol", "phone");
    broker.mail("alice", &["one", "two"]);
    script(&broker);
    assert_eq!(carol.take_text(), "from the script");
    assert_eq!(broker.device("alice", "laptop").take_texts(2), ["one", "two"]);
}

fn paho_single(paho: Paho, qos: u8) {
    mail_survives(|broker| {
        let (host, port) = (broker.mqtt.ip(), broker.mqtt.port());
        paho.run(&format!(
            "import paho.mqtt.publish as publish
publish.single('carol', 'from the script', qos={qos}, hostname='{host}', port={port},
               client_id='laptop', auth={{'username': 'alice', 'password': 'dev'}})
"
        ));
    });
}

#[test]
fn paho_1_publish_single_does_not_eat_mail() {
    paho_single(Paho::V1, 0);
    paho_single(Paho::V1, 1);
}

#[test]
fn paho_2_publish_single_does_not_eat_mail() {
    paho_single(Paho::V2, 0);
    paho_single(Paho::V2, 1);
}

#[test]
fn mosquitto_pub_does_not_eat_mail() {
    for qos in ["0", "1", "2"] {
        mail_survives(|broker| {
            let mut command = Command::new("mosquitto_pub");
            command.args(["-h", "127.0.0.1", "-p", &broker.mqtt.port().to_string()]);
            command.args(["-u", "alice", "-P", "dev", "-i", "laptop", "-q", qos]);
            command.args(["-t", "carol", "-m", "from the script"]);
            Running::start(command, "").succeed();
        });
    }
}

/// Connects alice's laptop, whose mail waits; it has been told nothing that ends the settle time.
fn settling(broker: &Broker) -> Client {
    broker.know("alice", "laptop");
    broker.mail("alice", &["one", "two"]);
    let mut laptop = Connect::v311("alice", "laptop").open(broker.mqtt);
    // A publish exchange does not end it, and proves that the broker has had time to deliver.
    laptop.publish_acked("carol", "busy", 1);
    laptop.assert_quiet_now();
    laptop
}

#[test]
fn the_first_pingreq_ends_it() {
    let broker = Broker::with(&LONG);
    let mut laptop = settling(&broker);
    laptop.ping();
    assert_eq!(laptop.take_texts(2), ["one", "two"]);
}

#[test]
fn the_first_subscribe_ends_it() {
    let broker = Broker::with(&LONG);
    let mut laptop = settling(&broker);
    laptop.subscribe("alice", 1);
    assert_eq!(laptop.take_texts(2), ["one", "two"]);
}

#[test]
fn quiet_ends_it() {
    let broker = Broker::dev();
    broker.know("alice", "laptop");
    broker.mail("alice", &["one", "two"]);
    let mut laptop = Connect::v311("alice", "laptop").open(broker.mqtt);
    assert_eq!(laptop.take_texts(2), ["one", "two"]);
}

#[test]
fn the_settle_time_is_not_shorter_than_configured() {
    let broker = Broker::with(&[("HOMING__INBOX__SETTLE", "1s")]);
    broker.know("alice", "laptop");
    broker.mail("alice", &["one"]);
    let start = Instant::now();
    Connect::v311("alice", "laptop").open(broker.mqtt).take_text();
    assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
}

/// It publishes again and again, each time well before the quiet time is over.
#[test]
fn a_busy_publisher_gets_its_mail_after_the_longest_time() {
    let settings = [("HOMING__INBOX__SETTLE", "1s"), ("HOMING__INBOX__SETTLE_MAX", "2s")];
    let broker = Broker::with(&settings);
    broker.know("alice", "laptop");
    broker.mail("alice", &["one"]);
    let mut laptop = Connect::v311("alice", "laptop").open(broker.mqtt);
    let mail = |packet: Packet| match packet {
        Packet::Publish(publish) => Some(publish.text().to_owned()),
        _ => None,
    };
    let got = (0..10_000).find_map(|_| {
        laptop.publish("carol", "busy", 1);
        laptop.try_recv(HANG).ok().and_then(mail)
    });
    assert_eq!(got.as_deref(), Some("one"));
}

#[test]
fn live_mail_waits_too() {
    let broker = Broker::with(&LONG);
    let mut tablet = broker.device("alice", "tablet");
    let mut laptop = Connect::v311("alice", "laptop").open(broker.mqtt);
    broker.mail("alice", &["live"]);
    assert_eq!(tablet.take_text(), "live");
    laptop.assert_quiet_now();
}

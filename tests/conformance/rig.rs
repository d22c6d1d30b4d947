//! The broker of the conformance tests: as an ordinary one, without inboxes among its topics.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::broker::Start;
use crate::support::client::message;
use crate::support::{Broker, Client, Connect, HANG, Packet, Publish, V5, V311, Version};

/// A test that holds for both versions runs for each of these.
pub const BOTH: [Version; 2] = [V311, V5];

/// Single levels are plain topics, everybody comes in and may do everything.
const ORDINARY: [(&str, &str); 3] = [
    ("HOMING__TOPICS__INBOX", "u/{uid}"),
    ("HOMING__AUTH__PROVIDER", "open"),
    ("HOMING__ACL__DEFAULT", "allow"),
];

/// How an ordinary broker is started, for tests that add to it. It has no accounts to make first.
pub fn start() -> Start {
    ORDINARY.iter().fold(Start::serve(), |start, (key, value)| start.env(key, value))
}

pub fn broker() -> Broker {
    start().start()
}

/// With settings of its own, as in `&[("HOMING__LIMITS__PACKET", "1KiB")]`.
pub fn broker_with(settings: &[(&str, &str)]) -> Broker {
    settings.iter().fold(start(), |start, (key, value)| start.env(key, value)).start()
}

/// A client that is no other's: its user has the name of its device.
pub fn connect(version: Version, client_id: &str) -> Connect {
    Connect::new(version, client_id, client_id)
}

/// A client with a clean session of its own.
pub fn client(broker: &Broker, version: Version, client_id: &str) -> Client {
    connect(version, client_id).open(broker.mqtt)
}

/// Publishes with RETAIN; returns when it is acknowledged.
pub fn retain(client: &mut Client, topic: &str, payload: &str) {
    let id = client.next_id();
    client.send_publish(&Publish { retain: true, ..message(topic, payload, 1, id) }, &[]);
    assert_eq!(client.expect_puback(id), 0);
}

/// The next message here is the one that is published now: nothing else was on its way.
pub fn expect_nothing_before_a_marker(client: &mut Client, topic: &str) {
    client.publish_acked(topic, "marker", 1);
    assert_eq!(client.take_text(), "marker");
}

/// The server closes this connection for `bytes`, and tells an MQTT 5 client this reason.
pub fn is_closed_for(client: &mut Client, bytes: &[u8], reason: u8, what: &str) {
    client.send_raw(bytes);
    let seen = client.expect_closed();
    let told = match seen.as_slice() {
        [Packet::Disconnect { reason: told, .. }] => client.version == V5 && *told == reason,
        [] => client.version == V311,
        _ => false,
    };
    assert!(told, "{what}: wanted {reason:#04x}, got {seen:02x?}");
}

/// The server refuses this as the first packet: it closes, without a word or after a CONNACK that
/// says anything but that the login is wrong.
pub fn is_no_connect(broker: &Broker, version: Version, bytes: &[u8], what: &str) {
    const OF_LOGIN: [u8; 4] = [4, 5, 0x86, 0x87];
    let mut client = Client::silent(broker.mqtt, version);
    client.send_raw(bytes);
    let seen = client.expect_closed();
    let refused = |packet: &Packet| match packet {
        Packet::ConnAck { session_present, code, .. } => {
            !session_present && *code != 0 && !OF_LOGIN.contains(code)
        }
        _ => false,
    };
    assert!(seen.len() <= 1 && seen.iter().all(refused), "{what}: {seen:02x?}");
}

/// A connection of bytes, which have to be exactly as expected.
pub struct Raw(TcpStream);

impl Raw {
    pub fn open(broker: &Broker, connect: &Connect) -> Raw {
        let mut stream = TcpStream::connect(broker.mqtt).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(&connect.encode()).unwrap();
        Raw(stream)
    }

    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// CONNACK, whatever its properties.
    pub fn connack(&mut self) -> Vec<u8> {
        let head = self.read(2);
        let body = self.read(head[1].into());
        [head, body].concat()
    }

    pub fn answers(&mut self, question: &[u8], answer: &[u8]) {
        self.0.write_all(question).unwrap();
        assert_eq!(self.read(answer.len()), answer, "to {question:02x?}");
    }
}

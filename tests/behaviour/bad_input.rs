//! Bad input closes the connection that sent it, with the right reason and one log line that names
//! uid, client and cause. Nothing else notices.

use std::time::Instant;

use super::support::client::message;
use super::support::process::resident_kib;
use super::support::random::Random;
use super::support::wire::{self, packet, properties, publish, string, varint};
use super::support::{Broker, Client, Connect, Packet, V5, V311, Will, wait_until, words};

/// A pair of clients that go on talking while others misbehave.
struct Bystanders {
    bob: Client,
    phone: Client,
}

impl Bystanders {
    fn new(broker: &Broker) -> Bystanders {
        Bystanders { bob: broker.device("bob", "post"), phone: broker.device("carol", "phone") }
    }

    fn unaffected(&mut self) {
        self.phone.expect_marker_from(&mut self.bob, "carol");
    }
}

/// What is wrong, the bytes, the MQTT 5 reason (0x81 malformed, 0x82 protocol error).
fn after_login(version: u8) -> Vec<(&'static str, Vec<u8>, u8)> {
    let no_props = properties(version, &[]);
    let with =
        |first: u8, head: &[u8], tail: &[u8]| packet(first, &[head, &no_props, tail].concat());
    let topic = |text: &[u8], tail: &[u8]| with(0x30, &string(text), tail);
    vec![
        ("packet type 0", vec![0x00, 0], 0x81),
        ("flags of PINGREQ", vec![0xC4, 0], 0x81),
        ("PINGREQ with a body", vec![0xC0, 1, 0], 0x81),
        ("a length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01], 0x81),
        ("a topic longer than its packet", vec![0x30, 3, 0, 9, b'x'], 0x81),
        ("a topic that is not UTF-8", topic(&[0xFF, 0xFE], b""), 0x81),
        ("a topic with U+0000", topic(b"bo\0b", b""), 0x81),
        ("a topic with a surrogate", topic(&[0xED, 0xA0, 0x80], b""), 0x81),
        ("QoS 3", with(0x36, &[&string("bob")[..], &[0, 1]].concat(), b""), 0x81),
        ("packet id 0 in PUBLISH", with(0x32, &[&string("bob")[..], &[0, 0]].concat(), b""), 0x82),
        ("a truncated PUBACK", packet(0x40, &[0]), 0x81),
        ("flags of PUBREL", packet(0x60, &[0, 1]), 0x81),
        ("flags of SUBSCRIBE", packet(0x80, &[0, 1]), 0x81),
        ("a SUBSCRIBE of nothing", with(0x82, &[0, 1], b""), 0x82),
        ("a SUBSCRIBE at QoS 3", with(0x82, &[0, 1], &[&string("bob")[..], &[3]].concat()), 0x81),
        ("an UNSUBSCRIBE of nothing", with(0xA2, &[0, 1], b""), 0x82),
        ("a second CONNECT", Connect::new(version, "alice", "phone").encode(), 0x82),
        ("CONNACK from a client", packet(0x20, &[0, 0]), 0x82),
        ("SUBACK from a client", with(0x90, &[0, 1], &[0]), 0x82),
        ("PINGRESP from a client", vec![0xD0, 0], 0x82),
    ]
}

/// Threat W3.
#[test]
fn each_kind_closes_its_connection_with_its_reason() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut others = Bystanders::new(&broker);
        for (number, (what, bytes, reason)) in after_login(version).into_iter().enumerate() {
            let name = format!("fuzzer-{number:02}");
            let mut client = Connect::new(version, "alice", &name).open(broker.mqtt);
            client.send_raw(&bytes);
            let seen = client.expect_closed();
            if version == V5 {
                let told = matches!(seen[..], [Packet::Disconnect { reason: r, .. }]
                    if r == reason || (reason == 0x82 && r == 0x81));
                assert!(told, "{what}: wanted {reason:#04x}, got {seen:02x?}");
            } else {
                assert_eq!(seen, [], "{what}");
            }
            let causes = [words::MALFORMED, words::BREAKS_PROTOCOL, "not valid"];
            wait_until(&format!("a log line that names {name} and: {what}"), || {
                let lines = broker.log.matching(&["alice", &name]);
                lines.into_iter().find(|line| causes.iter().any(|cause| line.contains(cause)))
            });
            others.unaffected();
        }
    }
}

/// Threat M5. A list that is longer than what one packet may ask for.
#[test]
fn a_huge_list_of_filters_closes_its_connection() {
    let broker = Broker::with_plain_topics();
    for (first, filter) in
        [(0x82, [&string("a/b")[..], &[0]].concat()), (0xA2, string("a/b").to_vec())]
    {
        let mut client = Connect::v5("alice", "phone").open(broker.mqtt);
        let body = [&[0, 1, 0][..], &filter.repeat(257)].concat();
        client.send_raw(&packet(first, &body));
        assert_eq!(client.expect_disconnect(), 0x97);
        broker.log.wait_for(&["alice", "phone", "filters in one packet"]);
    }
}

#[test]
fn it_is_one_log_line() {
    let broker = Broker::dev();
    let mut client = Connect::v5("alice", "fuzzer").open(broker.mqtt);
    client.send_raw(&[0x00, 0]);
    client.expect_closed();
    let line = broker.log.wait_for(&["alice", "fuzzer", words::MALFORMED]);
    // The next connection's line comes after all that the first one had to say.
    let mut next = Connect::v5("alice", "next").open(broker.mqtt);
    next.send_raw(&[0x00, 0]);
    next.expect_closed();
    broker.log.wait_for(&["alice", "next", words::MALFORMED]);
    assert_eq!(broker.log.matching(&["fuzzer", words::MALFORMED]), [line]);
}

#[test]
fn a_payload_that_lies_about_being_text_hurts_nobody() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = Connect::v5("bob", "liar").open(broker.mqtt);
    // Payload format indicator 1, and bytes that are no UTF-8.
    bob.send_raw(&publish(V5, &message("alice", [0xFF], 0, 0), &[0x01, 1]));
    bob.cut();
    let mut carol = broker.device("carol", "post");
    carol.publish_acked("alice", "next", 1);
    let publish = phone.take();
    let publish = if publish.payload == [0xFF] { phone.take() } else { publish };
    assert_eq!(publish.text(), "next");
}

/// Threat W1. Before CONNECT: closed without a word.
#[test]
fn the_first_packet_must_be_connect() {
    let broker = Broker::dev();
    let mut others = Bystanders::new(&broker);
    for bytes in
        [&[0xC0, 0][..], &[0xE0, 0], &[0x30, 5, 0, 3, b'b', b'o', b'b'], b"GET / HTTP/1.1\r\n"]
    {
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(bytes);
        assert_eq!(client.expect_closed(), [], "{bytes:02x?}");
        others.unaffected();
    }
}

/// A CONNECT in MQTT 5's form with one thing wrong.
#[test]
fn a_broken_connect_is_refused() {
    let broker = Broker::dev();
    let good = Connect::v5("alice", "phone").encode();
    let flags_at = good.iter().position(|byte| *byte == 5).unwrap() + 1;
    let mut reserved = good.clone();
    reserved[flags_at] |= 1;
    let mut name = good.clone();
    name[4] = b'X';
    let truncated = packet(0x10, &good[2..good.len() - 3]);
    let leftover = packet(0x10, &[&good[2..], &[0]].concat());
    for bytes in [reserved, name, truncated, leftover] {
        let mut client = Client::silent(broker.mqtt, V5);
        client.send_raw(&bytes);
        let seen = client.expect_closed();
        let refused = |packet: &Packet| matches!(packet, Packet::ConnAck { code: 0x80.., .. });
        assert!(seen.is_empty() || (seen.len() == 1 && refused(&seen[0])), "{seen:?}");
    }
    broker.device("alice", "phone");
}

#[test]
fn other_protocol_versions_are_told_so() {
    let broker = Broker::dev();
    for level in [3, 6, 255] {
        let code = Connect::new(level, "alice", "phone").refused(broker.mqtt);
        assert!([1, 0x84].contains(&code), "level {level}: {code:#04x}");
    }
}

/// Threat W1.
#[test]
fn before_login_a_packet_may_have_64_kib() {
    let broker = Broker::dev();
    let sized = |password: usize| Connect::v311("alice", "phone").password(&"x".repeat(password));
    // A large one below the limit is judged by its password.
    assert_eq!(sized(60_000).refused(broker.mqtt), 4);
    // Beyond it the declared length alone closes the connection.
    let mut client = Client::silent(broker.mqtt, V311);
    client.send_raw(&[&[0x10][..], &varint(64 * 1024 + 1)].concat());
    client.expect_closed();
}

/// Threat W1.
#[test]
fn a_declared_length_allocates_nothing() {
    let broker = Broker::with(&[("HOMING__LIMITS__PACKET", "64MiB")]);
    let mut others = Bystanders::new(&broker);
    let before = resident_kib(broker.pid());
    let mut clients = Vec::new();
    for number in 0..50 {
        let mut client = Connect::v311("alice", &format!("liar-{number}")).open(broker.mqtt);
        client.send_raw(&[&[0x30][..], &varint(60 * 1024 * 1024), &string("bob")].concat());
        clients.push(client);
    }
    others.unaffected();
    let grown = resident_kib(broker.pid()).saturating_sub(before);
    assert!(grown < 50 * 1024, "{grown} KiB for 50 declared lengths of 60 MiB");
    drop(clients);
}

/// Threat W1. The largest length there is, in front of nothing, from those who have not said who
/// they are: they are closed at once, and held by nobody.
#[test]
fn huge_lengths_before_the_login_are_closed_at_once_and_cost_nothing() {
    let broker = Broker::dev();
    let mut others = Bystanders::new(&broker);
    let before = resident_kib(broker.pid());
    let length = varint(268_435_455);
    for number in 0..500 {
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(&[&[[0x10, 0x30, 0x82][number % 3]][..], &length].concat());
        assert_eq!(client.expect_closed(), []);
    }
    others.unaffected();
    let grown = resident_kib(broker.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for 500 declared lengths of 256 MiB");
}

/// Threat W5. Like a publish, and already at CONNECT: a will that could not be published is no
/// reason to connect. Nothing of it is left.
#[test]
fn a_will_that_nobody_may_publish_is_refused_with_its_connect() {
    let broker = Broker::with_plain_topics();
    for topic in ["", "a/+", "#", "a\0b", "$SYS/broker/x", "bob/envelope"] {
        for version in [V311, V5] {
            let connect = Connect::new(version, "alice", "heir").will(Will::new(topic, "x", 1));
            let mut client = Client::silent(broker.mqtt, version);
            client.send_raw(&connect.encode());
            let seen = client.expect_closed();
            let refused = |packet: &Packet| matches!(packet, Packet::ConnAck { code: 1.., .. });
            assert!(seen.iter().all(refused), "a will to {topic:?}: {seen:?}");
        }
    }
    // Properties of a PUBLISH that no will may have, and one twice.
    for props in [&[0x23, 0, 1][..], &[0x0B, 1], &[1, 0, 1, 0], &[0x11, 0, 0, 0, 1]] {
        let will = Will { props: props.to_vec(), ..Will::new("a/b", "x", 1) };
        let mut client = Client::silent(broker.mqtt, V5);
        client.send_raw(&Connect::v5("alice", "heir").will(will).encode());
        let seen = client.expect_closed();
        let refused = |packet: &Packet| matches!(packet, Packet::ConnAck { code: 0x80.., .. });
        assert!(seen.iter().all(refused), "{props:02x?}: {seen:?}");
    }
    broker.device("alice", "heir");
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECT_WAIT", "1s")]);
    let start = Instant::now();
    let mut silent = Client::silent(broker.mqtt, V311);
    let mut slow = Client::silent(broker.mqtt, V311);
    slow.send_raw(&Connect::v311("alice", "phone").encode()[..10]);
    assert_eq!(silent.expect_closed(), []);
    slow.expect_closed();
    assert!(start.elapsed() >= std::time::Duration::from_millis(950), "{:?}", start.elapsed());
}

#[test]
fn a_connection_cut_in_the_middle_of_a_packet_hurts_nobody() {
    let broker = Broker::dev();
    let mut others = Bystanders::new(&broker);
    let whole = wire::publish(V311, &message("carol", "half a message", 1, 9), &[]);
    for length in 1..whole.len() {
        let mut client = Connect::v311("alice", "cutter").open(broker.mqtt);
        client.send_raw(&whole[..length]);
        client.cut();
    }
    others.unaffected();
}

/// Random bytes and mutated packets, before and after login: the broker stays.
#[test]
fn noise_hurts_nobody() {
    let seed = super::support::random::seed("HOMING_NOISE_SEED");
    println!("HOMING_NOISE_SEED={seed}");
    let mut random = Random(seed);
    let mut broker = Broker::dev();
    let mut others = Bystanders::new(&broker);
    for round in 0..100 {
        let version = [V311, V5][random.below(2)];
        let mut client = if random.below(3) == 0 {
            Client::silent(broker.mqtt, version)
        } else {
            Connect::new(version, "alice", &format!("noise-{round}")).open(broker.mqtt)
        };
        let bytes = noise(&mut random, version);
        // The broker is free to close in the middle of it.
        let _ = client.try_send(&bytes);
        client.cut();
        if round % 10 == 9 {
            others.unaffected();
        }
    }
    others.unaffected();
    assert!(broker.try_exit().is_none());
    assert!(broker.terminate().success());
}

fn noise(random: &mut Random, version: u8) -> Vec<u8> {
    let mut bytes = match random.below(4) {
        0 => (0..random.below(300)).map(|_| random.next() as u8).collect(),
        1 => wire::publish(version, &message("alice", "noise", 1, 1), &[]),
        2 => wire::subscribe(version, 1, "alice", 1),
        _ => Connect::new(version, "alice", "noise").encode(),
    };
    for _ in 0..random.below(4) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
    }
    bytes
}

#[test]
fn a_client_that_reads_nothing_does_not_stop_others() {
    let broker = Broker::dev();
    let mut others = Bystanders::new(&broker);
    let _deaf = broker.device("alice", "deaf");
    let large = vec![b'x'; 100_000];
    for _ in 0..100 {
        others.bob.publish_acked("alice", &large, 1);
    }
    others.unaffected();
}

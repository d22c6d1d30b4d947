//! CONNECTs that come too fast wait for their turn; only what would wait too long is refused.

use std::time::{Duration, Instant};

use super::support::{Broker, Client, Connect, Packet, V5, V311};

/// A connection on which CONNECT is sent and not answered yet.
fn sent(broker: &Broker, version: u8, client_id: &str) -> Client {
    let mut client = Client::silent(broker.mqtt, version);
    client.send_raw(&Connect::new(version, "alice", client_id).encode());
    client
}

/// Sends CONNECT at once on so many connections: what each is answered, in their order.
fn storm(broker: &Broker, version: u8, count: usize) -> Vec<u8> {
    let connect = |number| sent(broker, version, &format!("d{number}"));
    let mut clients: Vec<Client> = (0..count).map(connect).collect();
    let code = |client: &mut Client| match client.recv() {
        Packet::ConnAck { code, .. } => code,
        other => panic!("{other:?}"),
    };
    clients.iter_mut().map(code).collect()
}

/// Threat M6.
#[test]
fn beyond_the_rate_the_connack_comes_later() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECT_RATE", "20/s burst 2")]);
    let begun = Instant::now();
    assert_eq!(storm(&broker, V311, 12), [0; 12]);
    assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
    assert_eq!(broker.metrics("homing_connects_total", &[("result", "busy")]), 0.0);
    assert_eq!(broker.metrics("homing_connects_waiting", &[]), 0.0);
}

/// Threat M6.
#[test]
fn what_would_wait_too_long_is_told_when_to_come_back() {
    for (version, busy) in [(V311, 3), (V5, 0x89)] {
        let broker = Broker::with(&[
            ("HOMING__LIMITS__CONNECT_RATE", "2/s burst 2"),
            ("HOMING__LIMITS__CONNECT_WAIT", "1s"),
        ]);
        let codes = storm(&broker, version, 10);
        let refused = codes.iter().filter(|code| **code == busy).count();
        let accepted = codes.iter().filter(|code| **code == 0).count();
        assert_eq!(refused + accepted, 10, "{codes:?}");
        // Two at once, and those whose turn comes within the second.
        assert!((4..10).contains(&accepted), "{codes:?}");
        let busy = broker.metrics("homing_connects_total", &[("result", "busy")]);
        assert_eq!(busy, refused as f64);
        broker.log.wait_for(&["busy", "try again in"]);
    }
}

#[test]
fn mqtt_5_is_told_in_words_when_to_come_back() {
    let broker = Broker::with(&[
        ("HOMING__LIMITS__CONNECT_RATE", "1/s burst 1"),
        ("HOMING__LIMITS__CONNECT_WAIT", "1s"),
    ]);
    let mut clients: Vec<Client> =
        (0..5).map(|number| sent(&broker, V5, &format!("d{number}"))).collect();
    let refusal = |client: &mut Client| match client.recv() {
        Packet::ConnAck { code: 0x89, props, .. } => Some(props),
        _ => None,
    };
    let props = clients.iter_mut().find_map(refusal).expect("one is refused");
    let words = props.text(super::support::prop::REASON_STRING).expect("words");
    assert!(words.contains("try again in") && words.ends_with(" s"), "{words}");
}

#[test]
fn the_room_to_wait_in_is_bounded() {
    let broker = Broker::with(&[
        ("HOMING__LIMITS__CONNECT_RATE", "2/s burst 1"),
        ("HOMING__LIMITS__CONNECT_QUEUE", "2"),
    ]);
    let codes = storm(&broker, V311, 10);
    assert!(codes.contains(&0) && codes.contains(&3), "{codes:?}");
}

#[test]
fn one_address_in_a_hurry_does_not_slow_another_one() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECT_RATE_PER_IP", "1/s burst 1")]);
    let open = |last: u8, id: &str| {
        let from = std::net::Ipv4Addr::new(127, 0, 0, last).into();
        Connect::v311("alice", id).try_from(from, broker.mqtt).unwrap().1.code
    };
    let begun = Instant::now();
    assert_eq!(open(2, "one"), 0);
    // The second from the same address waits; one from elsewhere overtakes it.
    let mut slow = Client::new(
        super::support::connect::stream_from([127, 0, 0, 2].into(), broker.mqtt).unwrap(),
        V311,
        "slow",
    );
    slow.send_raw(&Connect::v311("alice", "two").encode());
    assert_eq!(open(3, "three"), 0);
    slow.recv();
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
}

//! A connection that is silent for one and a half times its keep alive is closed, and not before.

use std::time::{Duration, Instant};

use super::support::{Broker, Client, Connect, Gone, Packet, V5, V311, prop, words};

#[test]
fn a_silent_connection_is_closed_after_one_and_a_half_times() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let start = Instant::now();
        let mut phone = Connect::new(version, "alice", "phone").keep_alive(1).open(broker.mqtt);
        let seen = phone.expect_closed();
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(1450), "closed after {waited:?}");
        let told = matches!(seen.last(), Some(Packet::Disconnect { reason: 0x8D, .. }));
        assert_eq!(told, version == V5, "{seen:?}");
        broker.log.wait_for(&["alice", "phone", words::KEEP_ALIVE]);
    }
}

/// Says `packet` about every half second for twice the time after which silence is fatal.
fn stays_open(phone: &mut Client, packet: &[u8]) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3000) {
        phone.send_raw(packet);
        let beat = Instant::now() + Duration::from_millis(500);
        while let left @ 1.. = beat.saturating_duration_since(Instant::now()).as_millis() {
            match phone.try_recv(Duration::from_millis(left as u64)) {
                Ok(_) | Err(Gone::Silent) => {}
                Err(gone) => panic!("after {:?}: {gone}", start.elapsed()),
            }
        }
    }
}

#[test]
fn any_packet_keeps_it_open() {
    let broker = Broker::dev();
    let connect = |name: &str| Connect::v311("alice", name).keep_alive(1).open(broker.mqtt);
    stays_open(&mut connect("pings"), &[0xC0, 0]);
    let mut publishes = connect("publishes");
    // PUBLISH at QoS 0 to `bob`.
    stays_open(&mut publishes, &[0x30, 5, 0, 3, b'b', b'o', b'b']);
}

/// As a frozen container does. What came meanwhile is read before anybody counts as silent.
#[test]
fn a_broker_that_stood_still_ends_nobody_who_was_heard_meanwhile() {
    let broker = Broker::dev();
    let mut phone = Connect::v5("alice", "phone").keep_alive(1).open(broker.mqtt);
    for _ in 0..3 {
        broker.signal("STOP");
        phone.send_raw(&[0xC0, 0]);
        // Longer than its silence may last; nothing tells of the time of a process that is stopped.
        std::thread::sleep(Duration::from_millis(1800));
        broker.signal("CONT");
        assert!(matches!(phone.recv(), Packet::PingResp), "it was ended");
    }
}

#[test]
fn a_server_that_shortens_the_keep_alive_says_so() {
    let broker = Broker::with(&[("HOMING__LIMITS__KEEP_ALIVE_MAX", "100s")]);
    let told = |asked: u16| {
        let connect = Connect::v5("alice", "phone").keep_alive(asked);
        connect.open_with_ack(broker.mqtt).1.props.number(prop::SERVER_KEEP_ALIVE)
    };
    assert_eq!(told(1000), Some(100));
    assert_eq!(told(0), Some(100));
    assert!(matches!(told(50), None | Some(50)));
}

/// Threat N2. The connection looks alive to the system; what was written into it is not delivered
/// until it is acknowledged.
#[test]
fn what_was_sent_into_a_dead_connection_comes_again() {
    let broker = Broker::dev();
    let mut gone = Connect::v311("alice", "phone").keep_alive(1).device(broker.mqtt);
    broker.mail("alice", &["one", "two"]);
    // From here on it reads nothing, says nothing and does not close.
    broker.log.wait_for(&["alice", "phone", words::KEEP_ALIVE]);
    let mut back = broker.device("alice", "phone");
    assert_eq!(back.take_texts(2), ["one", "two"]);
    gone.expect_closed();
}

//! Chapter 3.2: what a CONNACK says, that it comes first, and that a refusal is the end.

use crate::rig::{BOTH, broker, broker_with, client, connect};
use crate::support::wire::subscribe;
use crate::support::{Broker, Client, Connect, Packet, V5, V311, Version, Will, prop};

/// What a CONNACK may say in each version, beside 0 (tables 3-1 of both).
fn refusals(version: Version) -> &'static [u8] {
    match version {
        V5 => &[
            0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
            0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        _ => &[1, 2, 3, 4, 5],
    }
}

#[test]
fn it_comes_before_everything_else() {
    let broker = broker();
    for version in BOTH {
        // A session that has something waiting, and a client that does not wait.
        let connect = connect(version, "phone").durable();
        let mut phone = connect.open(broker.mqtt);
        phone.subscribe("t", 1);
        phone.disconnect();
        client(&broker, V5, "sender").publish_acked("t", "waiting", 1);
        let mut phone = Client::silent(broker.mqtt, version);
        let behind = [subscribe(version, 9, "u", 0), vec![0xC0, 0]].concat();
        phone.send_raw(&[connect.encode(), behind].concat());
        let first = phone.recv();
        assert!(
            matches!(first, Packet::ConnAck { session_present: true, code: 0, .. }),
            "{first:?}"
        );
        phone.take();
        connect.clean(true).open(broker.mqtt).disconnect();
    }
}

#[test]
fn there_is_one_for_a_connection() {
    let broker = broker();
    for version in BOTH {
        let connect = connect(version, "phone").encode();
        let mut phone = Client::silent(broker.mqtt, version);
        phone.send_raw(&connect.repeat(2));
        let seen = phone.expect_closed();
        let connacks = seen.iter().filter(|packet| matches!(packet, Packet::ConnAck { .. }));
        assert_eq!(connacks.count(), 1, "{seen:?}");
    }
}

#[test]
fn a_refusal_has_no_session() {
    let broker = Broker::dev();
    for version in BOTH {
        let connect = Connect::new(version, "alice", &format!("phone-{version}")).durable();
        connect.open(broker.mqtt).disconnect();
        let (mut refused, ack) = connect.password("wrong").try_open(broker.mqtt).expect("CONNACK");
        assert!(!ack.session_present && ack.code != 0, "{ack:?}");
        refused.expect_closed();
    }
}

#[test]
fn refusals_are_of_the_table_and_close_the_connection() {
    let broker = broker_with(&[("HOMING__ACL__RULES", r#"[{ deny = "all", topic = "secret" }]"#)]);
    for version in BOTH {
        let will = |topic: &str| Connect::new(version, "alice", "a").will(Will::new(topic, "x", 0));
        let mut all = vec![
            ("a user that cannot be", Connect::new(version, "a/b", "a")),
            ("a client id that cannot be", Connect::new(version, "alice", &"x".repeat(300))),
            ("a will that is not allowed", will("secret")),
            ("no such version", Connect::new(9, "alice", "a")),
        ];
        if version == V5 {
            let no_text = Will { payload: vec![0xFF], ..Will::new("t", "", 0) };
            let announced = no_text.prop(prop::byte(prop::PAYLOAD_FORMAT, 1));
            all.push(("a will that is no text", connect(V5, "a").will(announced)));
            let method = prop::text(prop::AUTHENTICATION_METHOD, "x");
            all.push(("an unknown method", connect(V5, "a").prop(method)));
        }
        for (what, connect) in all {
            let code = connect.refused(broker.mqtt);
            let of_version = if connect.version == 9 { V311 } else { version };
            assert!(refusals(of_version).contains(&code), "{what}: {code:#04x}");
        }
    }
}

/// So no client ever meets a lower maximum QoS, or a server that keeps nothing.
#[test]
fn every_qos_and_retained_messages_are_served() {
    let broker = broker();
    for version in BOTH {
        for qos in [0, 1, 2] {
            let will = Will::new("will", "x", qos).retain();
            let (mut phone, ack) = connect(version, "phone").will(will).open_with_ack(broker.mqtt);
            assert_eq!(ack.props.number(prop::MAXIMUM_QOS), None);
            assert_ne!(ack.props.number(prop::RETAIN_AVAILABLE), Some(0));
            assert_eq!(phone.subscribe("t", qos), qos);
            phone.publish_acked("t", "x", qos);
            assert_eq!(phone.take().qos, qos);
        }
    }
}

#[test]
fn assigned_client_ids_are_nobody_elses() {
    let broker = broker();
    let mut seen = std::collections::HashSet::new();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let (client, ack) = Connect::v5("alice", "").open_with_ack(broker.mqtt);
        let assigned = ack.props.text(prop::ASSIGNED_CLIENT_ID).expect("an assigned client id");
        assert!(!assigned.is_empty() && seen.insert(assigned));
        clients.push(client);
    }
    clients.iter_mut().for_each(Client::ping);
}

#[test]
fn words_are_for_clients_that_take_them() {
    let broker = Broker::dev();
    let told = |bytes: u32| {
        let limit = prop::u32(prop::MAXIMUM_PACKET_SIZE, bytes);
        let wrong = Connect::v5("alice", "phone").prop(limit).password("wrong");
        let (mut client, ack) = wrong.try_open(broker.mqtt).expect("CONNACK");
        client.expect_closed();
        assert_eq!(ack.code, 0x86);
        ack.props
    };
    assert!(told(4096).text(prop::REASON_STRING).is_some());
    // Neither a reason string nor user properties.
    assert_eq!(told(20).0, []);
}

#[test]
fn without_a_server_keep_alive_the_clients_own_holds() {
    let broker = broker();
    let start = std::time::Instant::now();
    let (mut phone, ack) = connect(V5, "phone").keep_alive(1).open_with_ack(broker.mqtt);
    assert_eq!(ack.props.number(prop::SERVER_KEEP_ALIVE), None);
    assert_eq!(phone.expect_disconnect(), 0x8D);
    assert!(start.elapsed() >= std::time::Duration::from_millis(1490), "{:?}", start.elapsed());
}

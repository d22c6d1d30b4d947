//! Chapter 3.1: who comes in, with which session, and what a CONNECT may look like.

use crate::rig::{
    BOTH, Raw, broker, broker_with, client, connect, expect_nothing_before_a_marker, is_closed_for,
    is_no_connect,
};
use crate::support::client::message;
use crate::support::connect::ConnAck;
use crate::support::wire::{
    packet, properties, publish, string, subscribe, subscribe_to, unsubscribe,
};
use crate::support::{Broker, Client, Connect, Packet, V5, V311, Version, Will, prop};

/// A CONNECT of these flags around these fields: it is good if they are.
fn with_flags(version: Version, flags: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    let head = [&string("MQTT")[..], &[version, flags, 0, 60], &properties(version, &[])].concat();
    packet(0x10, &[head, fields.concat()].concat())
}

#[test]
fn a_second_connect_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        let mut twice = client(&broker, version, &format!("twice-{version}"));
        let again = connect(version, &format!("twice-{version}")).encode();
        is_closed_for(&mut twice, &again, 0x82, "a second CONNECT");
    }
}

#[test]
fn a_wrong_protocol_name_is_refused() {
    let broker = broker();
    for version in BOTH {
        for name in ["", "mqtt", "MQTTX", "MQIsdp", "HTTP"] {
            let rest =
                [&[version, 2, 0, 60][..], &properties(version, &[]), &string("id")].concat();
            let bytes = packet(0x10, &[string(name), rest].concat());
            is_no_connect(&broker, version, &bytes, name);
        }
    }
}

#[test]
fn a_reserved_flag_is_refused() {
    let broker = broker();
    for version in BOTH {
        let bytes = with_flags(version, 0x83, &[string("id"), string("alice")]);
        is_no_connect(&broker, version, &bytes, "reserved");
    }
}

// -- the session ----------------------------------------------------------------------------------

#[test]
fn without_clean_start_a_session_begins_where_there_is_none() {
    let broker = broker();
    for version in BOTH {
        let connect = connect(version, &format!("phone-{version}")).durable();
        let (mut phone, ack) = connect.open_with_ack(broker.mqtt);
        assert!(!ack.session_present);
        phone.subscribe("t", 1);
        phone.disconnect();
        assert!(connect.open_with_ack(broker.mqtt).1.session_present);
    }
}

#[test]
fn the_client_id_tells_sessions_apart() {
    let broker = broker();
    for version in BOTH {
        let connect = |id: &str| Connect::new(version, "alice", id).durable();
        let mut phone = connect("phone").open(broker.mqtt);
        phone.subscribe("t", 1);
        phone.disconnect();
        let (mut desk, ack) = connect("desk").open_with_ack(broker.mqtt);
        assert!(!ack.session_present);
        desk.publish_acked("t", "for the phone", 1);
        desk.expect_silence();
        assert_eq!(connect("phone").open(broker.mqtt).take_text(), "for the phone");
        connect("phone").clean(true).open(broker.mqtt).disconnect();
        connect("desk").clean(true).open(broker.mqtt).disconnect();
    }
}

#[test]
fn two_users_with_one_client_id_have_a_session_each() {
    let broker = broker();
    for version in BOTH {
        let mut alice = Connect::new(version, "alice", "phone").open(broker.mqtt);
        let mut bob = Connect::new(version, "bob", "phone").open(broker.mqtt);
        alice.ping();
        bob.ping();
    }
}

#[test]
fn usual_client_ids_are_taken() {
    let broker = broker();
    for version in BOTH {
        let all = ["0", "abcdefghijklmnopqrstuvw", "xyzABCDEFGHIJKLMNOPQRST", "UVWXYZ0123456789"];
        for id in all {
            Connect::new(version, "alice", id).open(broker.mqtt).ping();
        }
    }
}

#[test]
fn an_assigned_client_id_is_as_good_as_an_own_one() {
    let broker = broker();
    let nameless = Connect::v5("alice", "").prop(prop::session_expiry(3600));
    let (mut first, ack) = nameless.open_with_ack(broker.mqtt);
    first.subscribe("t", 1);
    first.disconnect();
    let assigned = ack.props.text(prop::ASSIGNED_CLIENT_ID).expect("an assigned client id");
    client(&broker, V5, "sender").publish_acked("t", "waiting", 1);
    let named = Connect::v5("alice", &assigned).durable();
    let (mut again, ack) = named.open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    assert_eq!(ack.props.text(prop::ASSIGNED_CLIENT_ID), None);
    assert_eq!(again.take_text(), "waiting");
}

#[test]
fn a_client_id_that_cannot_be_is_refused() {
    let broker = broker();
    for (version, code) in [(V311, 2), (V5, 0x85)] {
        for id in ["x".repeat(257), "line\nbreak".into()] {
            let refused = Connect::new(version, "alice", &id).refused(broker.mqtt);
            assert_eq!(refused, code, "{id}");
        }
    }
}

// -- the payload and its flags --------------------------------------------------------------------

#[test]
fn flags_and_fields_have_to_agree() {
    let broker = broker();
    for version in BOTH {
        let id = || string("id");
        let will = || [properties(version, &[]), string("t"), string("x")].concat();
        let user = || string("alice");
        let good = [
            (0x82, vec![id(), user()]),
            (0x86, vec![id(), will(), user()]),
            (0xC2, vec![id(), user(), string("p")]),
        ];
        for (flags, fields) in good {
            let mut client = Client::silent(broker.mqtt, version);
            client.send_raw(&with_flags(version, flags, &fields));
            assert!(matches!(client.recv(), Packet::ConnAck { code: 0, .. }), "{flags:#04x}");
        }
        let all = [
            ("no client id", 0x02, vec![]),
            ("a will flag and no will", 0x06, vec![id()]),
            ("half a will", 0x06, vec![id(), properties(version, &[]), string("t")]),
            ("a will and no will flag", 0x82, vec![id(), will(), user()]),
            ("a user name flag and no user name", 0x82, vec![id()]),
            ("a user name and no user name flag", 0x02, vec![id(), user()]),
            ("a password flag and no password", 0xC2, vec![id(), user()]),
            ("a password and no password flag", 0x82, vec![id(), user(), string("p")]),
            ("something behind the password", 0xC2, vec![id(), user(), id(), id()]),
        ];
        for (what, flags, fields) in all {
            is_no_connect(&broker, version, &with_flags(version, flags, &fields), what);
        }
    }
}

#[test]
fn a_password_alone_is_for_mqtt_5_only() {
    let broker = broker();
    let fields = [string("id"), string("password")];
    let mut client = Client::silent(broker.mqtt, V311);
    client.send_raw(&with_flags(V311, 0x42, &fields));
    assert_eq!(client.expect_closed(), []);
}

#[test]
fn will_bits_without_a_will_are_refused() {
    let broker = broker();
    for version in BOTH {
        for flags in [0x08, 0x10, 0x18, 0x20, 0x28] {
            let bytes = with_flags(version, 0x82 | flags, &[string("id"), string("alice")]);
            is_no_connect(&broker, version, &bytes, &format!("flags {flags:#04x}"));
        }
    }
}

#[test]
fn a_will_of_qos_3_is_refused() {
    let broker = broker();
    for version in BOTH {
        let will = [properties(version, &[]), string("t"), string("x")].concat();
        let bytes = with_flags(version, 0x9E, &[string("id"), will, string("alice")]);
        is_no_connect(&broker, version, &bytes, "a will of QoS 3");
    }
}

#[test]
fn the_fields_are_read_in_their_order() {
    let broker = Broker::dev();
    for version in BOTH {
        let mut watcher = Connect::v5("bob", "desk").open(broker.mqtt);
        watcher.subscribe("home/will", 1);
        let will = Will::new("home/will", "last words", 1).prop(prop::user("name", "value"));
        // The password proves that what stands before it was read as it is.
        let connect = Connect::new(version, "alice", "phone").will(will);
        assert_eq!(connect.clone().password("another").try_open(broker.mqtt).unwrap().1.code, {
            if version == V5 { 0x86 } else { 4 }
        });
        connect.open(broker.mqtt).cut();
        let will = watcher.take();
        assert_eq!((will.topic.as_str(), will.text()), ("home/will", "last words"));
        assert_eq!(will.props.user("name"), (version == V5).then_some("value"));
    }
}

/// Each of these is one property, or two, that an MQTT 5 CONNECT cannot have.
#[test]
fn properties_that_cannot_be_are_refused() {
    let broker = broker();
    let twice = |property: Vec<u8>| property.repeat(2);
    let all = [
        ("receive maximum 0", prop::u16(prop::RECEIVE_MAXIMUM, 0)),
        ("maximum packet size 0", prop::u32(prop::MAXIMUM_PACKET_SIZE, 0)),
        ("a yes or no of 2", prop::byte(prop::REQUEST_PROBLEM_INFORMATION, 2)),
        ("a yes or no of 2", prop::byte(prop::REQUEST_RESPONSE_INFORMATION, 2)),
        ("data without a method", prop::text(prop::AUTHENTICATION_DATA, "x")),
        ("session expiry twice", twice(prop::session_expiry(1))),
        ("receive maximum twice", twice(prop::u16(prop::RECEIVE_MAXIMUM, 1))),
        ("topic alias maximum twice", twice(prop::u16(prop::TOPIC_ALIAS_MAXIMUM, 1))),
        ("a property of PUBLISH", prop::u32(prop::MESSAGE_EXPIRY, 1)),
        ("an unknown property", prop::byte(0x7F, 1)),
    ];
    for (what, property) in all {
        let bytes = connect(V5, "liar").prop(property).encode();
        is_no_connect(&broker, V5, &bytes, what);
    }
    let will_delay_twice = prop::u32(prop::WILL_DELAY, 1).repeat(2);
    let will = Will::new("t", "x", 0).prop(will_delay_twice);
    is_no_connect(&broker, V5, &connect(V5, "liar").will(will).encode(), "will delay twice");
}

// -- refusal --------------------------------------------------------------------------------------

#[test]
fn what_comes_behind_a_refused_connect_is_not_looked_at() {
    let broker = Broker::dev();
    for version in BOTH {
        let mut watcher = Connect::new(version, "bob", "desk").open(broker.mqtt);
        watcher.subscribe("home/#", 1);
        let will = Will::new("home/will", "of a stranger", 1);
        let refused = Connect::new(version, "alice", "phone").password("wrong").will(will);
        let mut stranger = Client::silent(broker.mqtt, version);
        let behind = publish(version, &message("home/x", "of a stranger", 1, 1), &[]);
        stranger.send_raw(&[refused.encode(), behind].concat());
        assert_eq!(stranger.expect_closed().len(), 1, "CONNACK alone");
        expect_nothing_before_a_marker(&mut watcher, "home/x");
        watcher.disconnect();
    }
}

// -- what the client takes ------------------------------------------------------------------------

fn limited(broker: &Broker, version: Version, bytes: u32) -> Client {
    let limit = prop::u32(prop::MAXIMUM_PACKET_SIZE, bytes);
    connect(version, "narrow").prop(limit).open(broker.mqtt)
}

#[test]
fn a_message_larger_than_the_client_takes_counts_as_sent() {
    let broker = broker();
    for qos in [0, 1, 2] {
        let maximum = prop::u32(prop::MAXIMUM_PACKET_SIZE, 60);
        let connect = connect(V5, "narrow").durable().prop(maximum);
        let one_at_a_time = prop::u16(prop::RECEIVE_MAXIMUM, 1);
        let mut narrow = connect.clone().prop(one_at_a_time).open(broker.mqtt);
        narrow.subscribe("t", 2);
        let mut sender = client(&broker, V5, "sender");
        sender.publish_acked("t", "x".repeat(100), qos);
        sender.publish_acked("t", "small", qos);
        // The large one holds no place in the window, and does not come again.
        assert_eq!(narrow.take_text(), "small");
        narrow.expect_silence();
        narrow.disconnect();
        connect.open(broker.mqtt).expect_silence();
        connect.clean(true).open(broker.mqtt).disconnect();
    }
}

/// A packet of exactly the maximum is sent, one byte more is not.
#[test]
fn no_packet_is_larger_than_the_client_takes() {
    let broker = broker();
    let mut narrow = limited(&broker, V5, 60);
    narrow.subscribe("t", 0);
    let mut sender = client(&broker, V5, "sender");
    // Two bytes of fixed header, three of the topic, one of no properties.
    sender.publish_acked("t", "x".repeat(55), 0);
    sender.publish_acked("t", "x".repeat(54), 0);
    assert_eq!(narrow.take().payload.len(), 54);
    // A SUBACK of 70 codes cannot be sent; the client hears why there is none.
    let filters: Vec<(String, u8)> = (0..70).map(|n| (format!("f/{n}"), 0)).collect();
    let filters: Vec<(&str, u8)> = filters.iter().map(|(f, o)| (f.as_str(), *o)).collect();
    narrow.send_raw(&subscribe_to(V5, 7, &filters, &[]));
    assert_eq!(narrow.expect_disconnect(), 0x95);
}

/// Neither the words nor the code of a refusal are larger than the client takes.
#[test]
fn a_connack_larger_than_the_client_takes_is_not_sent() {
    let broker = Broker::dev();
    let tiny = |bytes: u32| {
        let limit = prop::u32(prop::MAXIMUM_PACKET_SIZE, bytes);
        Connect::v5("alice", "phone").prop(limit)
    };
    let sent = |connect: &Connect| -> Vec<Packet> {
        let mut client = Client::silent(broker.mqtt, V5);
        client.send_raw(&connect.encode());
        client.expect_closed()
    };
    let refusal = |seen: &[Packet]| match seen {
        [Packet::ConnAck { code, props, .. }] => (*code, props.0.len()),
        _ => panic!("{seen:?}"),
    };
    // Its own limits do not fit: the CONNACK of five bytes says so, one of four cannot.
    assert_eq!(refusal(&sent(&tiny(5))), (0x95, 0));
    assert_eq!(sent(&tiny(4)), []);
    assert_eq!(refusal(&sent(&tiny(5).password("wrong"))), (0x86, 0));
    assert_eq!(sent(&tiny(4).password("wrong")), []);
    // With room there are words, and 60 bytes take the limits.
    let (code, properties) = refusal(&sent(&tiny(4096).password("wrong")));
    assert_eq!((code, properties), (0x86, 1));
    tiny(60).open(broker.mqtt).ping();
}

#[test]
fn topics_get_no_more_aliases_than_the_client_takes() {
    let broker = broker_with(&[("HOMING__LIMITS__TOPIC_ALIASES", "16")]);
    let maximum = prop::u16(prop::TOPIC_ALIAS_MAXIMUM, 2);
    let mut phone = connect(V5, "phone").prop(maximum).open(broker.mqtt);
    phone.subscribe("news/#", 0);
    let mut sender = client(&broker, V5, "sender");
    let mut topics: Vec<String> = vec![String::new(); 3];
    for round in 0..3 {
        for name in ["news/one", "news/two", "news/three"] {
            sender.publish_acked(name, "x", 0);
            let publish = phone.take();
            match publish.props.number(prop::TOPIC_ALIAS) {
                Some(alias @ (1 | 2)) if publish.topic.is_empty() => {
                    assert_eq!(topics[alias as usize], name, "round {round}");
                }
                Some(alias @ (1 | 2)) => topics[alias as usize] = publish.topic.clone(),
                None => assert_eq!(publish.topic, name),
                alias => panic!("alias {alias:?}"),
            }
        }
    }
    assert_eq!(topics, ["", "news/one", "news/two"]);
}

#[test]
fn without_a_topic_alias_maximum_there_are_no_aliases() {
    let broker = broker();
    let zero = connect(V5, "zero").prop(prop::u16(prop::TOPIC_ALIAS_MAXIMUM, 0));
    for connect in [zero, connect(V5, "absent")] {
        let mut phone = connect.open(broker.mqtt);
        phone.subscribe("news/long", 0);
        for _ in 0..3 {
            phone.publish("news/long", "x", 0);
            let publish = phone.take();
            assert_eq!(publish.topic, "news/long");
            assert_eq!(publish.props.number(prop::TOPIC_ALIAS), None);
        }
    }
}

#[test]
fn response_information_is_for_those_who_ask() {
    let broker = broker();
    let told = |asks: Option<u8>| {
        let mut connect = connect(V5, "asker");
        if let Some(asks) = asks {
            connect = connect.prop(prop::byte(prop::REQUEST_RESPONSE_INFORMATION, asks));
        }
        let ConnAck { props, .. } = connect.open_with_ack(broker.mqtt).1;
        props.text(prop::RESPONSE_INFORMATION)
    };
    assert_eq!(told(None), None);
    assert_eq!(told(Some(0)), None);
    assert_eq!(told(Some(1)), Some("u/asker".into()));
}

#[test]
fn reasons_are_told_in_words_unless_the_client_wants_none() {
    let rules = r#"[{ deny = "all", topic = "secret/#" }]"#;
    let broker = broker_with(&[("HOMING__ACL__RULES", rules)]);
    for (wants, has_words) in [(None, true), (Some(1), true), (Some(0), false)] {
        let mut connect = connect(V5, "reader");
        if let Some(wants) = wants {
            connect = connect.prop(prop::byte(prop::REQUEST_PROBLEM_INFORMATION, wants));
        }
        let mut reader = connect.open(broker.mqtt);
        reader.send_raw(&subscribe(V5, 1, "secret/a", 1));
        let Packet::SubAck { codes, props, .. } = reader.recv() else { panic!() };
        assert_eq!((codes, props.text(prop::REASON_STRING).is_some()), (vec![0x87], has_words));
        reader.publish("secret/a", "x", 1);
        let Packet::PubAck { reason, props, .. } = reader.recv() else { panic!() };
        assert_eq!((reason, props.text(prop::REASON_STRING).is_some()), (0x87, has_words));
    }
    // Without words nothing is left but the codes: SUBACK, PUBACK, PUBREC, PUBCOMP, UNSUBACK.
    let none = prop::byte(prop::REQUEST_PROBLEM_INFORMATION, 0);
    let mut raw = Raw::open(&broker, &connect(V5, "raw").prop(none));
    raw.connack();
    let body = [&string("secret/a")[..], &[0, 7], &properties(V5, &[])].concat();
    raw.answers(&subscribe(V5, 7, "secret/a", 1), b"\x90\x04\x00\x07\x00\x87");
    raw.answers(&packet(0x32, &body), b"\x40\x03\x00\x07\x87");
    raw.answers(&packet(0x34, &body), b"\x50\x03\x00\x07\x87");
    raw.answers(b"\x62\x02\x00\x07", b"\x70\x03\x00\x07\x92");
    raw.answers(&unsubscribe(V5, 7, "secret/a"), b"\xB0\x04\x00\x07\x00\x11");
}

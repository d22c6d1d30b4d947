//! What MQTT 3.1.1 alone demands: its return codes, clean session, the RETAIN flag, and what it
//! does where MQTT 5 has a reason code to say.

use crate::rig;
use crate::support::client::message;
use crate::support::wire::{packet, string};
use crate::support::{Client, Connect, Packet, Publish, V311, Will};

fn connect(client_id: &str) -> Connect {
    rig::connect(V311, client_id)
}

/// A CONNECT at this protocol level, with these flags and this payload.
fn raw_connect(level: u8, flags: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    packet(0x10, &[string("MQTT"), vec![level, flags, 0, 60], fields.concat()].concat())
}

#[test]
fn a_protocol_level_that_is_not_served_is_answered_with_1() {
    let broker = rig::broker();
    for level in [0, 2, 6, 127] {
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(&raw_connect(level, 2, &[string("c")]));
        let seen = client.expect_closed();
        let told = matches!(seen[..], [Packet::ConnAck { session_present: false, code: 1, .. }]);
        assert!(told, "level {level}: {seen:?}");
    }
}

#[test]
fn a_connect_that_does_not_conform_is_closed_without_a_word() {
    let broker = rig::broker();
    let id = || string("c");
    let broken = [
        ("a reserved flag", raw_connect(4, 0x03, &[id()])),
        ("another protocol", [&[0x10, 13][..], &string("HTTP"), &[4, 2, 0, 60], &id()].concat()),
        ("no client id", raw_connect(4, 0x02, &[])),
        ("a client id that is no UTF-8", raw_connect(4, 0x02, &[string([0xFF])])),
        ("no user name", raw_connect(4, 0x82, &[id()])),
        ("a password without a user name", raw_connect(4, 0x42, &[id(), string("p")])),
        ("a will of QoS 3", raw_connect(4, 0x1E, &[id(), string("t"), string("x")])),
        ("will bits without a will", raw_connect(4, 0x2A, &[id()])),
        ("no will", raw_connect(4, 0x06, &[id()])),
        ("bytes behind it", raw_connect(4, 0x02, &[id(), id()])),
    ];
    for (what, bytes) in broken {
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(&bytes);
        assert_eq!(client.expect_closed(), [], "{what}");
    }
}

#[test]
fn an_empty_client_id_needs_a_clean_session() {
    let broker = rig::broker();
    let nameless = Connect::v311("somebody", "");
    assert_eq!(nameless.clone().clean(false).refused(broker.mqtt), 2);
    // Two of them do not meet: each has an id of its own.
    let mut first = nameless.open(broker.mqtt);
    first.subscribe("t", 1);
    let mut second = nameless.open(broker.mqtt);
    second.publish_acked("t", "x", 1);
    assert_eq!(first.take_text(), "x");
    second.expect_silence();
}

#[test]
fn a_clean_session_takes_nothing_over_and_leaves_nothing() {
    let broker = rig::broker();
    let mut client = connect("c").clean(false).open(broker.mqtt);
    client.subscribe("t", 1);
    client.disconnect();
    let mut post = rig::client(&broker, V311, "post");
    post.publish_acked("t", "for the old one", 1);

    let (mut clean, ack) = connect("c").clean(true).open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    clean.subscribe("u", 1);
    post.publish_acked("t", "for the old one", 1);
    clean.expect_silence();
    clean.disconnect();

    let (mut client, ack) = connect("c").clean(false).open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    post.publish_acked("t", "for nobody", 1);
    post.publish_acked("u", "for nobody", 1);
    client.expect_silence();
}

#[test]
fn session_present_says_whether_there_was_one() {
    let broker = rig::broker();
    let present = |clean: bool| {
        let (client, ack) = connect("c").clean(clean).open_with_ack(broker.mqtt);
        client.disconnect();
        ack.session_present
    };
    let asked = [false, false, true, false, false, true, true];
    let told = [false, true, false, false, true, false, false];
    assert_eq!(asked.map(present), told);
}

#[test]
fn retained_messages_outlive_the_session_that_sent_them() {
    let broker = rig::broker();
    let mut client = connect("c").clean(true).open(broker.mqtt);
    rig::retain(&mut client, "state", "kept");
    client.disconnect();
    connect("c").clean(true).open(broker.mqtt).disconnect();
    let mut other = rig::client(&broker, V311, "other");
    other.subscribe("state", 1);
    assert_eq!(other.take_text(), "kept");
}

#[test]
fn a_retained_message_of_qos_0_discards_the_one_before() {
    let broker = rig::broker();
    let mut post = rig::client(&broker, V311, "post");
    rig::retain(&mut post, "state", "before");
    let message = Publish { retain: true, ..message("state", "behind", 0, 0) };
    post.send_publish(&message, &[]);
    // Committed behind it; nothing acknowledges a message of QoS 0.
    rig::retain(&mut post, "another", "barrier");
    let mut late = rig::client(&broker, V311, "late");
    late.subscribe("state", 1);
    assert_eq!(late.take_text(), "behind");
    late.expect_silence();
}

#[test]
fn the_retain_flag_is_for_new_subscriptions_alone() {
    let broker = rig::broker();
    let mut here = rig::client(&broker, V311, "here");
    here.subscribe("state", 1);
    let mut post = rig::client(&broker, V311, "post");
    rig::retain(&mut post, "state", "on");
    let live = here.take();
    assert_eq!((live.text(), live.retain), ("on", false));
    let mut late = rig::client(&broker, V311, "late");
    late.subscribe("state", 1);
    let kept = late.take();
    assert_eq!((kept.text(), kept.retain), ("on", true));
}

/// 3.1.1 cannot say that a message was not allowed: it must not be acknowledged as if it was taken.
#[test]
fn a_publish_that_is_not_allowed_closes_the_connection_and_reaches_nobody() {
    let rule = r#"[{ deny = "publish", topic = "closed", user = "c" }]"#;
    let broker = rig::broker_with(&[("HOMING__ACL__RULES", rule)]);
    let mut watcher = rig::client(&broker, V311, "watcher");
    watcher.subscribe("closed", 1);
    for qos in [1, 2] {
        let mut client = rig::client(&broker, V311, "c");
        client.publish("closed", "no", qos);
        assert_eq!(client.expect_closed(), [], "QoS {qos}");
    }
    let mut client = rig::client(&broker, V311, "c");
    client.publish("closed", "no", 0);
    client.ping();
    watcher.publish_acked("closed", "yes", 1);
    assert_eq!(watcher.take_text(), "yes");
}

#[test]
fn a_second_connection_ends_the_first() {
    let broker = rig::broker();
    let mut first = connect("c").will(Will::new("t", "x", 0)).open(broker.mqtt);
    let mut second = connect("c").open(broker.mqtt);
    assert_eq!(first.expect_closed(), []);
    second.ping();
}

#[test]
fn a_good_connect_is_answered_with_0() {
    let broker = rig::broker();
    for clean in [true, false] {
        let (mut client, ack) = connect("c").clean(clean).open_with_ack(broker.mqtt);
        assert_eq!(ack.code, 0);
        client.ping();
    }
}

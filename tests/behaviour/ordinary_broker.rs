//! With inboxes under `u/`, open logins and open rules, homing is an ordinary MQTT broker: any
//! topic, any client id, no user name.

use std::time::{Duration, Instant};

use super::support::client::message;
use super::support::wire::{self, Props, Value};
use super::support::{
    Broker, Client, Connect, Packet, Publish, V5, V311, Version, Will, prop, wait_until,
};

const SUBSCRIPTION_ID: u8 = 0x0B;

fn client(broker: &Broker, version: Version, client_id: &str) -> Client {
    Connect::anonymous(version, client_id).open(broker.mqtt)
}

/// Publishes with RETAIN and QoS 1, and waits for the acknowledgement.
fn retain(client: &mut Client, topic: &str, payload: &str) {
    let id = client.next_id();
    client.send_publish(&Publish { retain: true, ..message(topic, payload, 1, id) }, &[]);
    assert_eq!(client.expect_puback(id), 0, "{topic}");
}

/// Both at once, in this order.
fn subscribe_two(client: &mut Client, filters: [(&str, u8); 2]) -> Vec<u8> {
    let id = client.next_id();
    let mut body = id.to_be_bytes().to_vec();
    body.extend(wire::properties(client.version, &[]));
    for (filter, options) in filters {
        body.extend(wire::string(filter));
        body.push(options);
    }
    client.send_raw(&wire::packet(0x82, &body));
    client.recv_first("SUBACK", |packet| match packet {
        Packet::SubAck { id: found, codes, .. } if *found == id => Some(codes.clone()),
        _ => None,
    })
}

fn unsubscribe_codes(client: &mut Client, filter: &str) -> Vec<u8> {
    let id = client.next_id();
    client.send_raw(&wire::unsubscribe(client.version, id, filter));
    client.recv_first("UNSUBACK", |packet| match packet {
        Packet::UnsubAck { id: found, codes } if *found == id => Some(codes.clone()),
        _ => None,
    })
}

#[test]
fn topics_of_every_shape_carry_messages_of_every_qos() {
    let broker = Broker::ordinary();
    let (slashes, long) = ("/".repeat(200), "x".repeat(10_000));
    let topics = [
        "a",
        "/",
        "//",
        "a/",
        "/a",
        "a//b",
        "TopicA",
        "topic with spaces",
        " ",
        "主题/聊天",
        "u",
        "U/bob",
        "$dollar/a",
        "$SYSTEM/a",
        &slashes,
        &long,
    ];
    for version in [V311, V5] {
        let mut receiver = client(&broker, version, "receiver");
        let mut sender = client(&broker, version, "sender");
        for topic in topics {
            assert_eq!(receiver.subscribe(topic, 2), 2, "{topic}");
            for qos in [0, 1, 2] {
                sender.publish_acked(topic, "hello", qos);
                let got = receiver.take();
                assert_eq!((got.topic.as_str(), got.text(), got.qos), (topic, "hello", qos));
            }
            receiver.unsubscribe(topic);
        }
    }
}

#[test]
fn wildcards_match_as_the_standard_says() {
    let broker = Broker::ordinary();
    let topics = ["TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA", "/", "$dollar/C"];
    for (filter, expected) in [
        ("TopicA/+", &["TopicA/B", "TopicA/C"][..]),
        ("+/C", &["Topic/C", "TopicA/C"]),
        ("#", &["TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA", "/"]),
        ("/#", &["/TopicA", "/"]),
        ("/+", &["/TopicA", "/"]),
        ("+/+", &["TopicA/B", "Topic/C", "TopicA/C", "/TopicA", "/"]),
        ("TopicA/#", &["TopicA", "TopicA/B", "TopicA/C"]),
        ("+", &["TopicA"]),
        ("$dollar/+", &["$dollar/C"]),
    ] {
        let mut receiver = client(&broker, V311, "receiver");
        let mut sender = client(&broker, V5, "sender");
        receiver.subscribe(filter, 1);
        topics.iter().for_each(|topic| sender.publish_acked(topic, "", 1));
        let got: Vec<String> = expected.iter().map(|_| receiver.take().topic).collect();
        assert_eq!(got, expected, "{filter}");
        receiver.expect_silence();
    }
}

#[test]
fn retained_messages_wait_on_topics_of_every_shape_until_they_are_cleared() {
    let broker = Broker::ordinary();
    let topics = ["/", "/TopicA", "TopicA", "TopicA/B", "topic with spaces"];
    let mut sender = client(&broker, V311, "sender");
    topics.iter().for_each(|topic| retain(&mut sender, topic, "kept"));
    retain(&mut sender, "$dollar/a", "kept");
    for version in [V311, V5] {
        let mut receiver = client(&broker, version, "receiver");
        assert_eq!(receiver.subscribe("#", 1), 1);
        let mut got: Vec<Publish> = topics.iter().map(|_| receiver.take()).collect();
        got.sort_by(|a, b| a.topic.cmp(&b.topic));
        assert!(got.iter().all(|one| one.retain && one.text() == "kept"), "{got:?}");
        assert_eq!(got.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>(), topics);
        receiver.expect_silence();
    }
    topics.iter().for_each(|topic| retain(&mut sender, topic, ""));
    let mut receiver = client(&broker, V311, "receiver");
    receiver.subscribe("#", 1);
    receiver.expect_silence();
}

#[test]
fn a_client_that_matches_twice_gets_one_copy_with_the_highest_qos() {
    let broker = Broker::ordinary();
    for version in [V311, V5] {
        let mut receiver = client(&broker, version, "receiver");
        let codes = subscribe_two(&mut receiver, [("TopicA/#", 2), ("TopicA/+", 1)]);
        assert_eq!(codes, [2, 1]);
        client(&broker, version, "sender").publish_acked("TopicA/C", "once", 2);
        let got = receiver.take();
        assert_eq!((got.text(), got.qos), ("once", 2));
        receiver.expect_silence();
    }
}

#[test]
fn a_forbidden_filter_is_refused_and_the_one_beside_it_granted() {
    let broker = Broker::ordinary();
    for (version, code) in [(V311, 0x80), (V5, 0x87)] {
        let mut receiver = client(&broker, version, "receiver");
        let codes = subscribe_two(&mut receiver, [("test/nosubscribe", 2), ("test/other", 1)]);
        assert_eq!(codes, [code, 1]);
        receiver.ping();
    }
}

#[test]
fn unsubscribing_says_whether_there_was_a_subscription() {
    let broker = Broker::ordinary();
    let mut receiver = client(&broker, V5, "receiver");
    receiver.subscribe("a", 0);
    assert_eq!(unsubscribe_codes(&mut receiver, "a"), [0]);
    assert_eq!(unsubscribe_codes(&mut receiver, "a"), [0x11]);
    assert_eq!(unsubscribe_codes(&mut receiver, "never/+"), [0x11]);
}

#[test]
fn an_empty_client_id_is_taken_where_nothing_is_to_be_kept() {
    let broker = Broker::ordinary();
    assert_eq!(Connect::anonymous(V311, "").clean(false).refused(broker.mqtt), 2);
    let (mut one, mut two) = (client(&broker, V311, ""), client(&broker, V311, ""));
    one.subscribe("news", 1);
    two.subscribe("news", 1);
    let (mut sender, ack) = Connect::anonymous(V5, "").open_with_ack(broker.mqtt);
    let assigned = ack.props.text(prop::ASSIGNED_CLIENT_ID).expect("an assigned client id");
    sender.publish_acked("news", "hello", 1);
    assert_eq!((one.take_text(), two.take_text()), ("hello".into(), "hello".into()));
    // Whoever was given a name can come back with it.
    drop(sender);
    let (durable, ack) = Connect::anonymous(V5, "").durable().open_with_ack(broker.mqtt);
    let name = ack.props.text(prop::ASSIGNED_CLIENT_ID).expect("an assigned client id");
    assert_ne!(name, assigned);
    durable.disconnect();
    let again = Connect::anonymous(V5, &name).durable().open_with_ack(broker.mqtt).1;
    assert!(again.session_present);
}

#[test]
fn hundreds_of_clients_are_there_at_once() {
    let broker = Broker::ordinary();
    let name = |number: usize| format!("client {number}");
    let mut all: Vec<Client> = (0..300).map(|n| client(&broker, V311, &name(n))).collect();
    all.iter_mut().for_each(|client| _ = client.subscribe("all", 1));
    client(&broker, V5, "sender").publish_acked("all", "hello", 1);
    for client in &mut all {
        assert_eq!(client.take_text(), "hello");
    }
}

#[test]
fn the_server_tells_its_keep_alive() {
    let broker = Broker::ordinary();
    for (asked, told) in [(120, Some(60)), (0, Some(60)), (60, None), (10, None)] {
        let connect = Connect::anonymous(V5, "phone").keep_alive(asked);
        let (_, ack) = connect.open_with_ack(broker.mqtt);
        assert_eq!(ack.props.number(prop::SERVER_KEEP_ALIVE), told, "asked for {asked}");
    }
}

#[test]
fn messages_wait_for_a_durable_session_and_come_in_order() {
    let broker = Broker::ordinary();
    for version in [V311, V5] {
        let session = Connect::anonymous(version, "receiver").durable();
        let mut receiver = session.open(broker.mqtt);
        receiver.subscribe("+/+", 2);
        receiver.disconnect();
        let mut sender = client(&broker, version, "sender");
        for (topic, qos) in [("TopicA/B", 1), ("Topic/C", 2), ("TopicA/C", 1)] {
            sender.publish_acked(topic, topic, qos);
        }
        let (mut receiver, ack) = session.open_with_ack(broker.mqtt);
        assert!(ack.session_present);
        assert_eq!(receiver.take_texts(3), ["TopicA/B", "Topic/C", "TopicA/C"]);
        receiver.disconnect();
        client(&broker, version, "receiver").disconnect();
        assert!(!session.open_with_ack(broker.mqtt).1.session_present);
    }
}

/// What is in flight when a client goes comes again with its packet id and DUP, by both QoS.
#[test]
fn what_was_not_acknowledged_comes_again() {
    let broker = Broker::ordinary();
    for version in [V311, V5] {
        let session = Connect::anonymous(version, "receiver").durable();
        let mut receiver = session.open(broker.mqtt);
        receiver.subscribe("TopicA/#", 2);
        receiver.publish("TopicA/B", "one", 1);
        receiver.publish("TopicA/C", "two", 2);
        let first = [receiver.expect_publish(), receiver.expect_publish()];
        receiver.disconnect();
        let mut receiver = session.open(broker.mqtt);
        for before in first {
            let again = receiver.take();
            assert!(again.dup && !before.dup, "{again:?}");
            assert_eq!(
                (again.id, again.payload, again.qos),
                (before.id, before.payload, before.qos)
            );
        }
        receiver.disconnect();
        client(&broker, version, "receiver").disconnect();
    }
}

#[test]
fn a_will_is_sent_for_a_lost_connection_also_retained() {
    let broker = Broker::ordinary();
    let mut watcher = client(&broker, V311, "watcher");
    watcher.subscribe("/TopicA", 2);
    for version in [V311, V5] {
        let will = || Will::new("/TopicA", "gone", 2);
        Connect::anonymous(version, "phone").will(will()).open(broker.mqtt).disconnect();
        watcher.expect_silence();
        Connect::anonymous(version, "phone").will(will()).open(broker.mqtt).cut();
        let got = watcher.take();
        assert_eq!((got.text(), got.qos, got.retain), ("gone", 2, false));
    }
}

#[test]
fn a_delayed_will_is_dropped_by_a_return_and_sent_at_the_end_of_the_session() {
    const WILL_DELAY: u8 = 0x18;
    let broker = Broker::ordinary();
    let mut watcher = client(&broker, V311, "watcher");
    watcher.subscribe("state", 1);
    let leaver = |delay, expiry| {
        let will = Will { props: prop::u32(WILL_DELAY, delay), ..Will::new("state", "gone", 1) };
        let props = prop::session_expiry(expiry);
        Connect::anonymous(V5, "phone").clean(false).prop(props).will(will)
    };
    leaver(3600, 3600).open(broker.mqtt).cut();
    wait_until("its end", || (broker.metrics("homing_connections", &[]) == 1.0).then_some(()));
    leaver(3600, 3600).open(broker.mqtt).disconnect();
    watcher.expect_silence();
    // The session ends before the delay does.
    leaver(3600, 1).open(broker.mqtt).cut();
    assert_eq!(watcher.take_text(), "gone");
}

#[test]
fn a_message_that_waits_loses_its_time_and_goes_when_that_is_over() {
    let broker = Broker::ordinary();
    let session = Connect::anonymous(V5, "receiver").durable();
    let mut receiver = session.open(broker.mqtt);
    receiver.subscribe("news", 2);
    receiver.disconnect();
    let mut sender = client(&broker, V5, "sender");
    for (text, qos, secs) in [("short", 1, 1), ("short too", 2, 1), ("long", 1, 3600)] {
        sender.publish_acked_with("news", text, qos, &prop::u32(prop::MESSAGE_EXPIRY, secs));
    }
    let published = Instant::now();
    let second = Duration::from_millis(1100);
    wait_until("the second to pass", || (published.elapsed() > second).then_some(()));
    let mut receiver = session.open(broker.mqtt);
    let got = receiver.take();
    assert_eq!(got.text(), "long");
    let left = got.props.number(prop::MESSAGE_EXPIRY).expect("what is left");
    assert!((1..3600).contains(&left), "{left}");
}

#[test]
fn properties_pass_unaltered_and_in_order() {
    let broker = Broker::ordinary();
    let mut receiver = client(&broker, V5, "receiver");
    receiver.subscribe("news", 2);
    let props = [
        vec![0x01, 1],
        [&[0x03][..], &wire::string("text/plain")].concat(),
        [&[0x08][..], &wire::string("reply/to")].concat(),
        [&[0x09][..], &wire::string([0, 255])].concat(),
        prop::user("c", "3"),
        prop::user("a", "2"),
        prop::user("c", "1"),
    ];
    for qos in [0, 1, 2] {
        client(&broker, V5, "sender").publish_acked_with("news", "hello", qos, &props.concat());
        let got = receiver.take().props.0;
        let pair = |name: &str, value: &str| Value::Pair(name.into(), value.into());
        let expected = [
            (0x01, Value::Number(1)),
            (0x03, Value::Bytes(b"text/plain".to_vec())),
            (0x08, Value::Bytes(b"reply/to".to_vec())),
            (0x09, Value::Bytes(vec![0, 255])),
        ];
        for one in expected {
            assert!(got.contains(&one), "{one:?} is not in {got:?}");
        }
        let pairs: Vec<_> = got.iter().filter(|(code, _)| *code == 0x26).collect();
        let expected = [pair("c", "3"), pair("a", "2"), pair("c", "1")];
        assert!(pairs.into_iter().map(|(_, value)| value).eq(&expected), "{got:?}");
    }
}

/// An indicator of 0 means the same as none, and is passed on even so [MQTT-3.3.2-4].
#[test]
fn what_a_payload_is_said_to_be_is_passed_on() {
    let broker = Broker::ordinary();
    let mut sender = client(&broker, V5, "sender");
    let mut receiver = Connect::anonymous(V5, "receiver").durable().open(broker.mqtt);
    receiver.subscribe("news", 2);
    for said in [0, 1] {
        for qos in [0, 1, 2] {
            let props = prop::byte(prop::PAYLOAD_FORMAT, said);
            sender.publish_acked_with("news", "hello", qos, &props);
            let got = receiver.take();
            assert_eq!(got.props.number(prop::PAYLOAD_FORMAT), Some(said.into()), "{qos}");
        }
    }
    sender.publish_acked("news", "hello", 1);
    assert_eq!(receiver.take().props.number(prop::PAYLOAD_FORMAT), None);
}

#[test]
fn subscription_options_hold() {
    const NO_LOCAL: u8 = 0x04;
    const RETAIN_AS_PUBLISHED: u8 = 0x08;
    let broker = Broker::ordinary();
    let (mut one, mut two) = (client(&broker, V5, "one"), client(&broker, V5, "two"));
    one.subscribe("topic", 1 | NO_LOCAL);
    two.subscribe("topic", 1 | NO_LOCAL | RETAIN_AS_PUBLISHED);
    retain(&mut one, "topic", "from one");
    let got = two.take();
    assert_eq!((got.text(), got.retain), ("from one", true));
    retain(&mut two, "topic", "from two");
    let got = one.take();
    assert_eq!((got.text(), got.retain), ("from two", false));
    one.expect_silence();
    two.expect_silence();
    // Retain handling 1: for a new subscription alone; 2: never.
    for (options, copies) in [(0x10, 0), (0x20, 0), (0x00, 1)] {
        one.subscribe("topic", options);
        (0..copies).for_each(|_| assert_eq!(one.take_text(), "from two"));
        one.expect_silence();
    }
}

#[test]
fn subscription_identifiers_come_with_what_matches() {
    let broker = Broker::ordinary();
    let mut receiver = client(&broker, V5, "receiver");
    for (filter, number) in [("TopicA/+", 456_789), ("TopicA/#", 2)] {
        let id = receiver.next_id();
        let mut body = id.to_be_bytes().to_vec();
        let props = [&[SUBSCRIPTION_ID][..], &wire::varint(number)].concat();
        body.extend(wire::properties(V5, &props));
        body.extend(wire::string(filter));
        body.push(1);
        receiver.send_raw(&wire::packet(0x82, &body));
        let granted = |packet: &Packet| matches!(packet, Packet::SubAck { .. }).then_some(());
        receiver.recv_first("SUBACK", granted);
    }
    client(&broker, V5, "sender").publish_acked("TopicA/B", "hello", 1);
    let got = receiver.take().props.0;
    let ids = got.iter().filter(|(code, _)| *code == SUBSCRIPTION_ID).map(|(_, id)| id);
    let mut ids: Vec<String> = ids.map(|id| format!("{id:?}")).collect();
    ids.sort();
    assert_eq!(ids, ["Number(2)", "Number(456789)"]);
}

#[test]
fn packets_larger_than_either_side_takes_are_refused_or_left_out() {
    let broker = Broker::ordinary_with(&[("HOMING__LIMITS__PACKET", "2KiB")]);
    let small = prop::u32(prop::MAXIMUM_PACKET_SIZE, 200);
    let (mut receiver, ack) =
        Connect::anonymous(V5, "receiver").prop(small).open_with_ack(broker.mqtt);
    assert_eq!(ack.props.number(prop::MAXIMUM_PACKET_SIZE), Some(2048));
    receiver.subscribe("news", 1);
    let mut sender = client(&broker, V5, "sender");
    sender.publish_acked("news", "x".repeat(1000), 1);
    sender.publish_acked("news", "small", 1);
    assert_eq!(receiver.take_text(), "small");
    sender.publish("news", "x".repeat(3000), 1);
    assert_eq!(sender.expect_disconnect(), 0x95);
}

#[test]
fn receive_maximum_is_kept_by_the_server_and_asked_of_the_client() {
    let broker = Broker::ordinary();
    let two = prop::u16(prop::RECEIVE_MAXIMUM, 2);
    let (mut receiver, ack) =
        Connect::anonymous(V5, "receiver").prop(two).open_with_ack(broker.mqtt);
    receiver.subscribe("news", 2);
    let mut sender = client(&broker, V5, "sender");
    (0..10).for_each(|number| sender.publish_acked("news", number.to_string(), 2));
    let first = [receiver.expect_publish(), receiver.expect_publish()];
    receiver.expect_silence();
    for publish in first {
        receiver.pubrec(publish.id);
        receiver.expect_pubrel(publish.id);
        receiver.pubcomp(publish.id);
    }
    assert_eq!(receiver.take_texts(8), ["2", "3", "4", "5", "6", "7", "8", "9"]);
    let max = ack.props.number(prop::RECEIVE_MAXIMUM).unwrap_or(65_535);
    (0..=max).for_each(|number| _ = sender.publish("news", number.to_string(), 2));
    assert_eq!(sender.expect_disconnect(), 0x93);
}

#[test]
fn topic_aliases_stand_for_their_topics_both_ways() {
    const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    let broker = Broker::ordinary();
    let ten = prop::u16(TOPIC_ALIAS_MAXIMUM, 10);
    let mut receiver = Connect::anonymous(V5, "receiver").prop(ten).open(broker.mqtt);
    receiver.subscribe("TopicA", 1);
    let (mut sender, ack) = Connect::anonymous(V5, "sender").open_with_ack(broker.mqtt);
    assert!(ack.props.number(TOPIC_ALIAS_MAXIMUM).is_some_and(|max| max > 0));
    let alias = prop::u16(prop::TOPIC_ALIAS, 1);
    sender.publish_acked_with("TopicA", "one", 1, &alias);
    sender.publish_acked_with("", "two", 1, &alias);
    let (one, two) = (receiver.take(), receiver.take());
    assert_eq!((one.topic.as_str(), one.text()), ("TopicA", "one"));
    assert_eq!((two.topic.as_str(), two.text()), ("", "two"));
    assert_eq!(one.props.number(prop::TOPIC_ALIAS), two.props.number(prop::TOPIC_ALIAS));
    sender.publish_with("TopicA", "zero", 1, &prop::u16(prop::TOPIC_ALIAS, 0));
    assert!([0x82, 0x94].contains(&sender.expect_disconnect()));
}

#[test]
fn users_with_names_are_served_beside_and_have_their_inboxes() {
    let broker = Broker::ordinary();
    let mut alice = broker.device_v5("alice", "phone");
    let mut nobody = client(&broker, V311, "phone");
    nobody.subscribe("#", 1);
    alice.publish_acked("TopicA", "plain", 1);
    assert_eq!(nobody.take_text(), "plain");
    nobody.publish_acked("u/alice", "mail", 1);
    assert_eq!(alice.take_text(), "mail");
    nobody.expect_silence();
}

#[test]
fn a_publish_to_the_servers_own_topics_is_refused() {
    let broker = Broker::ordinary();
    let mut sender = client(&broker, V5, "sender");
    let id = sender.publish("$SYS/broker/uptime", "0", 1);
    assert_eq!(sender.expect_puback(id), 0x87);
}

/// MQTT 5, section 3.1.2.11.7.
#[test]
fn reason_strings_come_only_to_who_takes_them() {
    const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    let broker = Broker::ordinary();
    for takes in [true, false] {
        let asks = vec![REQUEST_PROBLEM_INFORMATION, u8::from(takes)];
        let mut sender = Connect::anonymous(V5, "sender").prop(asks).open(broker.mqtt);
        let id = sender.publish("$SYS/mine", "forged", 1);
        let told = sender.recv_first("PUBACK", |packet| match packet {
            Packet::PubAck { id: found, props, .. } if *found == id => Some(props.clone()),
            _ => None,
        });
        assert_eq!(told.text(prop::REASON_STRING).is_some(), takes);
        sender.send_raw(&wire::subscribe(V5, 99, "test/nosubscribe", 0));
        let told = sender.recv_first("SUBACK", |packet| match packet {
            Packet::SubAck { id: 99, props, .. } => Some(props.clone()),
            _ => None,
        });
        assert_eq!(told.text(prop::REASON_STRING).is_some(), takes);
    }
}

#[test]
fn a_retained_message_published_just_before_the_subscription_comes_as_retained() {
    let broker = Broker::ordinary();
    for (version, qos) in [(V311, 0), (V311, 1), (V5, 0), (V5, 2)] {
        let mut client = client(&broker, version, "both");
        let id = if qos > 0 { client.next_id() } else { 0 };
        let kept = Publish { retain: true, ..message("state", "on", qos, id) };
        let subscribe = wire::subscribe(version, 77, "state", 0);
        client.send_raw(&[wire::publish(version, &kept, &[]), subscribe].concat());
        match qos {
            0 => {}
            1 => assert_eq!(client.expect_puback(id), 0),
            _ => assert_eq!(client.expect_pubrec(id), 0),
        }
        assert!(matches!(client.recv(), Packet::SubAck { id: 77, .. }));
        let got = client.take();
        assert!(got.retain, "{got:?}");
        client.expect_silence();
    }
}

/// The first message to a session has packet id 1, as clients of other brokers are used to.
#[test]
fn packet_ids_of_plain_topics_begin_at_1() {
    let broker = Broker::ordinary();
    for connect in [Connect::anonymous(V311, "a"), Connect::anonymous(V5, "b").durable()] {
        let mut receiver = connect.open(broker.mqtt);
        receiver.subscribe("news", 1);
        let mut sender = client(&broker, V311, "sender");
        (0..3).for_each(|_| sender.publish_acked("news", "hello", 1));
        assert_eq!([1, 2, 3], [(); 3].map(|()| receiver.take().id));
    }
}

/// MQTT 5, section 4.3.3: what does not belong to the QoS of a message is a protocol error.
#[test]
fn an_answer_that_does_not_belong_to_the_message_ends_the_connection() {
    type Answer = fn(&mut Client, u16);
    let wrong: [(u8, Answer); 4] =
        [(1, Client::pubrec), (1, Client::pubcomp), (2, Client::puback), (2, Client::pubcomp)];
    let broker = Broker::ordinary();
    let mut sender = client(&broker, V311, "sender");
    for connect in [Connect::anonymous(V5, "a"), Connect::anonymous(V5, "b").durable()] {
        for (qos, answer) in wrong {
            let mut receiver = connect.open(broker.mqtt);
            assert_eq!(receiver.subscribe("news", qos), qos);
            sender.publish_acked("news", "hello", qos);
            let id = receiver.expect_publish().id;
            answer(&mut receiver, id);
            assert_eq!(receiver.expect_disconnect(), 0x82);
            Connect::anonymous(V5, &connect.client_id).open(broker.mqtt).disconnect();
        }
    }
}

/// MQTT 3.1 is 3.1.1 but for its name, the client id that it needs, and the byte of session
/// present, which is reserved there.
#[test]
fn clients_of_mqtt_3_1_are_served() {
    let broker = Broker::ordinary();
    let connect = |client_id: &str, flags: u8| {
        let mut body = [&wire::string("MQIsdp")[..], &[3, flags, 0, 60]].concat();
        body.extend(wire::string(client_id));
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(&wire::packet(0x10, &body));
        let answer = client.recv();
        (client, answer)
    };
    let connack = |code| Packet::ConnAck { session_present: false, code, props: Props::default() };
    for _ in 0..2 {
        let (mut durable, answer) = connect("old", 0);
        assert_eq!(answer, connack(0));
        durable.subscribe("news", 1);
        client(&broker, V5, "sender").publish_acked("news", "hello", 1);
        assert_eq!(durable.take_text(), "hello");
    }
    assert_eq!(connect("", 2).1, connack(2));
}

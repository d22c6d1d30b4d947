//! Chapter 3.3: what a PUBLISH carries, whom it reaches, and what stays.

use crate::rig::{BOTH, broker, broker_with, client, connect, is_closed_for, retain};
use crate::support::client::{duplicate, message};
use crate::support::wire::{self, Props, Value, packet, properties, string};
use crate::support::{Broker, Client, Publish, V5, V311, prop};

const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_IF_NEW: u8 = 0x10;
const RETAIN_NEVER: u8 = 0x20;

// -- the flags ------------------------------------------------------------------------------------

#[test]
fn a_qos_0_message_never_is_a_duplicate() {
    let broker = broker();
    for version in BOTH {
        let mut liar = client(&broker, version, &format!("liar-{version}"));
        let again = wire::publish(version, &duplicate("t", "x", 0, 0), &[]);
        is_closed_for(&mut liar, &again, 0x82, "DUP at QoS 0");
        let mut phone = client(&broker, version, "phone");
        phone.subscribe("t", 0);
        phone.publish_acked("t", "x", 2);
        let publish = phone.take();
        assert_eq!((publish.qos, publish.dup), (0, false));
    }
}

#[test]
fn a_resend_to_the_server_is_no_duplicate_for_others() {
    let broker = broker();
    for version in BOTH {
        let mut phone = client(&broker, version, "phone");
        phone.subscribe("t", 2);
        // The server has never heard of the first attempt.
        let mut sender = client(&broker, version, &format!("sender-{version}"));
        for qos in [1, 2] {
            sender.send_publish(&duplicate("t", "x", qos, 7), &[]);
            let publish = phone.take();
            assert_eq!((publish.qos, publish.dup), (qos, false));
        }
    }
}

#[test]
fn qos_3_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        for (number, first) in [0x36, 0x37, 0x3E, 0x3F].into_iter().enumerate() {
            let body = [&string("t")[..], &[0, 1], &properties(version, &[])].concat();
            let mut liar = client(&broker, version, &format!("liar-{version}-{number}"));
            is_closed_for(&mut liar, &packet(first, &body), 0x81, "QoS 3");
        }
    }
}

// -- retained messages ----------------------------------------------------------------------------

/// What a subscription with these options is sent at once. Subscriptions are served in their order,
/// so what is retained as `end` comes behind it.
fn retained(client: &mut Client, filter: &str, options: u8) -> Vec<(String, bool)> {
    let granted = client.subscribe(filter, options);
    assert_eq!(granted, options & 0x03);
    client.subscribe("end", 1);
    let next = || Some(client.take()).filter(|publish| publish.topic != "end");
    let all = std::iter::from_fn(next);
    all.map(|publish| (publish.text().to_owned(), publish.retain)).collect()
}

/// Somebody who comes when all is published.
fn late(broker: &Broker, version: u8) -> Client {
    retain(&mut client(broker, version, "post"), "end", "end");
    client(broker, version, "late")
}

#[test]
fn a_retained_message_takes_the_place_of_the_last_one() {
    let broker = broker();
    for version in BOTH {
        let mut sender = client(&broker, version, "sender");
        retain(&mut sender, "state", "old");
        retain(&mut sender, "state", "new");
        assert_eq!(retained(&mut late(&broker, version), "state", 1), [("new".into(), true)]);
    }
}

#[test]
fn an_empty_one_removes_it_and_is_not_kept() {
    let broker = broker();
    for version in BOTH {
        let mut watcher = client(&broker, version, "watcher");
        watcher.subscribe("state", 1);
        let mut sender = client(&broker, version, "sender");
        retain(&mut sender, "state", "on");
        retain(&mut sender, "state", "");
        // Those who are there get it as any other message.
        assert_eq!(watcher.take_text(), "on");
        let empty = watcher.take();
        assert_eq!((empty.payload.len(), empty.retain), (0, false));
        assert_eq!(retained(&mut late(&broker, version), "state", 1), []);
    }
}

#[test]
fn a_message_that_is_not_retained_leaves_the_retained_one() {
    let broker = broker();
    for version in BOTH {
        let mut sender = client(&broker, version, "sender");
        retain(&mut sender, "state", "kept");
        sender.publish_acked("state", "passing", 1);
        sender.publish_acked("state", "", 1);
        sender.publish_acked("other", "passing", 1);
        let mut late = late(&broker, version);
        assert_eq!(retained(&mut late, "state", 1), [("kept".into(), true)]);
        assert_eq!(retained(&mut late, "other", 1), []);
    }
}

#[test]
fn retain_handling_says_which_subscriptions_get_them() {
    let broker = broker();
    let mut sender = client(&broker, V5, "sender");
    retain(&mut sender, "a/1", "one");
    retain(&mut sender, "a/2", "two");
    let both = || vec![("one".to_owned(), true), ("two".to_owned(), true)];
    let sorted = |mut all: Vec<(String, bool)>| {
        all.sort();
        all
    };
    let mut phone = late(&broker, V5);
    // 0: each time.
    assert_eq!(sorted(retained(&mut phone, "a/+", 1)), both());
    assert_eq!(sorted(retained(&mut phone, "a/+", 1)), both());
    // 1: only if there was no such subscription.
    assert_eq!(retained(&mut phone, "a/+", 1 | RETAIN_IF_NEW), []);
    phone.unsubscribe("a/+");
    assert_eq!(sorted(retained(&mut phone, "a/+", 1 | RETAIN_IF_NEW)), both());
    // 2: never.
    phone.unsubscribe("a/+");
    assert_eq!(retained(&mut phone, "a/+", 1 | RETAIN_NEVER), []);
    assert_eq!(retained(&mut phone, "a/#", 1 | RETAIN_NEVER), []);
}

#[test]
fn retain_as_published_keeps_the_flag() {
    let broker = broker();
    let mut plain = client(&broker, V5, "plain");
    plain.subscribe("t", 1);
    let mut faithful = client(&broker, V5, "faithful");
    faithful.subscribe("t", 1 | RETAIN_AS_PUBLISHED);
    let mut sender = client(&broker, V5, "sender");
    retain(&mut sender, "t", "x");
    sender.publish_acked("t", "x", 1);
    let flags = |client: &mut Client| [client.take().retain, client.take().retain];
    assert_eq!(flags(&mut plain), [false, false]);
    assert_eq!(flags(&mut faithful), [true, false]);
    // 3.1.1 knows no such option.
    let mut old = client(&broker, V311, "old");
    retain(&mut sender, "u", "x");
    old.subscribe("v", 1);
    retain(&mut sender, "v", "x");
    assert!(!old.take().retain);
}

// -- the topic ------------------------------------------------------------------------------------

#[test]
fn a_publish_needs_a_topic() {
    let broker = broker();
    for version in BOTH {
        let mut nowhere = client(&broker, version, &format!("nowhere-{version}"));
        let bytes = wire::publish(version, &message("", "x", 0, 0), &[]);
        is_closed_for(&mut nowhere, &bytes, 0x82, "no topic");
    }
}

#[test]
fn a_topic_with_a_wildcard_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        for (number, topic) in ["#", "+", "a/#", "a/+/b", "a#", "a+"].into_iter().enumerate() {
            let mut liar = client(&broker, version, &format!("liar-{version}-{number}"));
            let bytes = wire::publish(version, &message(topic, "x", 0, 0), &[]);
            is_closed_for(&mut liar, &bytes, 0x90, topic);
        }
    }
}

// -- topic aliases --------------------------------------------------------------------------------

/// A PUBLISH at QoS 1 by this alias.
fn by_alias(client: &mut Client, topic: &str, alias: u16) -> u16 {
    client.publish_with(topic, "x", 1, &prop::u16(prop::TOPIC_ALIAS, alias))
}

#[test]
fn every_alias_up_to_the_announced_maximum_is_taken() {
    let broker = broker_with(&[("HOMING__LIMITS__TOPIC_ALIASES", "300")]);
    let (mut sender, ack) = connect(V5, "sender").open_with_ack(broker.mqtt);
    assert_eq!(ack.props.number(prop::TOPIC_ALIAS_MAXIMUM), Some(300));
    let mut phone = client(&broker, V5, "phone");
    phone.subscribe("t/#", 0);
    let aliases: Vec<u16> = (1..=300).rev().collect();
    for topic in [true, false] {
        for alias in &aliases {
            let name = if topic { format!("t/{alias}") } else { String::new() };
            let id = by_alias(&mut sender, &name, *alias);
            assert_eq!(sender.expect_puback(id), 0);
            assert_eq!(phone.take().topic, format!("t/{alias}"));
        }
    }
    // It may be given another topic.
    let id = by_alias(&mut sender, "t/new", 300);
    assert_eq!(sender.expect_puback(id), 0);
    by_alias(&mut sender, "", 300);
    assert_eq!([phone.take().topic, phone.take().topic], ["t/new", "t/new"]);
}

#[test]
fn an_alias_of_zero_or_above_the_maximum_closes_the_connection() {
    let broker = broker();
    for (number, alias) in [0, 17, u16::MAX].into_iter().enumerate() {
        let mut liar = client(&broker, V5, &format!("liar-{number}"));
        by_alias(&mut liar, "t", alias);
        assert_eq!(liar.expect_disconnect(), 0x94, "alias {alias}");
    }
}

#[test]
fn aliases_end_with_their_connection() {
    let broker = broker();
    let connect = connect(V5, "sender").durable();
    let mut sender = connect.open(broker.mqtt);
    let id = by_alias(&mut sender, "t", 1);
    assert_eq!(sender.expect_puback(id), 0);
    sender.disconnect();
    let (mut sender, ack) = connect.open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    by_alias(&mut sender, "", 1);
    assert_eq!(sender.expect_disconnect(), 0x82);
    // The server's aliases, too: a topic is named again on the next connection.
    let connect = connect.clean(true).prop(prop::u16(prop::TOPIC_ALIAS_MAXIMUM, 1));
    for _ in 0..2 {
        let mut phone = connect.open(broker.mqtt);
        phone.subscribe("a/topic", 0);
        let topics = [0, 1].map(|_| {
            phone.publish("a/topic", "x", 0);
            phone.take().topic
        });
        assert_eq!(topics, ["a/topic", ""]);
    }
}

// -- the properties -------------------------------------------------------------------------------

/// Everything that goes from the publisher to every subscriber.
fn luggage() -> Vec<u8> {
    let parts = [
        prop::user("b", "1"),
        prop::byte(prop::PAYLOAD_FORMAT, 1),
        prop::text(prop::RESPONSE_TOPIC, "answers/here"),
        prop::user("a", "2"),
        prop::text(prop::CORRELATION_DATA, [0, 0xFF, 7]),
        prop::user("", ""),
        prop::text(prop::CONTENT_TYPE, "text/plain; ж"),
        prop::user("b", "1"),
    ];
    parts.concat()
}

fn is_unaltered(props: &Props) {
    assert_eq!(props.number(prop::PAYLOAD_FORMAT), Some(1));
    assert_eq!(props.text(prop::RESPONSE_TOPIC).as_deref(), Some("answers/here"));
    assert_eq!(props.text(prop::CONTENT_TYPE).as_deref(), Some("text/plain; ж"));
    let correlation = (prop::CORRELATION_DATA, Value::Bytes(vec![0, 0xFF, 7]));
    assert!(props.0.contains(&correlation), "{props:?}");
    assert_eq!(props.pairs(), [("b", "1"), ("a", "2"), ("", ""), ("b", "1")]);
}

#[test]
fn what_a_message_carries_arrives_unaltered() {
    let broker = broker();
    let away = connect(V5, "away").durable();
    let mut phone = away.open(broker.mqtt);
    phone.subscribe("t", 2);
    phone.disconnect();
    let mut live = client(&broker, V5, "live");
    live.subscribe("t", 0);
    let mut sender = client(&broker, V5, "sender");
    let id = sender.next_id();
    let publish = Publish { retain: true, ..message("t", "text", 1, id) };
    sender.send_publish(&publish, &luggage());
    assert_eq!(sender.expect_puback(id), 0);
    is_unaltered(&live.take().props);
    is_unaltered(&away.open(broker.mqtt).take().props);
    let mut late = client(&broker, V5, "late");
    late.subscribe("t", 1);
    is_unaltered(&late.take().props);
    // Who speaks 3.1.1 gets the message without.
    let mut old = client(&broker, V311, "old");
    old.subscribe("t", 1);
    assert_eq!(old.take_text(), "text");
}

#[test]
fn a_response_topic_is_a_topic_name() {
    let broker = broker();
    for (number, topic) in ["a/#", "+", "a/+/b"].into_iter().enumerate() {
        let mut liar = client(&broker, V5, &format!("liar-{number}"));
        let response = prop::text(prop::RESPONSE_TOPIC, topic);
        let bytes = wire::publish(V5, &message("t", "x", 0, 0), &response);
        is_closed_for(&mut liar, &bytes, 0x90, topic);
    }
}

/// One second is the shortest expiry there is; the server counts what it removes.
#[test]
fn what_waits_longer_than_its_expiry_is_not_delivered() {
    let broker = broker_with(&[("HOMING__STORE__SWEEP_INTERVAL", "100ms")]);
    let away = connect(V5, "away").durable();
    let mut phone = away.open(broker.mqtt);
    phone.subscribe("t/+", 1);
    phone.disconnect();
    let mut sender = client(&broker, V5, "sender");
    let expiry = |seconds| prop::u32(prop::MESSAGE_EXPIRY, seconds);
    sender.publish_acked_with("t/short", "short", 1, &expiry(1));
    sender.publish_acked_with("t/long", "long", 1, &expiry(100));
    sender.publish_acked("t/ever", "ever", 1);
    broker.wait_for_removed("expired", 1);
    let mut phone = away.open(broker.mqtt);
    let (long, ever) = (phone.take(), phone.take());
    assert_eq!((long.text(), ever.text()), ("long", "ever"));
    // More than a second it has waited.
    let left = long.props.number(prop::MESSAGE_EXPIRY).expect("an expiry");
    assert!((30..=99).contains(&left), "{left}");
    assert_eq!(ever.props.number(prop::MESSAGE_EXPIRY), None);
    phone.expect_silence();
}

#[test]
fn a_client_may_not_send_a_subscription_identifier() {
    let broker = broker();
    let mut liar = client(&broker, V5, "liar");
    let bytes = wire::publish(V5, &message("t", "x", 0, 0), &prop::subscription_id(1));
    is_closed_for(&mut liar, &bytes, 0x82, "a subscription identifier");
}

// -- delivery -------------------------------------------------------------------------------------

#[test]
fn overlapping_subscriptions_deliver_at_their_highest_qos() {
    let broker = broker();
    for version in BOTH {
        let mut phone = client(&broker, version, "phone");
        let filters = [("a/b", 0), ("a/+", 2), ("a/#", 1)];
        assert_eq!(phone.subscribe_to(&filters, &[]), [0, 2, 1]);
        let mut sender = client(&broker, version, "sender");
        for qos in [0, 1, 2] {
            sender.publish_acked("a/b", "x", qos);
            assert_eq!(phone.take().qos, qos);
        }
        // One copy of each.
        phone.expect_silence();
    }
}

#[test]
fn a_message_names_all_subscriptions_that_it_matches() {
    let broker = broker();
    let mut phone = client(&broker, V5, "phone");
    phone.subscribe_to(&[("a/b", 0)], &prop::subscription_id(1));
    phone.subscribe_to(&[("a/+", 1), ("c", 1)], &prop::subscription_id(268_435_455));
    phone.subscribe("#", 2);
    let ids = |publish: &Publish| {
        let id = |(code, value): &(u8, Value)| match value {
            Value::Number(id) if *code == prop::SUBSCRIPTION_ID => Some(*id),
            _ => None,
        };
        let mut ids: Vec<u32> = publish.props.0.iter().filter_map(id).collect();
        ids.sort_unstable();
        ids
    };
    let mut sender = client(&broker, V5, "sender");
    let expected: [(&str, &[u32]); 4] =
        [("a/b", &[1, 268_435_455]), ("a/c", &[268_435_455]), ("c", &[268_435_455]), ("d", &[])];
    for (topic, expected) in expected {
        sender.publish_acked(topic, "x", 2);
        let publish = phone.take();
        assert_eq!((publish.topic.as_str(), ids(&publish)), (topic, expected.to_vec()));
        phone.expect_silence();
    }
}

#[test]
fn the_answer_is_as_the_qos_demands() {
    let broker = broker();
    for version in BOTH {
        let mut sender = client(&broker, version, "sender");
        let ids: Vec<u16> = [0, 1, 2].iter().map(|qos| sender.publish("t", "x", *qos)).collect();
        sender.send_raw(&[0xC0, 0]);
        // In their order; nothing for QoS 0.
        assert_eq!(sender.expect_puback(ids[1]), 0);
        assert_eq!(sender.expect_pubrec(ids[2]), 0);
        sender.pubrel(ids[2]);
        assert_eq!(sender.expect_pubcomp(ids[2]), 0);
        sender.ping();
    }
}

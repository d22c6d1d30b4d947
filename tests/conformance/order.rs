//! Message ordering (MQTT 5, section 4.6).

use std::collections::BTreeMap;

use crate::packets;
use crate::rig::{self, BOTH};
use crate::support::client::message;
use crate::support::{Client, Packet, Publish, V5, Version};

const COUNT: usize = 60;

/// From two senders, at all QoS, on two topics, all at once: for each of them in its order.
#[test]
fn messages_of_one_sender_topic_and_qos_come_in_their_order() {
    let broker = rig::broker();
    for version in BOTH {
        let name = format!("c{version}");
        for connect in [rig::connect(version, &name), rig::connect(version, &name).durable()] {
            let mut client = connect.open(broker.mqtt);
            client.subscribe("t/#", 2);
            let names = ["one", "two"];
            let mut senders = names.map(|name| rig::client(&broker, version, name));
            let sent = [0, 1].map(|which| send_all(&mut senders[which], names[which]));
            senders.iter_mut().zip(sent).for_each(|(sender, ids)| complete(sender, ids));
            let mut last = BTreeMap::new();
            for _ in 0..2 * COUNT {
                let publish = client.take();
                let (sender, number) = publish.text().split_once(' ').expect("two words");
                let number: usize = number.parse().expect("a number");
                let before =
                    last.insert((sender.to_owned(), publish.topic.clone(), publish.qos), number);
                assert!(before < Some(number), "{number} behind {before:?}");
            }
            client.disconnect();
        }
    }
}

/// Does not wait for any answer; QoS and id of each that is to be answered.
fn send_all(sender: &mut Client, name: &str) -> Vec<(u8, u16)> {
    let publish = |number: usize| {
        let qos = (number / 2 % 3) as u8;
        (qos, sender.publish(&format!("t/{}", number % 2), format!("{name} {number}"), qos))
    };
    (0..COUNT).map(publish).filter(|(qos, _)| *qos > 0).collect()
}

fn complete(sender: &mut Client, ids: Vec<(u8, u16)>) {
    for (qos, id) in ids {
        match qos {
            1 => assert_eq!(sender.expect_puback(id), 0),
            _ => {
                assert_eq!(sender.expect_pubrec(id), 0);
                sender.pubrel(id);
                assert_eq!(sender.expect_pubcomp(id), 0);
            }
        }
    }
}

/// What the server answers to what comes at once, in the order in which it came.
fn answers(client: &mut Client, count: usize) -> Vec<(&'static str, u16)> {
    let answer = |packet| match packet {
        Packet::PubAck { id, .. } => ("PUBACK", id),
        Packet::PubRec { id, .. } => ("PUBREC", id),
        Packet::PubComp { id, .. } => ("PUBCOMP", id),
        Packet::PubRel { id, .. } => ("PUBREL", id),
        other => panic!("{other:?}"),
    };
    (0..count).map(|_| answer(client.recv())).collect()
}

/// Topics whose messages are acknowledged at once (nobody wants them, they are refused), and others
/// that have to be stored first: for a session that is away, for inboxes, as a retained message.
const TOPICS: [&str; 6] = ["t", "stored", "closed", "u/bob", "u/carol", "kept"];

fn publish_to(client: &mut Client, topic: &str, qos: u8) -> u16 {
    let id = client.next_id();
    client.send_publish(&Publish { retain: topic == "kept", ..message(topic, "x", qos, id) }, &[]);
    id
}

#[test]
fn acknowledgements_come_in_the_order_of_the_messages() {
    let rule = r#"[{ deny = "publish", topic = "closed" }]"#;
    let broker = rig::broker_with(&[("HOMING__ACL__RULES", rule)]);
    let mut away = rig::connect(V5, "away").durable().open(broker.mqtt);
    away.subscribe("stored", 2);
    away.disconnect();
    for version in BOTH {
        // What is refused ends a connection of 3.1.1.
        let taken = |topic: &&&str| version == V5 || **topic != "closed";
        let topics: Vec<&str> = TOPICS.iter().filter(taken).copied().cycle().take(40).collect();
        let mut client = rig::client(&broker, version, "c");
        for (qos, word) in [(1, "PUBACK"), (2, "PUBREC")] {
            let sent: Vec<(&str, u16)> =
                topics.iter().map(|topic| (*topic, publish_to(&mut client, topic, qos))).collect();
            let expected: Vec<_> = sent.iter().map(|(_, id)| (word, *id)).collect();
            assert_eq!(answers(&mut client, sent.len()), expected);
            if qos == 2 {
                let held: Vec<u16> = sent
                    .iter()
                    .filter(|(topic, _)| *topic != "closed")
                    .map(|(_, id)| *id)
                    .collect();
                held.iter().for_each(|id| client.pubrel(*id));
                let expected: Vec<_> = held.iter().map(|id| ("PUBCOMP", *id)).collect();
                assert_eq!(answers(&mut client, held.len()), expected);
            }
        }
    }
}

#[test]
fn releases_come_in_the_order_of_the_pubrecs() {
    let broker = rig::broker();
    for version in BOTH {
        let name = format!("c{version}");
        for connect in [rig::connect(version, &name), rig::connect(version, &name).durable()] {
            let mut client = connect.open(broker.mqtt);
            client.subscribe("t", 2);
            let mut post = rig::client(&broker, version, "post");
            (0..20).for_each(|number| post.publish_acked("t", number.to_string(), 2));
            let ids: Vec<u16> = (0..20).map(|_| client.expect_publish().id).collect();
            let recs: Vec<u8> = ids.iter().flat_map(|id| pubrec(version, *id)).collect();
            client.send_raw(&recs);
            let expected: Vec<_> = ids.iter().map(|id| ("PUBREL", *id)).collect();
            assert_eq!(answers(&mut client, 20), expected);
            ids.iter().for_each(|id| client.pubcomp(*id));
            client.disconnect();
        }
    }
}

fn pubrec(version: Version, id: u16) -> Vec<u8> {
    match version {
        V5 => packets::acknowledgement(0x50, id, 0),
        _ => crate::support::wire::acknowledgement(0x50, id),
    }
}

//! Message ordering (MQTT 5, section 4.6).

use crate::packets;
use crate::rig::{self, BOTH};
use crate::support::{Client, Packet, Version};

const COUNT: usize = 60;

/// From two senders, at all QoS, on two topics: for each of them in its order.
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
            for number in 0..COUNT {
                let topic = format!("t/{}", number % 2);
                let qos = (number / 2 % 3) as u8;
                for (sender, name) in senders.iter_mut().zip(names) {
                    publish(sender, &topic, &format!("{name} {number}"), qos);
                }
            }
            let mut last = std::collections::BTreeMap::new();
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

/// Acknowledged to the end, so that no window is ever full.
fn publish(sender: &mut Client, topic: &str, text: &str, qos: u8) {
    match qos {
        0 => drop(sender.publish(topic, text, 0)),
        qos => sender.publish_acked(topic, text, qos),
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

#[test]
fn acknowledgements_come_in_the_order_of_the_messages() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        for (qos, word) in [(1, "PUBACK"), (2, "PUBREC")] {
            let ids: Vec<u16> = (0..40).map(|_| client.publish("t", "x", qos)).collect();
            let expected: Vec<_> = ids.iter().map(|id| (word, *id)).collect();
            assert_eq!(answers(&mut client, 40), expected);
            if qos == 2 {
                ids.iter().for_each(|id| client.pubrel(*id));
                let expected: Vec<_> = ids.iter().map(|id| ("PUBCOMP", *id)).collect();
                assert_eq!(answers(&mut client, 40), expected);
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
        crate::support::V5 => packets::acknowledgement(0x50, id, 0),
        _ => crate::support::wire::acknowledgement(0x50, id),
    }
}

//! Flow control towards the client (MQTT 5, section 4.9).

use crate::rig;
use crate::support::{Broker, Client, V5, prop};

/// A subscriber that takes so many messages at a time, and whoever sends to it.
fn subscriber(broker: &Broker, receive_maximum: u16) -> (Client, Client) {
    let maximum = prop::u16(prop::RECEIVE_MAXIMUM, receive_maximum);
    let mut client = rig::connect(V5, "c").prop(maximum).open(broker.mqtt);
    client.subscribe("t/#", 2);
    (client, rig::client(broker, V5, "post"))
}

#[test]
fn no_more_than_the_receive_maximum_is_in_flight() {
    let broker = rig::broker();
    for maximum in [1, 2, 5] {
        let (mut client, mut post) = subscriber(&broker, maximum);
        for number in 0..10 {
            post.publish_acked("t/x", number.to_string(), 1 + number % 2);
        }
        let first: Vec<_> = (0..maximum).map(|_| client.expect_publish()).collect();
        client.expect_silence();
        // The quota comes back one by one.
        for publish in &first {
            match publish.qos {
                1 => client.puback(publish.id),
                _ => {
                    client.pubrec(publish.id);
                    client.expect_pubrel(publish.id);
                    client.expect_silence();
                    client.pubcomp(publish.id);
                }
            }
            client.expect_publish();
            client.expect_silence();
        }
    }
}

/// A PUBREC with an error gives the place back, as PUBACK and PUBCOMP do.
#[test]
fn a_refused_message_gives_its_place_back() {
    let broker = rig::broker();
    let (mut client, mut post) = subscriber(&broker, 1);
    for (text, qos) in [("one", 1), ("two", 2), ("three", 2)] {
        post.publish_acked("t/x", text, qos);
    }
    let one = client.expect_publish();
    client.send_raw(&crate::packets::acknowledgement(0x40, one.id, 0x80));
    let two = client.expect_publish();
    assert_eq!(two.text(), "two");
    client.send_raw(&crate::packets::acknowledgement(0x50, two.id, 0x97));
    assert_eq!(client.take_text(), "three");
}

#[test]
fn without_quota_everything_else_goes_on() {
    let broker = rig::broker();
    let (mut client, mut post) = subscriber(&broker, 1);
    post.publish_acked("t/x", "one", 1);
    post.publish_acked("t/x", "two", 1);
    let held = client.expect_publish();
    client.ping();
    assert_eq!(client.subscribe("other", 1), 1);
    client.unsubscribe("other");
    client.publish_acked("elsewhere", "x", 1);
    client.publish_acked("elsewhere", "x", 2);
    client.expect_silence();
    client.puback(held.id);
    assert_eq!(client.take_text(), "two");
}

//! PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5, sections 3.4 to 3.7).

use crate::packets::acknowledgement;
use crate::rig::{self, BOTH};
use crate::support::{Broker, Client, Connect, V5, prop};

/// Nobody may publish to `closed/…`.
fn broker() -> Broker {
    let rule = r#"[{ deny = "publish", topic = "closed/#" }]"#;
    rig::broker_with(&[("HOMING__ACL__RULES", rule)])
}

/// The code with which this message is acknowledged.
fn answer(client: &mut Client, topic: &str, qos: u8, props: &[u8]) -> u8 {
    let id = client.publish_with(topic, [0xFF], qos, props);
    let code = if qos == 1 { client.expect_puback(id) } else { client.expect_pubrec(id) };
    if qos == 2 && code < 0x80 {
        client.pubrel(id);
        assert_eq!(client.expect_pubcomp(id), 0);
    }
    code
}

#[test]
fn messages_are_acknowledged_with_codes_of_their_table() {
    let broker = broker();
    let mut client = rig::client(&broker, V5, "c");
    for qos in [1, 2] {
        assert!([0x00, 0x10].contains(&answer(&mut client, "open/door", qos, &[])));
        assert_eq!(answer(&mut client, "closed/door", qos, &[]), 0x87);
        // Announced as text; it is none.
        assert_eq!(answer(&mut client, "open/door", qos, &[0x01, 1]), 0x99);
    }
}

/// What one client can make the server say in acknowledgements.
fn hear_all(client: &mut Client) {
    for qos in [1, 2] {
        answer(client, "closed/door", qos, &[]);
        answer(client, "open/door", qos, &[0x01, 1]);
    }
    client.pubrel(999);
    assert_eq!(client.expect_pubcomp(999), 0x92);
    client.pubrec(999);
    assert_eq!(client.expect_pubrel(999), 0x92);
}

/// First byte, length, packet id, reason.
const BARE_BYTES: usize = 5;

#[test]
fn words_are_left_out_where_the_client_takes_only_small_packets() {
    let broker = broker();
    let mut client = rig::client(&broker, V5, "any");
    hear_all(&mut client);
    assert!(client.largest > BARE_BYTES, "it has words to say: {}", client.largest);
    let connect = rig::connect(V5, "small").prop(prop::u32(prop::MAXIMUM_PACKET_SIZE, 64));
    let mut client = connect.open(broker.mqtt);
    client.largest = 0;
    hear_all(&mut client);
    assert_eq!(client.largest, BARE_BYTES);
}

/// A subscriber at QoS 2 with one message that it has not answered.
fn received(broker: &Broker, connect: &Connect) -> (Client, u16) {
    let mut client = connect.open(broker.mqtt);
    client.subscribe("t", 2);
    rig::client(broker, V5, "post").publish_acked("t", "x", 2);
    let publish = client.expect_publish();
    assert_eq!(publish.qos, 2);
    (client, publish.id)
}

#[test]
fn a_message_is_released_with_success_and_an_unknown_one_with_not_found() {
    let broker = rig::broker();
    let (mut client, id) = received(&broker, &rig::connect(V5, "c"));
    client.pubrec(id);
    assert_eq!(client.expect_pubrel(id), 0);
    client.send_raw(&acknowledgement(0x70, id, 0));
    let unknown = if id == 999 { 998 } else { 999 };
    client.pubrec(unknown);
    assert_eq!(client.expect_pubrel(unknown), 0x92);
}

#[test]
fn every_pubrec_is_answered_by_a_pubrel() {
    let broker = rig::broker();
    for version in BOTH {
        let name = format!("c{version}");
        for connect in [rig::connect(version, &name), rig::connect(version, &name).durable()] {
            let (mut client, id) = received(&broker, &connect);
            for _ in 0..3 {
                client.pubrec(id);
                assert_eq!(client.expect_pubrel(id), 0);
            }
            client.pubcomp(id);
            client.expect_silence();
            client.disconnect();
        }
    }
}

//! Handling errors (MQTT 5, section 4.13; MQTT 3.1.1, section 4.8).

use crate::packets::subscribe;
use crate::rig::{self, BOTH};
use crate::support::client::message;
use crate::support::{Broker, Client, Connect, Packet, Publish, V5, Version, wire};

/// Codes of 0x80 and above, in CONNACK and in DISCONNECT, with what brings them.
#[test]
fn an_error_code_is_followed_by_the_close() {
    let broker = rig::broker();
    let method = [&[0x15][..], &wire::string("unknown")].concat();
    let refused = [
        (rig::connect(V5, "c").prop(method), 0x8C),
        (Connect::new(6, "c", "c"), 0x84),
        (Connect::v5("c", &"x".repeat(1000)), 0x85),
    ];
    for (connect, code) in refused {
        // It waits for the close.
        let told = connect.refused(broker.mqtt);
        assert!(told == code || connect.version == 6 && told == 1, "{connect:?}: {told:#04x}");
    }
    let mut client = rig::client(&broker, V5, "c");
    let mut successor = rig::client(&broker, V5, "c");
    assert_eq!(client.expect_disconnect(), 0x8E);
    successor.send_raw(&[0x00, 0]);
    assert_eq!(successor.expect_disconnect(), 0x81);
}

/// An acknowledgement with an error is about one message; session and connection go on.
#[test]
fn an_error_in_an_acknowledgement_touches_nothing_else() {
    let rule = r#"[{ deny = "all", topic = "closed" }]"#;
    let broker = rig::broker_with(&[("HOMING__ACL__RULES", rule)]);
    let mut client = rig::client(&broker, V5, "c");
    client.subscribe("t", 1);
    for qos in [1, 2] {
        let id = client.publish("closed", "x", qos);
        let code = if qos == 1 { client.expect_puback(id) } else { client.expect_pubrec(id) };
        assert_eq!(code, 0x87);
    }
    assert_eq!(client.subscribe("closed", 1), 0x87);
    client.publish_acked("t", "x", 2);
    assert_eq!(client.take_text(), "x");
}

/// Sends `bytes` behind a login; what came before the close.
fn closed_after(broker: &Broker, version: Version, bytes: &[u8]) -> Vec<Packet> {
    let mut client: Client = rig::client(broker, version, "c");
    client.send_raw(bytes);
    client.expect_closed()
}

#[test]
fn a_violation_closes_the_connection_that_it_came_on_and_no_other() {
    let broker = rig::broker();
    for version in BOTH {
        let mut other = rig::client(&broker, version, "other");
        let connect_again = rig::connect(version, "c").encode();
        let violations = [
            vec![0x00, 0],
            vec![0xC1, 0],
            connect_again,
            // No packet id; a packet of the server; QoS 3.
            subscribe(version, 0, &[("t", 0)]),
            vec![0xD0, 0],
            vec![0x36, 5, 0, 1, b't', 0, 1],
        ];
        for bytes in violations {
            let seen = closed_after(&broker, version, &bytes);
            let told = usize::from(version == V5);
            assert_eq!(seen.len(), told, "{bytes:02x?}: {seen:?}");
            other.ping();
        }
    }
}

/// 3.1.1 has no word for it in an acknowledgement. MQTT 5 has, and goes on.
#[test]
fn a_message_that_there_is_no_room_for_now_closes_a_connection_of_3_1_1() {
    let broker = rig::broker_with(&[("HOMING__LIMITS__RETAINED_PER_USER", "1")]);
    for version in BOTH {
        let mut client = rig::client(&broker, version, &format!("c{version}"));
        rig::retain(&mut client, &format!("kept/{version}"), "one");
        let publish = Publish { retain: true, ..message("kept/too", "much", 1, 9) };
        client.send_publish(&publish, &[]);
        match version {
            V5 => assert_eq!(client.expect_puback(9), 0x97),
            _ => assert_eq!(client.expect_closed(), []),
        }
    }
}

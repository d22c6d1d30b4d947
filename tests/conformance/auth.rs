//! AUTH and enhanced authentication (MQTT 5, sections 3.15 and 4.12). homing knows no method.

use crate::rig;
use crate::support::wire::{packet, string};
use crate::support::{Packet, V5};

const METHOD: u8 = 0x15;

/// AUTH with this reason and the method `SCRAM-SHA-256`.
fn auth(reason: u8) -> Vec<u8> {
    let method = [&[METHOD][..], &string("SCRAM-SHA-256")].concat();
    packet(0xF0, &[&[reason, method.len() as u8][..], &method].concat())
}

/// Told in CONNACK, never by an AUTH.
#[test]
fn an_unknown_method_is_refused_and_the_connection_closed() {
    let broker = rig::broker();
    let data = [&[0x16][..], &string("n,,n=c,r=nonce")].concat();
    for more in [Vec::new(), data] {
        let method = [&[METHOD][..], &string("SCRAM-SHA-256"), &more].concat();
        assert_eq!(rig::connect(V5, "c").prop(method).refused(broker.mqtt), 0x8C);
    }
}

#[test]
fn without_a_method_the_server_says_nothing_of_one() {
    let broker = rig::broker();
    let (mut client, ack) = rig::connect(V5, "c").open_with_ack(broker.mqtt);
    assert_eq!((ack.props.text(METHOD), ack.props.text(0x16)), (None, None));
    client.subscribe("t", 1);
    client.publish_acked("t", "x", 1);
    client.take();
    client.send_raw(&[0xE0, 0]);
    assert_eq!(client.expect_closed(), []);
}

#[test]
fn an_auth_that_nobody_asked_for_closes_the_connection() {
    let broker = rig::broker();
    for reason in [0x18, 0x19] {
        let mut client = rig::client(&broker, V5, "c");
        client.send_raw(&auth(reason));
        let seen = client.expect_closed();
        let [Packet::Disconnect { reason, .. }] = &seen[..] else { panic!("{seen:?}") };
        assert!([0x82, 0x8C].contains(reason), "{reason:#04x}");
    }
}

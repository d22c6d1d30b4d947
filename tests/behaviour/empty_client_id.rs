//! A connection with an empty client id is no device: it gets live mail only and moves no cursor.

use super::support::{Broker, Client, Connect, V5, V311, prop};

#[test]
fn it_gets_live_mail_only() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        broker.mail("alice", &["waiting"]);
        let mut nameless = Connect::new(version, "alice", "").device(broker.mqtt);
        broker.mail("alice", &["live"]);
        assert_eq!(nameless.take_text(), "live");
        nameless.disconnect();

        // Nothing was taken away from the first real device.
        let mut phone = broker.device("alice", "phone");
        assert_eq!(phone.take_texts(2), ["waiting", "live"]);
    }
}

#[test]
fn two_of_them_do_not_take_each_other_over() {
    let broker = Broker::dev();
    let nameless = || Connect::v311("alice", "").device(broker.mqtt);
    let mut both: [Client; 2] = [nameless(), nameless()];
    broker.mail("alice", &["live"]);
    for client in &mut both {
        assert_eq!(client.take_text(), "live");
    }
}

#[test]
fn it_comes_without_what_it_missed() {
    let broker = Broker::dev();
    Connect::v311("alice", "").device(broker.mqtt).disconnect();
    broker.mail("alice", &["missed"]);
    let mut again = Connect::v311("alice", "").device(broker.mqtt);
    again.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

// [MQTT-3.2.2-16] of version 5: the server tells the name it assigned.
#[test]
fn mqtt_5_is_told_an_assigned_client_id() {
    let broker = Broker::dev();
    let (_, ack) = Connect::v5("alice", "").open_with_ack(broker.mqtt);
    let assigned = ack.props.text(prop::ASSIGNED_CLIENT_ID).expect("assigned client identifier");
    let (_, ack) = Connect::v5("alice", "").open_with_ack(broker.mqtt);
    assert_ne!(ack.props.text(prop::ASSIGNED_CLIENT_ID), Some(assigned));
    let (_, ack) = Connect::v5("alice", "phone").open_with_ack(broker.mqtt);
    assert_eq!(ack.props.text(prop::ASSIGNED_CLIENT_ID), None);
}

// [MQTT-3.1.3-8] of version 3.1.1.
#[test]
fn a_durable_session_needs_a_name_in_3_1_1() {
    let broker = Broker::dev();
    assert_eq!(Connect::v311("alice", "").clean(false).refused(broker.mqtt), 2);
}

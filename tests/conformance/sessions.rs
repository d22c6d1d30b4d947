//! Session state and transports (MQTT 5, sections 4.1, 4.2 and 4.5).

use crate::rig::{self, BOTH};
use crate::support::{Client, V5, V311, Version, prop};

/// A session with an expiry of one second that is connected, beside one that is not: when that one
/// has gone, the connected one has outlived its expiry.
#[test]
fn a_session_lives_at_least_as_long_as_its_connection() {
    let broker = rig::broker_with(&[("HOMING__STORE__SWEEP_INTERVAL", "100ms")]);
    let short = |name: &str| rig::connect(V5, name).clean(false).prop(prop::session_expiry(1));
    let mut stays = short("stays").open(broker.mqtt);
    stays.subscribe("t", 1);
    let mut leaves = short("leaves").open(broker.mqtt);
    leaves.subscribe("t", 1);
    leaves.disconnect();
    rig::client(&broker, V5, "post").publish_acked("t", "one", 1);
    broker.wait_for_removed("session_ended", 1);
    rig::client(&broker, V5, "post").publish_acked("t", "two", 1);
    assert_eq!(stays.take_texts(2), ["one", "two"]);
    assert!(!short("leaves").open_with_ack(broker.mqtt).1.session_present);
}

/// What belongs to a session of 3.1.1 is there as long as it is: subscriptions, messages of QoS 1
/// and 2 that were not sent, that were not acknowledged, that were received and not completed.
#[test]
fn all_of_the_state_is_kept_for_the_whole_session() {
    let broker = rig::broker();
    for version in BOTH {
        let connect = rig::connect(version, &format!("c{version}")).durable();
        let mut client = connect.open(broker.mqtt);
        client.subscribe("t", 2);
        let mut post = rig::client(&broker, version, "post");
        post.publish_acked("t", "unacknowledged", 1);
        post.publish_acked("t", "received", 2);
        let first = client.expect_publish();
        let second = client.expect_publish();
        client.pubrec(second.id);
        client.expect_pubrel(second.id);
        let id = client.publish("elsewhere", "unreleased", 2);
        assert_eq!(client.expect_pubrec(id), 0);
        client.cut();
        post.publish_acked("t", "not sent", 1);

        let (mut client, ack) = connect.open_with_ack(broker.mqtt);
        assert!(ack.session_present);
        let again = client.take();
        assert_eq!((again.id, again.text()), (first.id, "unacknowledged"));
        assert_eq!(client.expect_pubrel(second.id), 0);
        client.pubcomp(second.id);
        assert_eq!(client.take_text(), "not sent");
        client.pubrel(id);
        assert_eq!(client.expect_pubcomp(id), 0);
        client.disconnect();
    }
}

/// Also for those that are not there.
#[test]
fn a_message_goes_into_every_session_with_a_matching_subscription() {
    let broker = rig::broker();
    let subscribed = |version: Version, name: &str, filter: &str| {
        let connect = rig::connect(version, name).durable();
        let mut client: Client = connect.open(broker.mqtt);
        client.subscribe(filter, 1);
        (connect, client)
    };
    let (_, mut live) = subscribed(V5, "live", "a/+");
    let (one, away) = subscribed(V311, "away 1", "a/#");
    away.disconnect();
    let (two, away) = subscribed(V5, "away 2", "a/b");
    away.disconnect();
    let (three, away) = subscribed(V5, "away 3", "b/#");
    away.disconnect();
    rig::client(&broker, V5, "post").publish_acked("a/b", "x", 1);
    assert_eq!(live.take_text(), "x");
    for connect in [one, two] {
        assert_eq!(connect.open(broker.mqtt).take_text(), "x");
    }
    three.open(broker.mqtt).expect_silence();
}

//! A session belongs to (uid, client id): a second connection takes it over, and nothing is lost.

use super::support::client::message;
use super::support::python::Paho;
use super::support::wire;
use super::support::{Broker, Connect, Packet, V311, Will, words};

#[test]
fn the_same_client_takes_its_session_over() {
    let broker = Broker::dev();
    let mut first = broker.device("alice", "phone");
    broker.mail("alice", &["one"]);
    let unacknowledged = first.expect_publish();
    let mut second = broker.device("alice", "phone");
    first.expect_closed();
    let again = second.take();
    assert_eq!((again.id, again.text()), (unacknowledged.id, "one"));
    broker.log.wait_for(&["alice", "phone", words::TAKEN_OVER]);
    second.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn a_client_that_takes_over_again_and_again_loses_nothing() {
    let broker = Broker::dev();
    broker.know("alice", "phone");
    let mut bob = broker.device("bob", "post");
    let mut former = None;
    for number in 0..30 {
        let mut phone = broker.device("alice", "phone");
        bob.publish_acked("alice", number.to_string(), 1);
        assert_eq!(phone.take_text(), number.to_string());
        // The acknowledgement is in before the next one takes over.
        phone.ping();
        former = Some(phone);
    }
    drop(former);
}

/// Threat I7. Whoever holds the session takes what it gets and is thrown out by the other one.
#[test]
fn two_that_fight_for_one_client_id_lose_nothing_between_them() {
    const ROUNDS: usize = 200;
    let broker = Broker::with(&[("HOMING__LIMITS__FLAPPING__PER_CLIENT", "0")]);
    broker.know("alice", "phone");
    let mut bob = broker.device("bob", "post");
    let mut received = std::collections::BTreeSet::new();
    let mut holder = broker.device("alice", "phone");
    for number in 0..ROUNDS {
        bob.publish_acked("alice", number.to_string(), 1);
        let mut next = broker.device("alice", "phone");
        while let Ok(packet) = holder.try_recv(super::support::HANG) {
            if let Packet::Publish(publish) = packet {
                assert!(received.insert(publish.text().parse::<usize>().unwrap()) || publish.dup);
            }
        }
        std::mem::swap(&mut holder, &mut next);
    }
    while received.len() < ROUNDS {
        received.insert(holder.take_text().parse().unwrap());
    }
    assert_eq!(received.len(), ROUNDS);
}

#[test]
fn two_users_with_the_same_client_id_do_not_disturb_each_other() {
    let broker = Broker::dev();
    let mut alice = broker.device("alice", "phone");
    let mut bob = broker.device("bob", "phone");
    alice.publish_acked("bob", "to bob", 1);
    bob.publish_acked("alice", "to alice", 1);
    assert_eq!(alice.take_text(), "to alice");
    assert_eq!(bob.take_text(), "to bob");
    alice.ping();
    bob.ping();
    assert_eq!(broker.log.matching(&[words::TAKEN_OVER]), Vec::<String>::new());
}

/// A sender that runs under the uid and client id of a receiver that is connected.
fn sender_with_the_receivers_name(paho: Paho) {
    let broker = Broker::dev();
    let (host, port, api) = (broker.mqtt.ip(), broker.mqtt.port(), paho.api());
    let receiver = paho.start(&format!(
        "import paho.mqtt.client as mqtt

def on_message(client, userdata, msg):
    print(msg.payload.decode())

client = mqtt.Client({api}'phone')
client.username_pw_set('alice', 'dev')
client.on_message = on_message
client.connect('{host}', {port}, 60)
client.loop_forever()
"
    ));
    broker.mail("alice", &["before"]);
    receiver.expect_line(&["before"]);
    paho.run(&format!(
        "import paho.mqtt.publish as publish
publish.single('alice', 'from my double', hostname='{host}', port={port}, client_id='phone',
               auth={{'username': 'alice', 'password': 'dev'}})
"
    ));
    broker.log.wait_for(&["alice", "phone", words::TAKEN_OVER]);
    receiver.expect_line(&["from my double"]);
    broker.mail("alice", &["after"]);
    receiver.expect_line(&["after"]);
}

#[test]
fn a_sender_with_the_receivers_name_on_paho_1() {
    sender_with_the_receivers_name(Paho::V1);
}

#[test]
fn a_sender_with_the_receivers_name_on_paho_2() {
    sender_with_the_receivers_name(Paho::V2);
}

#[test]
fn a_takeover_by_another_protocol_version_keeps_the_place() {
    let broker = Broker::dev();
    let mut old = broker.device("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    assert_eq!(old.take_text(), "one");
    old.ping();
    let mut new = Connect::v5("alice", "phone").device(broker.mqtt);
    old.expect_closed();
    assert_eq!(new.take_text(), "two");
}

/// Several workers, so that the next connection may overtake what the last one has said.
#[test]
fn what_a_client_said_before_it_comes_again_is_heard_first() {
    const ROUNDS: usize = 600;
    let broker = Broker::ordinary_with(&[("HOMING__LISTEN__WORKERS", "8")]);
    let mut reader = Connect::anonymous(V311, "reader").open(broker.mqtt);
    reader.subscribe("said/#", 0);
    let script = Connect::anonymous(V311, "script").will(Will::new("said/will", "lost", 0));
    for number in 0..ROUNDS {
        let mut connected = script.open(broker.mqtt);
        let hello = wire::publish(V311, &message(&format!("said/{number}"), "hello", 0, 0), &[]);
        connected.send_raw(&[&hello[..], &[0xE0, 0]].concat());
    }
    let said: Vec<String> = (0..ROUNDS).map(|number| format!("said/{number}")).collect();
    let heard: Vec<String> = said.iter().map(|_| reader.take().topic).collect();
    assert_eq!(heard, said);
    reader.expect_silence();
}

//! Messages of one sender to one recipient arrive in order, on every device; acknowledgements leave
//! in the order of the publishes.

use super::support::{Broker, Connect, Packet};

const COUNT: usize = 400;

#[test]
fn one_sender_is_heard_in_order_on_every_device() {
    let broker = Broker::dev();
    let mut devices = [broker.device("alice", "phone"), broker.device_v5("alice", "tablet")];
    let mut bob = broker.device("bob", "post");
    let texts: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    for window in texts.chunks(32) {
        let ids: Vec<u16> = window.iter().map(|text| bob.publish("alice", text, 1)).collect();
        assert!(ids.into_iter().all(|id| bob.expect_puback(id) == 0));
    }
    for device in &mut devices {
        assert_eq!(device.take_texts(COUNT), texts);
    }
}

#[test]
fn order_holds_across_qos_0_1_and_2() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = broker.device("bob", "post");
    let texts: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    for (number, text) in texts.iter().enumerate() {
        bob.publish("alice", text, (number % 3) as u8);
    }
    assert_eq!(phone.take_texts(30), texts);
}

#[test]
fn mail_that_waited_comes_before_live_mail() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "post");
    for number in 0..COUNT / 2 {
        bob.publish_acked("alice", number.to_string(), 1);
    }
    let mut phone = broker.device("alice", "phone");
    for number in COUNT / 2..COUNT {
        bob.publish_acked("alice", number.to_string(), 1);
    }
    let texts: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(phone.take_texts(COUNT), texts);
}

// [MQTT-4.6.0-2], though the recipients' inboxes may belong to different threads.
#[test]
fn acknowledgements_leave_in_publish_order() {
    let broker = Broker::dev();
    let mut sender = Connect::v5("carol", "post").open(broker.mqtt);
    let sent: Vec<u16> =
        (0..60).map(|n| sender.publish(["alice", "bob", "carol"][n % 3], "x", 1)).collect();
    let mut acked = Vec::new();
    while acked.len() < sent.len() {
        match sender.recv() {
            Packet::PubAck { id, reason, .. } => {
                assert_eq!(reason, 0);
                acked.push(id);
            }
            Packet::Publish(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acked, sent);
}

// A refusal is known at once, a commit later; the refusal queues behind.
#[test]
fn refusals_queue_behind_acknowledgements() {
    let broker = Broker::dev();
    let mut sender = Connect::v5("carol", "post").open(broker.mqtt);
    let good = sender.publish("alice", "x", 1);
    let bad = sender.publish("no-such-user", "x", 1);
    let order = |packet: Packet| match packet {
        Packet::PubAck { id, reason, .. } => (id, reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(order(sender.recv()), (good, 0));
    assert_eq!(order(sender.recv()), (bad, 0x87));
}

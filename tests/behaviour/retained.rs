//! Retained messages: acknowledged means kept, and every new subscription gets them.

use super::support::client::message;
use super::support::{Broker, Client, Publish};

/// Publishes with RETAIN; returns when it is acknowledged.
fn retain(client: &mut Client, topic: &str, body: &str, qos: u8) {
    let id = if qos > 0 { client.next_id() } else { 0 };
    let publish = Publish { retain: true, ..message(topic, body, qos, id) };
    client.send_publish(&publish, &[]);
    match qos {
        0 => client.ping(),
        1 => assert_eq!(client.expect_puback(id), 0),
        _ => {
            assert_eq!(client.expect_pubrec(id), 0);
            client.pubrel(id);
            client.expect_pubcomp(id);
        }
    }
}

fn taken(client: &mut Client) -> (String, String, bool) {
    let publish = client.take();
    (publish.topic.clone(), publish.text().to_owned(), publish.retain)
}

#[test]
fn what_is_acknowledged_survives_kill_9() {
    let mut broker = Broker::with_plain_topics();
    let mut alice = broker.device_v5("alice", "phone");
    retain(&mut alice, "news/1", "one", 1);
    retain(&mut alice, "news/2", "two", 2);
    retain(&mut alice, "news/1", "uno", 1);
    broker.crash();
    let mut bob = broker.device("bob", "desk");
    assert_eq!(bob.subscribe("news/#", 0), 0);
    assert_eq!(taken(&mut bob), ("news/1".into(), "uno".into(), true));
    assert_eq!(taken(&mut bob), ("news/2".into(), "two".into(), true));
    bob.expect_silence();
}

/// A QoS 0 publish is not acknowledged; it is kept all the same.
#[test]
fn one_of_qos_0_is_kept_too_and_an_empty_one_removes_it() {
    let broker = Broker::with_plain_topics();
    let mut alice = broker.device("alice", "phone");
    retain(&mut alice, "state/a", "on", 0);
    // Behind it, so it is committed when this is.
    retain(&mut alice, "state/b", "on", 1);
    let mut bob = broker.device("bob", "desk");
    bob.subscribe("state/+", 1);
    assert_eq!(taken(&mut bob), ("state/a".into(), "on".into(), true));
    assert_eq!(taken(&mut bob), ("state/b".into(), "on".into(), true));
    retain(&mut alice, "state/a", "", 1);
    assert_eq!(taken(&mut bob), ("state/a".into(), String::new(), false));
    let mut carol = broker.device("carol", "desk");
    carol.subscribe("state/+", 1);
    assert_eq!(taken(&mut carol), ("state/b".into(), "on".into(), true));
    carol.expect_silence();
}

/// More than one page of them, to a client that takes a few at a time, while others go on.
#[test]
fn a_wide_filter_over_many_of_them_holds_up_nobody() {
    const COUNT: usize = 2000;
    let broker = Broker::with_plain_topics();
    let mut alice = broker.device_v5("alice", "phone");
    for n in 0..COUNT {
        let publish = Publish { retain: true, ..message(&format!("n/{n:04}"), "x", 0, 0) };
        alice.send_publish(&publish, &[]);
    }
    retain(&mut alice, "n/last", "x", 1);
    let mut bob = broker.device_v5("bob", "desk");
    bob.subscribe("n/#", 1);
    let mut carol = broker.device("carol", "desk");
    alice.publish_acked("carol", "meanwhile", 1);
    assert_eq!(carol.take_text(), "meanwhile");
    let topics: Vec<String> = (0..=COUNT).map(|_| bob.take().topic).collect();
    let mut expected: Vec<String> = (0..COUNT).map(|n| format!("n/{n:04}")).collect();
    expected.push("n/last".into());
    assert_eq!(topics, expected);
}

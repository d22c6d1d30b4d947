//! What waits for its time and cannot go out keeps nothing else back, and is not thrown away.

use super::support::store::change;
use super::support::{Broker, Connect};

/// Threat D8. It is tried again until it can be stored.
#[test]
fn one_that_cannot_be_stored_waits_while_the_others_go_out() {
    let broker = Broker::with_plain_topics();
    let mut carol = Connect::v5("carol", "desk").durable().device(broker.mqtt);
    carol.subscribe("news/#", 1);
    let mut alice = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    let refuse = "CREATE TRIGGER damage BEFORE INSERT ON log
                  WHEN instr(new.message, CAST('news/rust' AS BLOB))
                  BEGIN SELECT raise(ABORT, 'damaged'); END";
    change(&broker.data, refuse);
    bob.publish_acked("$delayed/0/news/rust", "in the end", 1);
    broker.wait_for_log("damaged");
    for text in ["one", "two"] {
        bob.publish_acked("$delayed/0/alice", text, 1);
        assert_eq!(alice.take_text(), text);
    }
    change(&broker.data, "DROP TRIGGER damage");
    assert_eq!(carol.take_text(), "in the end");
    carol.expect_marker_from(&mut bob, "news/rust");
}

/// Threat D8.
#[test]
fn one_that_is_damaged_stays_where_it_is_and_is_told() {
    let broker = Broker::dev();
    let mut alice = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    bob.publish_acked("$delayed/1/alice", "damaged", 1);
    change(&broker.data, "UPDATE due SET checksum = checksum + 1");
    bob.publish_acked("$delayed/1/alice", "whole", 1);
    assert_eq!(alice.take_text(), "whole");
    bob.publish_acked("$delayed/0/alice", "whole, too", 1);
    assert_eq!(alice.take_text(), "whole, too");
    let told = broker.wait_for_log("does not match its checksum");
    assert!(told.contains("what is due does not go out"), "{told}");
}

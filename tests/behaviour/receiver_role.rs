//! The role `receiver`: an app for push alone gets its own mail and may do nothing else.

use super::support::connect::Will;
use super::support::{Broker, Client, Connect};

const NOT_AUTHORIZED: u8 = 0x87;

/// Plain topics are open to everyone, so that only the role can forbid them.
fn broker() -> Broker {
    let broker = Broker::with_plain_topics();
    let add = ["user", "add", "app", "--role", "receiver", "--password-stdin"];
    broker.command(&add).stdin("dev\n").ok();
    broker
}

fn refused(client: &mut Client, topic: &str) -> u8 {
    let id = client.publish(topic, "x", 1);
    client.expect_puback(id)
}

#[test]
fn it_gets_its_mail() {
    let broker = broker();
    let mut app = broker.device_v5("app", "phone");
    app.expect_marker_from(&mut broker.device("bob", "post"), "app");
    assert_eq!(app.subscribe("app", 1), 1);
}

#[test]
fn it_publishes_nothing_and_subscribes_to_nothing_else() {
    let broker = broker();
    let mut app = broker.device_v5("app", "phone");
    for topic in ["bob", "app", "news/today"] {
        assert_eq!(refused(&mut app, topic), NOT_AUTHORIZED, "{topic}");
    }
    for filter in ["news/#", "#", "bob"] {
        assert_eq!(app.subscribe(filter, 1), NOT_AUTHORIZED, "{filter}");
    }
    let line = broker.wait_for_log("receiver");
    assert!(line.contains("app"), "{line}");
}

#[test]
fn it_leaves_no_will() {
    let broker = broker();
    let connect = Connect::v5("app", "phone").will(Will::new("bob", "last words", 1));
    assert_eq!(connect.refused(broker.mqtt), NOT_AUTHORIZED);
}

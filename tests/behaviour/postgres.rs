//! `store.url = "postgres://…"` serves: the promise is the same as on the embedded store.

use super::support::broker::Start;
use super::support::postgres::new_store_url;
use super::support::{Broker, Connect};

fn broker(url: &str) -> Broker {
    Start::dev().env("HOMING__STORE__URL", url).start()
}

#[test]
fn what_was_acknowledged_is_delivered_after_kill_9() {
    let Some(url) = new_store_url() else { return };
    let mut broker = broker(&url);
    broker.know("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    let ids: Vec<u16> =
        (0..50).map(|n| bob.publish("alice", format!("mail {n}"), 1 + n % 2)).collect();
    for (n, id) in ids.into_iter().enumerate() {
        match n % 2 {
            0 => assert_eq!(bob.expect_puback(id), 0),
            _ => assert_eq!(bob.expect_pubrec(id), 0),
        }
    }
    broker.crash();
    let mut phone = broker.device("alice", "phone");
    for n in 0..50 {
        assert_eq!(phone.take_text(), format!("mail {n}"));
    }
}

#[test]
fn a_durable_session_keeps_its_queue() {
    let Some(url) = new_store_url() else { return };
    let mut broker =
        Start::dev().env("HOMING__STORE__URL", &url).env("HOMING__ACL__DEFAULT", "allow").start();
    let connect = Connect::v311("alice", "phone").clean(false);
    let mut phone = connect.open(broker.mqtt);
    assert_eq!(phone.subscribe("news/#", 1), 1);
    phone.disconnect();
    broker.device("bob", "desk").publish_acked("news/today", "rain", 1);
    broker.crash();
    let mut phone = connect.open(broker.mqtt);
    assert_eq!(phone.take_text(), "rain");
}

#[test]
fn a_server_that_is_not_there_stops_the_start_in_words() {
    let refused = Start::dev().env("HOMING__STORE__URL", "postgres://x:y@127.0.0.1:1/x").refused();
    assert!(refused.said.contains("127.0.0.1"), "{}", refused.said);
    assert!(!refused.said.contains("x:y"), "the password is not shown: {}", refused.said);
}

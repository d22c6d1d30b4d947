//! `acl.rules` on the real binary: allowed, refused in words, withheld; wrong rules at the start.

use super::support::broker::Start;
use super::support::{Broker, Connect};

fn broker(rules: &str) -> Broker {
    Broker::with(&[("HOMING__ACL__DEFAULT", "allow"), ("HOMING__ACL__RULES", rules)])
}

/// Threat I2.
#[test]
fn a_denied_topic_is_withheld_from_a_wider_filter_and_refused_by_its_name() {
    let broker = broker(r#"[{ deny = "subscribe", topic = "test/nosubscribe" }]"#);
    let mut phone = broker.device("alice", "phone");
    assert_eq!(phone.subscribe("test/nosubscribe", 1), 0x80);
    assert_eq!(phone.subscribe("#", 1), 1);
    broker.mail("test/nosubscribe", &["no"]);
    broker.mail("test/other", &["yes"]);
    assert_eq!(phone.take_text(), "yes");
    let labels = [("reason", "not_authorized")];
    assert_eq!(broker.metrics("homing_messages_dropped_total", &labels), 1.0);
}

#[test]
fn a_denial_is_told_with_the_rule_in_the_log() {
    let broker = broker(r#"[{ deny = "publish", topic = "news/#", user = "b*" }]"#);
    let mut bob = broker.device_v5("bob", "phone");
    let id = bob.publish("news/x", "no", 1);
    assert_eq!(bob.expect_puback(id), 0x87);
    broker.wait_for_log("bob may not publish to news/x: rule 1 (deny publish news/# for user b*)");
    let mut carol = Connect::v5("carol", "phone").open(broker.mqtt);
    carol.publish_acked("news/x", "yes", 1);
}

#[test]
fn a_wrong_rule_stops_the_start_and_is_named() {
    let rules = r#"[{ allow = "all", topic = "a/b" }, { allow = "all", topic = "a/{who}" }]"#;
    let refused = Start::dev().env("HOMING__ACL__RULES", rules).refused();
    assert!(refused.said.contains("rule 2 (allow all a/{who})"), "{}", refused.said);
    assert!(refused.said.contains("there is no {who}"), "{}", refused.said);
}

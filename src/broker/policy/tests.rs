//! What the policy answers, in words.

use super::*;
use crate::model::{Attrs, ClientId, InboxPattern};

fn identity(uid: &str, roles: &[&str]) -> Identity {
    let mut identity = Identity::user(Uid::parse(uid).unwrap());
    identity.client_id = ClientId::parse("phone").unwrap();
    identity.roles = roles.iter().map(|role| Role::parse(role).unwrap()).collect();
    identity.attrs = Attrs::new([("site".into(), "oslo".into())]).unwrap();
    identity
}

#[derive(serde::Deserialize)]
struct Rules {
    rules: Vec<RuleText>,
}

fn policy(plain: Access, inbox: InboxAccess, rules: &str) -> Policy {
    let Rules { rules } = toml::from_str(&format!("rules = [{rules}]")).unwrap();
    Policy::new(plain, inbox, &rules).unwrap()
}

fn publish(policy: &Policy, who: &Identity, topic: &str) -> Result<(), String> {
    let target = InboxPattern::default().target(topic).unwrap();
    policy.may(who, Action::Publish(&target)).map_err(|(_, words)| words.into())
}

fn subscribe(policy: &Policy, who: &Identity, filter: &str) -> Result<(), String> {
    let interest = InboxPattern::default().interest(filter).unwrap();
    policy.may(who, Action::Subscribe(&interest)).map_err(|(_, words)| words.into())
}

fn receives(policy: &Policy, who: &Identity, topic: &str) -> bool {
    policy.may(who, Action::Receive(topic)).is_ok()
}

#[test]
fn an_inbox_is_read_by_its_user_alone_and_written_by_anyone() {
    for plain in [Access::Allow, Access::Deny] {
        let policy = Policy::plain(plain);
        for filter in ["carol", "carol/envelope"] {
            let denied = subscribe(&policy, &identity("bob", &["operator"]), filter);
            assert!(denied.unwrap_err().contains("bob may not subscribe to carol"));
            assert!(subscribe(&policy, &identity("carol", &[]), filter).is_ok());
        }
        assert!(publish(&policy, &identity("bob", &[]), "carol").is_ok());
    }
}

#[test]
fn plain_topics_follow_the_default_where_no_rule_speaks() {
    for (plain, expected) in [(Access::Allow, true), (Access::Deny, false)] {
        let (policy, bob) = (Policy::plain(plain), identity("bob", &[]));
        assert_eq!(publish(&policy, &bob, "a/b").is_ok(), expected);
        assert_eq!(subscribe(&policy, &bob, "#").is_ok(), expected);
        assert_eq!(receives(&policy, &bob, "a/b"), expected);
        assert_eq!(policy.withholds(&bob), !expected);
    }
}

#[test]
fn the_first_rule_that_applies_decides_and_is_named() {
    let rules = r#"{ allow = "publish", topic = "news/{uid}" },
        { allow = "all", topic = "news/#", role = "editor" },
        { deny = "publish", topic = "news/#" }"#;
    let policy = policy(Access::Allow, InboxAccess::Open, rules);
    let (bob, ann) = (identity("bob", &[]), identity("ann", &["editor"]));
    assert!(publish(&policy, &bob, "news/bob").is_ok());
    assert!(publish(&policy, &ann, "news/x").is_ok());
    let words = "not allowed: bob may not publish to news/x: rule 3 (deny publish news/#)";
    assert_eq!(publish(&policy, &bob, "news/x").unwrap_err(), words);
    assert!(subscribe(&policy, &bob, "news/#").is_ok(), "it denies to publish alone");
    assert!(!policy.withholds(&bob));
}

/// What MQTT brokers do with a deny inside a wider filter: the subscription stands, the topic is
/// kept back.
#[test]
fn a_wider_filter_is_granted_and_the_denied_topics_in_it_are_withheld() {
    let rules = r#"{ deny = "subscribe", topic = "test/nosubscribe" }"#;
    let policy = policy(Access::Allow, InboxAccess::Open, rules);
    let bob = identity("bob", &[]);
    assert!(subscribe(&policy, &bob, "#").is_ok());
    assert!(subscribe(&policy, &bob, "test/+").is_ok());
    let denied = subscribe(&policy, &bob, "test/nosubscribe").unwrap_err();
    assert!(denied.contains("rule 1 (deny subscribe test/nosubscribe)"), "{denied}");
    assert!(policy.withholds(&bob));
    assert!(!receives(&policy, &bob, "test/nosubscribe"));
    assert!(receives(&policy, &bob, "test/other"));
    assert!(publish(&policy, &bob, "test/nosubscribe").is_ok());
}

#[test]
fn a_filter_wider_than_what_is_allowed_is_refused() {
    let policy =
        policy(Access::Deny, InboxAccess::Open, r#"{ allow = "subscribe", topic = "a/+/c" }"#);
    let bob = identity("bob", &[]);
    assert!(subscribe(&policy, &bob, "a/b/c").is_ok());
    assert!(subscribe(&policy, &bob, "a/+/c").is_ok());
    for wider in ["a/#", "+/b/c", "#", "a/+/+"] {
        assert!(subscribe(&policy, &bob, wider).unwrap_err().contains("acl.default is deny"));
    }
}

#[test]
fn a_rule_with_a_role_in_its_topic_stands_once_for_each_role() {
    let policy =
        policy(Access::Deny, InboxAccess::Open, r#"{ allow = "all", topic = "team/{role}/#" }"#);
    let bob = identity("bob", &["red", "blue"]);
    assert!(publish(&policy, &bob, "team/red/x").is_ok());
    assert!(publish(&policy, &bob, "team/blue/x").is_ok());
    assert!(publish(&policy, &bob, "team/green/x").is_err());
    assert!(publish(&policy, &identity("ann", &[]), "team/red/x").is_err());
}

#[test]
fn inboxes_can_be_closed_and_opened_by_rules() {
    let rules = r#"{ deny = "send", to = "ceo", user = "spam*" }, { allow = "send", to = "ceo" },
        { deny = "send", to = "vault" }"#;
    let policy = policy(Access::Deny, InboxAccess::Deny, rules);
    let bob = identity("bob", &[]);
    assert!(publish(&policy, &bob, "ceo").is_ok());
    assert!(publish(&policy, &identity("spam1", &[]), "ceo").unwrap_err().contains("rule 1"));
    let denied = publish(&policy, &bob, "carol").unwrap_err();
    assert_eq!(denied, "not allowed: bob may not send to carol: acl.inbox is deny");
    assert!(publish(&policy, &bob, "bob").is_ok());
    for role in ["operator", "service"] {
        let ops = identity("ops", &[role]);
        assert!(publish(&policy, &ops, "carol").is_ok());
        assert!(publish(&policy, &ops, "vault").unwrap_err().contains("rule 3"));
    }
}

#[test]
fn a_receiver_gets_its_own_mail_and_nothing_else() {
    let rules = r##"{ allow = "all", topic = "#" }, { allow = "send", to = "*" }"##;
    let policy = policy(Access::Allow, InboxAccess::Open, rules);
    for roles in [&["receiver"][..], &["receiver", "operator"]] {
        let app = identity("app", roles);
        for topic in ["bob", "app", "a/b"] {
            let denied = publish(&policy, &app, topic).unwrap_err();
            assert!(denied.contains("the role receiver"), "{denied}");
        }
        assert!(subscribe(&policy, &app, "app").is_ok());
        assert!(subscribe(&policy, &app, "app/envelope").is_ok());
        assert!(subscribe(&policy, &app, "a/b").is_err());
        assert!(policy.withholds(&app) && !receives(&policy, &app, "a/b"));
    }
}

#[test]
fn operators_read_the_topics_of_the_server_whatever_the_rules_say() {
    let rules = r##"{ allow = "all", topic = "+/#" }, { deny = "all", topic = "#" }"##;
    let policy = policy(Access::Allow, InboxAccess::Open, rules);
    let (bob, ops) = (identity("bob", &[]), identity("ops", &["operator"]));
    assert!(!receives(&policy, &bob, "$SYS/broker/uptime"));
    assert!(receives(&policy, &ops, "$SYS/broker/uptime"));
}

#[test]
fn topics_of_the_server_are_read_by_others_as_rules_and_default_say() {
    let bob = identity("bob", &[]);
    let reads = |default, rules| receives(&policy(default, InboxAccess::Open, rules), &bob, SYS);
    assert!(reads(Access::Allow, ""));
    assert!(!reads(Access::Deny, ""));
    assert!(!reads(Access::Deny, r##"{ allow = "all", topic = "#" }"##));
    assert!(reads(Access::Deny, r#"{ allow = "subscribe", topic = "$SYS/#" }"#));
    assert!(!reads(Access::Allow, r#"{ deny = "subscribe", topic = "$SYS/broker/+" }"#));
}

const SYS: &str = "$SYS/broker/uptime";

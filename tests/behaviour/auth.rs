//! Who one is and what one may: logins, other people's inboxes, plain topics.

use super::support::{Broker, Connect, V5, V311, words};

#[test]
fn a_wrong_password_is_refused() {
    let broker = Broker::dev();
    for uid in ["alice", "nobody"] {
        assert_eq!(Connect::v311(uid, "phone").password("wrong").refused(broker.mqtt), 4);
        assert_eq!(Connect::v5(uid, "phone").password("wrong").refused(broker.mqtt), 0x86);
        broker.log.wait_for(&[uid, "phone", words::BAD_LOGIN]);
    }
}

#[test]
fn no_name_or_no_password_is_refused() {
    let broker = Broker::dev();
    for version in [V311, V5] {
        let refusals: &[u8] = if version == V5 { &[0x86, 0x87] } else { &[4, 5] };
        let with = |uid: Option<&str>, password: Option<&str>| {
            let mut connect = Connect::new(version, "", "phone");
            connect.uid = uid.map(str::to_owned);
            connect.password = password.map(Into::into);
            connect.refused(broker.mqtt)
        };
        assert!(refusals.contains(&with(None, None)));
        assert!(refusals.contains(&with(Some("alice"), None)));
        assert!(refusals.contains(&with(Some("alice"), Some(""))));
        assert!(refusals.contains(&with(Some(""), Some("dev"))));
    }
}

#[test]
fn a_password_may_be_any_bytes_and_is_compared_whole() {
    let broker = Broker::dev();
    for wrong in ["de", "devdev", "DEV", "dev "] {
        assert_eq!(Connect::v311("alice", "phone").password(wrong).refused(broker.mqtt), 4);
    }
    let mut connect = Connect::v311("alice", "phone");
    connect.password = Some(vec![0xFF, 0x00]);
    assert_eq!(connect.refused(broker.mqtt), 4);
}

#[test]
fn a_refused_login_takes_nothing_over() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    Connect::v311("alice", "phone").password("wrong").refused(broker.mqtt);
    phone.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn a_uid_that_cannot_be_is_refused() {
    let broker = Broker::with(&[("HOMING__AUTH__PROVIDER", "open")]);
    let long = "x".repeat(129);
    for uid in ["#", "+", "a/b", "$SYS", "a+b", long.as_str(), "group", "room", "push"] {
        let code = Connect::v5(uid, "phone").refused(broker.mqtt);
        assert!([0x85, 0x86, 0x87].contains(&code), "{uid}: {code:#04x}");
    }
    Connect::v5(&"x".repeat(128), "phone").open(broker.mqtt);
}

#[test]
fn another_users_inbox_cannot_be_subscribed_to() {
    let broker = Broker::dev();
    let mut carol = broker.device("carol", "spy");
    assert_eq!(carol.subscribe("alice", 1), 0x80);
    broker.log.wait_for(&["carol", "spy", "alice", words::NOT_ALLOWED]);
    let mut carol = broker.device_v5("carol", "spy");
    assert_eq!(carol.subscribe("alice", 1), 0x87);
    broker.mail("alice", &["secret"]);
    carol.expect_marker_from(&mut broker.device("bob", "post"), "carol");
}

#[test]
fn plain_topics_are_closed_unless_the_acl_opens_them() {
    let broker = Broker::with(&[("HOMING__ACL__DEFAULT", "deny")]);
    let mut alice = broker.device_v5("alice", "phone");
    assert_eq!(alice.subscribe("news/today", 1), 0x87);
    let id = alice.publish("news/today", "x", 1);
    assert_eq!(alice.expect_puback(id), 0x87);
    let mut old = broker.device("bob", "desk");
    assert_eq!(old.subscribe("news/today", 1), 0x80);
}

#[test]
fn a_publish_to_nobody_is_refused() {
    let broker = Broker::dev();
    let mut bob = broker.device_v5("bob", "post");
    for qos in [1, 2] {
        let id = bob.publish("no-such-user", "x", qos);
        let reason = if qos == 1 { bob.expect_puback(id) } else { bob.expect_pubrec(id) };
        assert_eq!(reason, 0x87);
    }
    // A refused QoS 2 id is free again.
    bob.publish_acked("alice", "x", 2);
}

// An acknowledgement would lie, and 3.1.1 has no other word.
#[test]
fn a_refused_publish_closes_a_3_1_1_connection() {
    let broker = Broker::dev();
    for qos in [1, 2] {
        let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
        bob.publish("no-such-user", "x", qos);
        assert_eq!(bob.expect_closed(), []);
    }
    broker.log.wait_for(&["bob", "post", "no-such-user"]);
}

#[test]
fn a_refused_publish_at_qos_0_is_dropped_and_counted() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "post");
    bob.publish("no-such-user", "x", 0);
    bob.ping();
    let dropped = || broker.metrics("homing_messages_dropped_total", &[]);
    super::support::wait_until("one dropped message", || (dropped() == 1.0).then_some(()));
}

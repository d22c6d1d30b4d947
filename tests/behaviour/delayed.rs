//! `$delayed/{seconds}/{topic}`: what waits for its time goes out then, once, and late rather than
//! never.

use std::time::{Duration, Instant};

use super::support::client::message;
use super::support::{Broker, Client, Connect, Packet, Publish, prop, wait_until};

const SECOND: Duration = Duration::from_secs(1);

fn in_secs(secs: u32, topic: &str) -> String {
    format!("$delayed/{secs}/{topic}")
}

fn key(name: &str) -> Vec<u8> {
    prop::user("delayed-key", name)
}

/// The reason code and the words of the PUBACK.
fn refused(client: &mut Client, topic: &str, payload: &str, props: &[u8]) -> (u8, String) {
    let id = client.publish_with(topic, payload, 1, props);
    client.recv_first("PUBACK", |packet| match packet {
        Packet::PubAck { id: found, reason, props } if *found == id => {
            Some((*reason, props.text(prop::REASON_STRING).unwrap_or_default()))
        }
        _ => None,
    })
}

fn figure(broker: &Broker, name: &str) -> f64 {
    broker.metrics(&format!("homing_schedules_{name}_total"), &[])
}

fn wait_for_refused(broker: &Broker, reason: &str) {
    let name = "homing_schedules_refused_total";
    wait_until(reason, || (broker.metrics(name, &[("reason", reason)]) == 1.0).then_some(()));
}

#[test]
fn mail_comes_when_it_is_due_and_not_before() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    let start = Instant::now();
    let hour = prop::u32(prop::MESSAGE_EXPIRY, 3600);
    let props = [hour, prop::user("n", "1")].concat();
    bob.publish_acked_with(&in_secs(3, "alice"), "second", 1, &props);
    bob.publish_acked("alice", "now", 1);
    bob.publish_acked(&in_secs(1, "alice"), "first", 2);
    assert_eq!(phone.take_text(), "now");
    assert_eq!(phone.take_text(), "first");
    assert!(start.elapsed() >= SECOND);
    let second = phone.take();
    assert!(start.elapsed() >= 3 * SECOND);
    assert_eq!((second.topic.as_str(), second.text()), ("alice", "second"));
    assert_eq!((second.props.user("from"), second.props.user("n")), (Some("bob"), Some("1")));
    // What it may live began when it went out.
    assert!(second.props.number(prop::MESSAGE_EXPIRY).unwrap() > 3590);
    wait_until("both are counted", || (figure(&broker, "fired") == 2.0).then_some(()));
}

#[test]
fn a_client_of_3_1_1_may_leave_one_too() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = broker.device("bob", "laptop");
    bob.publish_acked(&in_secs(1, "alice"), "later", 1);
    bob.publish(&in_secs(0, "alice"), "at once", 0);
    assert_eq!(phone.take_texts(2), ["at once", "later"]);
}

#[test]
fn a_plain_topic_gets_it_with_its_qos_and_keeps_it_if_it_is_retained() {
    let broker = Broker::with_plain_topics();
    let mut carol = broker.device("carol", "desk");
    carol.subscribe("news/#", 2);
    let mut bob = broker.device_v5("bob", "laptop");
    let id = bob.next_id();
    let topic = in_secs(1, "news/rust");
    let publish = Publish { retain: true, ..message(&topic, "1.95", 1, id) };
    bob.send_publish(&publish, &[]);
    assert_eq!(bob.expect_puback(id), 0);
    bob.publish_acked(&in_secs(1, "news/go"), "2", 2);
    let mut got = [carol.take(), carol.take()];
    got.sort_by(|a, b| a.topic.cmp(&b.topic));
    let [go, rust] = got;
    assert_eq!((go.topic.as_str(), go.text(), go.qos), ("news/go", "2", 2));
    assert_eq!((rust.topic.as_str(), rust.text(), rust.qos), ("news/rust", "1.95", 1));
    let mut late = broker.device("alice", "late");
    late.subscribe("news/#", 1);
    let kept = late.take();
    assert_eq!((kept.text(), kept.retain), ("1.95", true));
    late.expect_silence();
}

#[test]
fn a_key_replaces_and_an_empty_payload_cancels() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    let mut carol = broker.device_v5("carol", "laptop");
    bob.publish_acked_with(&in_secs(1, "alice"), "12:00?", 1, &key("lunch"));
    bob.publish_acked_with(&in_secs(2, "alice"), "12:30?", 1, &key("lunch"));
    bob.publish_acked_with(&in_secs(1, "alice"), "never", 1, &key("mistake"));
    // Somebody else's, under the same name.
    carol.publish_acked_with(&in_secs(1, "alice"), "carol's", 1, &key("mistake"));
    bob.publish_acked_with(&in_secs(1, "alice"), "", 1, &key("mistake"));
    let (reason, words) = refused(&mut bob, &in_secs(1, "alice"), "", &key("mistake"));
    assert_eq!(reason, 0x83);
    assert!(words.contains("nothing waits under this key"), "{words}");
    assert_eq!(phone.take_texts(2), ["carol's", "12:30?"]);
    // Without a key an empty payload is a message.
    bob.publish_acked(&in_secs(0, "alice"), "", 1);
    assert_eq!(phone.take_text(), "");
    // It has gone out: what comes now is another one.
    let (reason, _) = refused(&mut bob, &in_secs(1, "alice"), "", &key("lunch"));
    assert_eq!(reason, 0x83);
}

#[test]
fn the_publishers_own_id_and_a_resend_are_recognised() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = Connect::v5("bob", "laptop").durable().device(broker.mqtt);
    let topic = in_secs(1, "alice");
    let own = prop::user("message-id", "1");
    bob.publish_acked_with(&topic, "once", 1, &own);
    bob.publish_acked_with(&topic, "once", 1, &own);
    let id = bob.publish(&topic, "twice?", 2);
    assert_eq!(bob.expect_pubrec(id), 0);
    bob.cut();
    let mut bob = Connect::v5("bob", "laptop").durable().open(broker.mqtt);
    bob.send_publish(&Publish { dup: true, ..message(&topic, "twice?", 2, id) }, &[]);
    assert_eq!(bob.expect_pubrec(id), 0);
    bob.pubrel(id);
    bob.expect_pubcomp(id);
    assert_eq!(phone.take_texts(2), ["once", "twice?"]);
    phone.expect_marker_from(&mut bob, "alice");
}

/// Threat M8.
#[test]
fn who_leaves_too_much_is_refused_in_words() {
    let broker = Broker::with(&[("HOMING__LIMITS__DELAYED_PER_USER", "1")]);
    let mut bob = broker.device_v5("bob", "laptop");
    bob.publish_acked_with(&in_secs(600, "alice"), "one", 1, &key("k"));
    let (reason, words) = refused(&mut bob, &in_secs(600, "alice"), "two", &[]);
    assert_eq!(reason, 0x97);
    assert!(words.contains("limits.delayed_per_user"), "{words}");
    bob.publish_acked_with(&in_secs(600, "alice"), "instead", 1, &key("k"));
    // Another user has room of its own.
    broker.device_v5("carol", "laptop").publish_acked(&in_secs(600, "alice"), "one", 1);
}

#[test]
fn topics_that_say_nothing_and_subscriptions_are_refused() {
    let broker = Broker::with_plain_topics();
    let mut bob = broker.device_v5("bob", "laptop");
    for topic in ["$delayed/x/alice", "$delayed/4294968/alice", "$delayed/1", "$delayed/-1/a/b"] {
        let (reason, words) = refused(&mut bob, topic, "x", &[]);
        assert_eq!(reason, 0x90, "{topic}");
        assert!(words.contains("whole seconds from 0 to 4294967"), "{words}");
    }
    // Where it goes is judged as if it went now.
    assert_eq!(refused(&mut bob, "$delayed/1/alice/envelope", "x", &[]).0, 0x87);
    assert_eq!(refused(&mut bob, "$delayed/1/$SYS/x", "x", &[]).0, 0x87);
    assert_eq!(refused(&mut bob, "$delayed/1/nobody-there", "x", &[]).0, 0x87);
    let (reason, words) = refused(&mut bob, &in_secs(1, "alice"), "x", &key(&"k".repeat(257)));
    assert_eq!(reason, 0x97);
    assert!(words.contains("at most 256 bytes"), "{words}");
    for filter in ["$delayed/#", "$delayed/1/alice", "$delayed/+/+"] {
        assert_eq!(bob.subscribe(filter, 1), 0x87, "{filter}");
    }
    assert_eq!(broker.device("carol", "desk").subscribe("$delayed/#", 1), 0x80);
}

/// Threat I8.
#[test]
fn who_has_no_right_any_more_when_it_is_due_sends_nothing() {
    let broker = Broker::with(&[("HOMING__ACL__INBOX", "deny")]);
    let add = broker.command(&["user", "add", "shop", "--password-stdin", "--role", "service"]);
    add.stdin("dev\n").ok();
    let mut shop = broker.device_v5("shop", "till");
    shop.publish_acked(&in_secs(1, "alice"), "a coupon", 1);
    broker.command(&["user", "roles", "shop"]).ok();
    wait_for_refused(&broker, "not_authorized");
    let mut alice = broker.device_v5("alice", "phone");
    alice.publish_acked(&in_secs(1, "alice"), "note to myself", 1);
    broker.command(&["ban", "add", "--user", "alice"]).ok();
    wait_for_refused(&broker, "banned");
    assert_eq!(figure(&broker, "fired"), 0.0);
}

/// Threat I8.
#[test]
fn a_user_who_is_removed_leaves_nothing_to_the_next_of_that_name() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    broker.add_user("eve", "dev");
    broker.device_v5("eve", "x").publish_acked(&in_secs(1, "alice"), "from beyond", 1);
    broker.command(&["user", "remove", "eve"]).ok();
    broker.add_user("eve", "dev");
    let mut eve = broker.device_v5("eve", "x");
    eve.publish_acked(&in_secs(1, "alice"), "from the new one", 1);
    assert_eq!(phone.take_text(), "from the new one");
}

/// Threat D8. Due while the broker is away.
#[test]
fn what_was_due_while_nobody_was_there_goes_out_at_the_start() {
    let mut broker = Broker::dev();
    broker.know("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    for text in ["one", "two"] {
        bob.publish_acked(&in_secs(1, "alice"), text, 1);
    }
    let due = Instant::now() + SECOND;
    assert!(broker.terminate().success());
    wait_until("the time at which it is due", || (Instant::now() > due).then_some(()));
    broker.restart();
    assert_eq!(broker.device_v5("alice", "phone").take_texts(2), ["one", "two"]);
}

/// Threat D8. Killed before they are due, in the middle of them, and after the last one.
#[test]
fn nothing_is_lost_and_nothing_comes_twice_into_an_inbox_whenever_the_broker_is_killed() {
    const COUNT: usize = 40;
    let mut broker = Broker::dev();
    broker.know("alice", "archive");
    for (round, watched) in [0, 1, 7, COUNT].into_iter().enumerate() {
        let mut phone = broker.device_v5("alice", &format!("phone{round}"));
        let mut bob = broker.device_v5("bob", "laptop");
        let topic = in_secs(1, "alice");
        let ids: Vec<u16> =
            (0..COUNT).map(|n| bob.publish(&topic, format!("{round} {n:02}"), 1)).collect();
        for id in ids {
            assert_eq!(bob.expect_puback(id), 0);
        }
        // Some of them have come, the others are on their way.
        phone.take_texts(watched);
        broker.crash();
        // The rest comes, before the next round begins.
        let mut again = broker.device_v5("alice", &format!("phone{round}"));
        wait_until_seen(&mut again, &format!("{round} {:02}", COUNT - 1), watched == COUNT);
    }
    let mut archive = broker.device_v5("alice", "archive");
    let mut texts = archive.take_texts(4 * COUNT);
    texts.sort();
    let expected = (0..4).flat_map(|round| (0..COUNT).map(move |n| format!("{round} {n:02}")));
    assert_eq!(texts, expected.collect::<Vec<_>>());
    archive.expect_silence();
}

fn wait_until_seen(phone: &mut Client, last: &str, seen_before: bool) {
    while !seen_before && phone.take_text() != last {}
}

/// More than go out at a time, all due at the same moment.
#[test]
fn a_thousand_due_at_once_go_out_in_the_order_in_which_they_were_left() {
    const COUNT: usize = 1000;
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "laptop");
    let topic = in_secs(2, "alice");
    for part in 0..COUNT / 50 {
        let ids: Vec<u16> =
            (0..50).map(|n| bob.publish(&topic, (part * 50 + n).to_string(), 1)).collect();
        for id in ids {
            assert_eq!(bob.expect_puback(id), 0);
        }
    }
    let texts = phone.take_texts(COUNT);
    assert_eq!(texts, (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
}

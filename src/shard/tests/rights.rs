//! What the rules forbid by now: kept back at delivery, without holding up what is behind it.

use crate::model::{Identity, Reason, Role, Uid};
use crate::mqtt::QoS;
use crate::shard::Token;

use super::world::{World, durable, v5, v311};

const NO_SECRETS: &str = r#"{ deny = "subscribe", topic = "a/secret" }"#;

fn back(world: &mut World) -> Token {
    let phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone)[0], "CONNACK 00 present");
    phone
}

fn subscriptions(world: &World) -> usize {
    world.shard.with_tree(|tree| tree.len())
}

fn receiver(uid: &str) -> Identity {
    let roles = [Role::Receiver].into();
    Identity { roles, ..Identity::user(Uid::parse(uid).unwrap()) }
}

/// Threat I2.
#[test]
fn a_live_copy_of_a_denied_topic_is_withheld_from_a_wider_filter() {
    let mut world = World::new();
    world.rules(NO_SECRETS);
    let (phone, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        world.subscribe(phone, "a/+", qos);
        world.take(phone);
        world.publish(post, "a/secret", "no");
        world.publish1(post, "a/secret", "no", 1);
        world.publish2(post, "a/secret", "no", 2);
        world.pubrel(post, 2);
        world.publish(post, "a/open", "yes");
        assert_eq!(world.take(phone), ["PUBLISH q0 a/open yes"]);
    }
    assert_eq!(world.dropped(Reason::NotAuthorized), 9);
    world.subscribe(phone, "a/secret", QoS::AtLeastOnce);
    assert_eq!(world.take(phone), ["SUBACK #1 [80]"]);
}

/// Threats I2 and I3.
#[test]
fn what_waits_in_a_queue_is_withheld_and_what_is_behind_it_comes() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/#", QoS::ExactlyOnce);
    world.lose(phone);
    let post = world.device("bob", "post");
    world.publish1(post, "a/secret", "one", 1);
    world.publish2(post, "a/secret", "two", 2);
    world.publish1(post, "a/open", "three", 3);
    world.rules(NO_SECRETS);
    let phone = back(&mut world);
    assert_eq!(world.take(phone), [""; 0]);
    let phone = {
        world.lose(phone);
        world.connect("alice", durable("phone"))
    };
    // The place in the queue, and with it the packet id, is the one it always had.
    assert_eq!(world.take(phone)[1..], ["PUBLISH q1 #3 dup a/open three"]);
    world.puback(phone, 3);
    world.lose(phone);
    let phone = back(&mut world);
    assert_eq!(world.take(phone), [""; 0]);
}

/// The client may hold the packet id of a QoS 2 message: it is released and not sent.
#[test]
fn a_qos_2_message_under_way_is_released_and_not_sent_again() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/#", QoS::ExactlyOnce);
    let post = world.device("bob", "post");
    world.publish2(post, "a/secret", "one", 1);
    assert!(world.take(phone).contains(&"PUBLISH q2 #1 a/secret one".into()));
    world.rules(NO_SECRETS);
    world.lose(phone);
    let phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone)[1..], ["PUBREL #1 00"]);
    world.pubcomp(phone, 1);
    world.publish1(post, "a/open", "two", 2);
    assert_eq!(world.take(phone), ["PUBLISH q1 #2 a/open two"]);
}

/// Threat I3.
#[test]
fn new_rules_end_the_subscriptions_that_they_forbid() {
    let mut world = World::new();
    let (phone, desk) =
        (world.connect("alice", durable("phone")), world.connect("alice", v311("desk")));
    for token in [phone, desk] {
        world.subscribe(token, "a/secret", QoS::AtLeastOnce);
        world.subscribe(token, "a/+", QoS::AtLeastOnce);
        world.take(token);
    }
    assert_eq!(subscriptions(&world), 4);
    world.rules(NO_SECRETS);
    assert_eq!(subscriptions(&world), 2);
    world.rules("");
    let post = world.device("bob", "post");
    world.publish1(post, "a/secret", "again", 1);
    assert_eq!(world.take(phone), ["PUBLISH q1 #1 a/secret again"], "by the other filter");
    world.unsubscribe(phone, "a/+");
    world.crash();
    assert_eq!(subscriptions(&world), 0, "the store has forgotten it too");
}

/// Threat I3.
#[test]
fn a_session_that_was_away_loses_its_forbidden_subscriptions_when_it_comes_back() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/secret", QoS::AtLeastOnce);
    world.lose(phone);
    world.rules(NO_SECRETS);
    assert_eq!(subscriptions(&world), 1);
    let post = world.device("bob", "post");
    world.publish1(post, "a/secret", "no", 1);
    let phone = back(&mut world);
    assert_eq!(subscriptions(&world), 0);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
    world.rules("");
    world.lose(phone);
    let phone = back(&mut world);
    world.publish1(post, "a/secret", "still no", 2);
    assert_eq!(world.take(phone), [""; 0]);
}

/// A session that was left by a user with other rights is another one's to no avail.
#[test]
fn a_receiver_gets_nothing_of_what_its_session_had_subscribed_to_before() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "no", 1);
    world.publish1(post, "alice", "mail", 2);
    let phone = world.connect_as(receiver("alice"), durable("phone"));
    world.settle();
    assert_eq!(world.take(phone)[1..], ["PUBLISH q1 #32768 alice mail"]);
    world.publish1(post, "a/b", "no", 3);
    assert_eq!(world.take(phone), [""; 0]);
}

#[test]
fn a_receiver_publishes_nothing_and_subscribes_to_its_own_mail_alone() {
    let mut world = World::new();
    let app = world.connect_as(receiver("app"), v5("phone"));
    for (id, topic) in [(1, "bob"), (2, "app"), (3, "a/b")] {
        world.publish1(app, topic, "x", id);
        assert!(world.take(app).contains(&format!("PUBACK #{id} 87")), "{topic}");
    }
    for (filter, code) in [("a/b", "87"), ("#", "87"), ("app/envelope", "01")] {
        world.subscribe(app, filter, QoS::AtLeastOnce);
        assert_eq!(world.take(app), [format!("SUBACK #1 [{code}]")], "{filter}");
    }
}

/// Rights are asked with the sender's roles, and only once: what was accepted is delivered.
#[test]
fn what_was_accepted_from_a_role_reaches_live_subscribers() {
    let mut world = World::new();
    world.rules(
        r#"{ allow = "publish", topic = "news/#", role = "editor" },
           { deny = "publish", topic = "news/#" }"#,
    );
    let phone = world.device("alice", "phone");
    world.subscribe(phone, "news/+", QoS::AtLeastOnce);
    world.take(phone);
    let roles = [Role::parse("editor").unwrap()].into();
    let editor = Identity { roles, ..Identity::user(Uid::parse("ed").unwrap()) };
    let editor = world.connect_as(editor, durable("desk"));
    world.take(editor);
    world.publish2(editor, "news/x", "extra", 7);
    assert_eq!(world.take(editor), ["PUBREC #7 00"]);
    assert_eq!(world.take(phone), ["PUBLISH q1 #1 news/x extra"]);
}

/// Threat I3. The topic that a client published to last is known, but not what it may do there.
#[test]
fn whoever_publishes_to_one_topic_is_asked_about_each_message() {
    let mut world = World::new();
    let (phone, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    world.subscribe(phone, "a/+", QoS::AtMostOnce);
    world.take(phone);
    world.publish(post, "a/b", "one");
    world.rules(r#"{ deny = "publish", topic = "a/b", user = "bob" }"#);
    world.publish(post, "a/b", "two");
    world.rules("");
    world.publish(post, "a/b", "three");
    assert_eq!(world.take(phone), ["PUBLISH q0 a/b one", "PUBLISH q0 a/b three"]);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
}

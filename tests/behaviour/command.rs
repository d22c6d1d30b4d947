//! `homing pub` and `homing sub` take mosquitto's letters and work on any broker's port.

use super::support::command::{Homing, homing};
use super::support::{Broker, Connect};

/// `homing VERB` as this user against this broker.
fn client(broker: &Broker, verb: &str, uid: &str, words: &[&str]) -> Homing {
    let port = broker.mqtt.port().to_string();
    let login = [verb, "-h", "127.0.0.1", "-p", &port, "-u", uid, "-P", "dev"];
    homing(&[&login, words].concat())
}

#[test]
fn pub_sends_and_sub_receives() {
    let broker = Broker::dev();
    for qos in ["0", "1", "2"] {
        client(&broker, "pub", "bob", &["-t", "alice", "-m", "hello", "-q", qos]).ok();
    }
    let words = ["-i", "phone", "-C", "3"];
    assert_eq!(client(&broker, "sub", "alice", &words).ok(), "hello\nhello\nhello");
}

#[test]
fn sub_v_prints_topics() {
    let broker = Broker::dev();
    broker.mail("alice", &["hello"]);
    let words = ["-i", "phone", "-v", "-C", "1"];
    assert_eq!(client(&broker, "sub", "alice", &words).ok(), "alice hello");
}

#[test]
fn sub_t_subscribes_to_plain_topics() {
    let broker = Broker::with_plain_topics();
    let words = ["-i", "desk", "-t", "news/+", "-q", "1", "-v", "-C", "1"];
    let sub = client(&broker, "sub", "alice", &words).start();
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    // Nobody says when it has subscribed: publish until it has.
    let line = super::support::wait_until("a line", || {
        bob.publish_acked("news/today", "hello", 1);
        sub.stdout.all().first().cloned()
    });
    assert_eq!(line, "news/today hello");
    sub.succeed();
}

#[test]
fn sub_w_gives_up_after_a_while() {
    let broker = Broker::dev();
    let done = client(&broker, "sub", "alice", &["-i", "phone", "-W", "1"]).run();
    assert!(!done.status.success(), "mosquitto_sub says 27");
    assert_eq!(done.stdout, "");
}

#[test]
fn a_wrong_password_is_said_and_exits_non_zero() {
    let broker = Broker::dev();
    let port = broker.mqtt.port().to_string();
    let words = ["pub", "-p", &port, "-u", "bob", "-P", "wrong", "-t", "alice", "-m", "x"];
    let said = homing(&words).fails();
    assert!(said.contains("password"), "{said}");
}

#[test]
fn a_refused_publish_is_said_and_exits_non_zero() {
    let broker = Broker::dev();
    let said = client(&broker, "pub", "bob", &["-t", "no-such-user", "-m", "x", "-q", "1"]).fails();
    assert!(!said.is_empty());
}

#[test]
fn nobody_there_is_said_and_exits_non_zero() {
    let mut broker = Broker::dev();
    broker.kill9();
    let said = client(&broker, "pub", "bob", &["-t", "alice", "-m", "x"]).fails();
    assert!(said.contains(&broker.mqtt.port().to_string()), "{said}");
}

#[test]
fn every_verb_has_help() {
    for verb in ["dev", "serve", "pub", "sub", "user", "config", "bench"] {
        let help = homing(&[verb, "--help"]).ok();
        assert!(help.contains("Usage"), "{verb}: {help}");
    }
}

//! `$share/{name}/{filter}`: each message to one member of the group; nothing durable is lost with
//! a member that leaves.

use std::collections::BTreeSet;

use super::support::client::message;
use super::support::{Broker, Client, Connect, Publish, V5, V311, prop};

const TOPIC: &str = "jobs/today";
const SHARE: &str = "$share/workers/jobs/+";
const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// A member of its own user and client id, so that they are spread over the broker's threads.
fn connect(number: usize, version: u8) -> Connect {
    Connect::new(version, USERS[number % 3], &format!("member-{number}"))
}

fn member(broker: &Broker, number: usize, version: u8, qos: u8) -> Client {
    let mut client = connect(number, version).open(broker.mqtt);
    assert_eq!(client.subscribe(SHARE, qos), qos);
    client
}

/// A durable member that has gone again.
fn away(broker: &Broker, number: usize, qos: u8) -> Connect {
    let connect = connect(number, V5).durable();
    let mut client = connect.open(broker.mqtt);
    assert_eq!(client.subscribe(SHARE, qos), qos);
    client.disconnect();
    connect
}

/// Publishes that many and returns their texts, in order; all are acknowledged.
fn publish(broker: &Broker, count: usize, qos: u8) -> Vec<String> {
    let texts: Vec<String> = (0..count).map(|n| format!("job {n:03}")).collect();
    let mut sender = Connect::v5("alice", "sender").open(broker.mqtt);
    texts.iter().for_each(|text| sender.publish_acked(TOPIC, text, qos));
    sender.disconnect();
    texts
}

fn all(lists: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = lists.into_iter().flatten().collect();
    all.sort();
    all
}

/// Takes until these have come, whatever comes twice; QoS 1 may.
fn take_all(client: &mut Client, expected: &[String]) {
    let mut missing: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    while !missing.is_empty() {
        let text = client.take_text();
        assert!(expected.contains(&text), "{text} is not expected");
        missing.remove(text.as_str());
    }
}

#[test]
fn the_server_says_that_it_has_them() {
    let broker = Broker::with_plain_topics();
    let (_, ack) = Connect::v5("alice", "phone").open_with_ack(broker.mqtt);
    assert_eq!(ack.props.number(0x2A).unwrap_or(1), 1);
}

#[test]
fn members_take_turns() {
    let broker = Broker::with_plain_topics();
    for count in 2..=5 {
        for qos in 0..=2 {
            let version = if qos == 1 { V311 } else { V5 };
            let mut members: Vec<Client> =
                (0..count).map(|number| member(&broker, number, version, qos)).collect();
            let texts = publish(&broker, 10 * count, qos);
            let taken = members.iter_mut().map(|member| {
                let taken = member.take_texts(10);
                assert!(taken.is_sorted(), "{taken:?}");
                taken
            });
            assert_eq!(all(taken.collect::<Vec<_>>()), texts);
            for mut member in members {
                member.expect_silence();
                member.disconnect();
            }
        }
    }
}

#[test]
fn the_lower_of_the_two_qos_holds_and_retain_is_not_set() {
    let broker = Broker::with_plain_topics();
    let mut one = member(&broker, 1, V5, 1);
    let mut sender = Connect::v5("alice", "sender").open(broker.mqtt);
    for (qos, expected) in [(0, 0), (1, 1), (2, 1)] {
        let id = if qos > 0 { sender.next_id() } else { 0 };
        let publish = Publish { retain: true, ..message(TOPIC, "x", qos, id) };
        sender.send_publish(&publish, &[]);
        let taken = one.take();
        assert_eq!((taken.qos, taken.retain), (expected, false));
        if qos == 2 {
            assert_eq!(sender.expect_pubrec(id), 0);
            sender.pubrel(id);
            sender.expect_pubcomp(id);
        }
    }
    // Retained now, and not for a shared subscription (3.8.3.1).
    member(&broker, 2, V5, 1).expect_silence();
}

#[test]
fn each_group_and_each_ordinary_subscriber_has_its_own_copy() {
    let broker = Broker::with_plain_topics();
    let mut workers: Vec<Client> = (0..2).map(|n| member(&broker, n, V5, 1)).collect();
    let mut auditors: Vec<Client> = (2..4).map(|n| connect(n, V5).open(broker.mqtt)).collect();
    for auditor in &mut auditors {
        assert_eq!(auditor.subscribe("$share/auditors/jobs/#", 1), 1);
    }
    // Ordinary and member at once: two copies of those that it is picked for.
    let mut both = connect(4, V5).open(broker.mqtt);
    assert_eq!(both.subscribe("$share/auditors/#", 1), 1);
    assert_eq!(both.subscribe("jobs/#", 1), 1);
    let texts = publish(&broker, 6, 1);
    assert_eq!(all(workers.iter_mut().map(|c| c.take_texts(3)).collect::<Vec<_>>()), texts);
    assert_eq!(all(auditors.iter_mut().map(|c| c.take_texts(3)).collect::<Vec<_>>()), texts);
    let twice = all([both.take_texts(12)]);
    assert_eq!(twice, all([texts.clone(), texts]), "alone in a group of another filter");
}

#[test]
fn what_a_leaver_has_not_acknowledged_is_for_the_others() {
    let broker = Broker::with_plain_topics();
    // Two in flight, three that wait behind them.
    let receive_maximum = prop::u16(prop::RECEIVE_MAXIMUM, 2);
    let mut leaver = connect(1, V5).prop(receive_maximum).open(broker.mqtt);
    assert_eq!(leaver.subscribe(SHARE, 1), 1);
    let mut other = member(&broker, 2, V5, 1);
    let texts = publish(&broker, 10, 1);
    leaver.expect_publish();
    leaver.expect_publish();
    leaver.cut();
    take_all(&mut other, &texts);
    other.expect_silence();
}

/// [MQTT-4.8.2-4], [MQTT-4.8.2-5].
#[test]
fn what_was_sent_with_qos_2_is_sent_to_nobody_else() {
    let broker = Broker::with_plain_topics();
    let receive_maximum = prop::u16(prop::RECEIVE_MAXIMUM, 2);
    let mut leaver = connect(1, V5).prop(receive_maximum).open(broker.mqtt);
    assert_eq!(leaver.subscribe(SHARE, 2), 2);
    let mut other = member(&broker, 2, V5, 2);
    let texts = publish(&broker, 10, 2);
    let sent = [leaver.expect_publish(), leaver.expect_publish()].map(|p| p.text().to_owned());
    leaver.cut();
    let taken = all([other.take_texts(8)]);
    let expected: Vec<String> = texts.into_iter().filter(|text| !sent.contains(text)).collect();
    assert_eq!(taken, expected);
    other.expect_silence();
}

#[test]
fn what_a_member_refuses_goes_to_nobody_else() {
    let broker = Broker::with_plain_topics();
    for (qos, answer) in [(1, 0x40), (2, 0x50)] {
        let mut members = [member(&broker, 1, V5, qos), member(&broker, 2, V5, qos)];
        publish(&broker, 2, qos);
        for one in &mut members {
            let [high, low] = one.expect_publish().id.to_be_bytes();
            one.send_raw(&[answer, 3, high, low, 0x83]);
        }
        let [first, mut second] = members;
        first.disconnect();
        second.expect_silence();
        second.disconnect();
    }
}

#[test]
fn who_unsubscribes_keeps_what_was_sent_and_leaves_the_rest() {
    let broker = Broker::with_plain_topics();
    let receive_maximum = prop::u16(prop::RECEIVE_MAXIMUM, 1);
    let mut leaver = connect(1, V5).prop(receive_maximum).open(broker.mqtt);
    assert_eq!(leaver.subscribe(SHARE, 1), 1);
    let mut other = member(&broker, 2, V5, 1);
    let texts = publish(&broker, 10, 1);
    let first = leaver.expect_publish();
    leaver.unsubscribe(SHARE);
    leaver.puback(first.id);
    leaver.expect_silence();
    let expected: Vec<String> = texts.into_iter().filter(|text| text != first.text()).collect();
    take_all(&mut other, &expected);
    let more = publish(&broker, 3, 1);
    assert_eq!(other.take_texts(3), more);
    leaver.expect_silence();
}

#[test]
fn who_is_away_gets_it_only_if_nobody_is_there() {
    let broker = Broker::with_plain_topics();
    let first = away(&broker, 1, 1);
    let mut here = member(&broker, 2, V5, 1);
    let texts = publish(&broker, 6, 1);
    assert_eq!(here.take_texts(6), texts);
    here.disconnect();
    let waiting = publish(&broker, 4, 1);
    let mut first = first.open(broker.mqtt);
    assert_eq!(first.take_texts(4), waiting);
    let mut here = member(&broker, 2, V5, 1);
    publish(&broker, 4, 1);
    assert_eq!((first.take_texts(2).len(), here.take_texts(2).len()), (2, 2));
    first.expect_silence();
    here.expect_silence();
}

#[test]
fn if_all_are_away_it_waits_for_one_of_them_and_survives_kill_9() {
    for qos in [1, 2] {
        let mut broker = Broker::with_plain_topics();
        let members: Vec<Connect> = (0..3).map(|n| away(&broker, n, qos)).collect();
        let mut texts = publish(&broker, 9, qos);
        broker.crash();
        // Their subscriptions are there again.
        let mut sender = Connect::v5("bob", "sender").open(broker.mqtt);
        for n in 0..3 {
            texts.push(format!("later {n}"));
            sender.publish_acked(TOPIC, &texts[9 + n], qos);
        }
        let taken = members.iter().map(|member| {
            let (mut client, ack) = member.open_with_ack(broker.mqtt);
            assert!(ack.session_present);
            let taken = client.take_texts(4);
            client.expect_silence();
            client.disconnect();
            taken
        });
        assert_eq!(all(taken.collect::<Vec<_>>()), texts);
    }
}

#[test]
fn a_clean_start_leaves_the_queue_to_the_others() {
    for qos in [1, 2] {
        let broker = Broker::with_plain_topics();
        let (first, second) = (away(&broker, 1, qos), away(&broker, 2, qos));
        let texts = publish(&broker, 8, qos);
        let mut first = first.clean(true).open(broker.mqtt);
        let mut second = second.open(broker.mqtt);
        assert_eq!(all([second.take_texts(8)]), texts);
        assert_eq!(broker.removed("handed_on"), 4.0);
        assert_eq!(broker.removed("session_ended"), 0.0);
        first.expect_silence();
        second.expect_silence();
    }
}

#[test]
fn a_connection_without_session_takes_over_what_nobody_else_can() {
    let broker = Broker::with_plain_topics();
    let first = away(&broker, 1, 1);
    let texts = publish(&broker, 4, 1);
    let mut here = member(&broker, 2, V311, 1);
    first.clean(true).open(broker.mqtt).disconnect();
    assert_eq!(here.take_texts(4), texts);
}

#[test]
fn the_last_member_takes_the_queue_with_it() {
    let broker = Broker::with_plain_topics();
    let first = away(&broker, 1, 1);
    publish(&broker, 4, 1);
    first.clean(true).open(broker.mqtt);
    broker.wait_for_removed("session_ended", 4);
}

#[test]
fn a_session_that_expires_leaves_its_queue_to_the_others() {
    let settings = [("HOMING__ACL__DEFAULT", "allow"), ("HOMING__STORE__SWEEP_INTERVAL", "100ms")];
    let broker = Broker::with(&settings);
    let second = away(&broker, 2, 1);
    let brief = connect(1, V5).clean(false).prop(prop::session_expiry(1));
    let mut client = brief.open(broker.mqtt);
    assert_eq!(client.subscribe(SHARE, 1), 1);
    let mut second_here = second.open(broker.mqtt);
    let texts = publish(&broker, 6, 1);
    // Both have three; one leaves them unacknowledged.
    (0..3).for_each(|_| _ = client.expect_publish());
    client.disconnect();
    take_all(&mut second_here, &texts);
}

/// The session ends, and the process with it, before anything is handed on.
#[test]
fn a_crash_between_the_end_and_the_handing_on_loses_nothing() {
    for qos in [1, 2] {
        let mut broker = Broker::with_plain_topics();
        let (first, second) = (away(&broker, 1, qos), away(&broker, 2, qos));
        let texts = publish(&broker, 200, qos);
        // CONNACK follows the commit that ends the former session.
        let client = first.clean(true).open(broker.mqtt);
        broker.crash();
        drop(client);
        let mut second = second.open(broker.mqtt);
        assert_eq!(all([second.take_texts(200)]), texts);
        second.expect_silence();
    }
}

/// [MQTT-4.8.2-4]: what a durable member has begun with QoS 2 is completed with it.
#[test]
fn an_exchange_of_qos_2_is_completed_with_the_same_client() {
    let broker = Broker::with_plain_topics();
    let connect = connect(1, V5).durable();
    let mut first = connect.open(broker.mqtt);
    assert_eq!(first.subscribe(SHARE, 2), 2);
    let texts = publish(&broker, 1, 2);
    let sent = first.expect_publish();
    first.cut();
    let mut other = member(&broker, 2, V5, 2);
    other.expect_silence();
    let mut first = connect.open(broker.mqtt);
    let again = first.take();
    assert_eq!((again.id, again.dup, again.text()), (sent.id, true, &*texts[0]));
    other.expect_silence();
}

/// Threat W7.
#[test]
fn sharing_opens_nothing_that_is_closed_without_it() {
    let rules = r#"[{ deny = "subscribe", topic = "secret/#" }]"#;
    let broker = Broker::with(&[("HOMING__ACL__DEFAULT", "allow"), ("HOMING__ACL__RULES", rules)]);
    let mut phone = Connect::v5("alice", "phone").open(broker.mqtt);
    for closed in ["secret/x", "secret/#", "bob", "alice", "alice/envelope", "group/1"] {
        let code = phone.subscribe(&format!("$share/g/{closed}"), 1);
        assert!(code >= 0x80, "{closed}: {code:#x}");
    }
    assert_eq!(phone.subscribe("$share/g/alice", 1), 0x87);
    broker.wait_for_log("shares an inbox: every device of its user gets all of it");
    // What the rule withholds from a wider filter stays withheld.
    assert_eq!(phone.subscribe("$share/g/#", 1), 1);
    broker.mail("secret/x", &["no"]);
    broker.mail("jobs/x", &["yes"]);
    assert_eq!(phone.take_text(), "yes");
}

/// Threat W7.
#[test]
fn a_malformed_share_is_refused() {
    let broker = Broker::with_plain_topics();
    for filter in ["$share/g", "$share//a/b", "$share/+/a/b", "$share/g/", "$share/g/a#"] {
        let mut phone = Connect::v5("alice", "phone").open(broker.mqtt);
        phone.send_raw(&super::support::wire::subscribe(V5, 1, filter, 1));
        assert_eq!(phone.expect_disconnect(), 0x8F, "{filter}");
    }
    for filter in ["$share/g", "$share//a/b", "$share/g/"] {
        let mut phone = Connect::v311("alice", "phone").open(broker.mqtt);
        assert_eq!(phone.subscribe(filter, 1), 0x80, "{filter}");
    }
    // No Local [MQTT-3.8.3-4].
    let mut phone = Connect::v5("alice", "phone").open(broker.mqtt);
    phone.send_raw(&super::support::wire::subscribe(V5, 1, SHARE, 1 | 4));
    assert_eq!(phone.expect_disconnect(), 0x82);
}

#[test]
fn it_counts_among_the_subscriptions_of_a_session() {
    let settings =
        [("HOMING__ACL__DEFAULT", "allow"), ("HOMING__LIMITS__SUBSCRIPTIONS_PER_SESSION", "2")];
    let broker = Broker::with(&settings);
    let mut phone = Connect::v5("alice", "phone").open(broker.mqtt);
    assert_eq!(phone.subscribe("$share/a/x/y", 1), 1);
    assert_eq!(phone.subscribe("$share/b/x/y", 1), 1);
    assert_eq!(phone.subscribe("$share/b/x/y", 2), 2);
    assert_eq!(phone.subscribe("x/y", 1), 0x97);
    phone.unsubscribe("$share/a/x/y");
    assert_eq!(phone.subscribe("x/y", 1), 1);
}

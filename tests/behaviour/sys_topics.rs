//! `$SYS/broker`: what the broker tells about itself, under mosquitto's names.

use std::collections::BTreeMap;
use std::time::Duration;

use super::support::{Broker, Client, Connect, Packet, Publish, V5, V311, wait_until};

const INTERVAL: (&str, &str) = ("HOMING__TOPICS__SYS_INTERVAL", "200ms");

fn ordinary() -> Broker {
    Broker::ordinary_with(&[INTERVAL])
}

/// The first message on each topic of the filter, up to the first that comes again.
fn values(broker: &Broker, filter: &str) -> BTreeMap<String, Publish> {
    let mut reader = Connect::anonymous(V5, "").open(broker.mqtt);
    assert_eq!(reader.subscribe(filter, 0), 0, "{filter}");
    reader.ping();
    let mut found = BTreeMap::new();
    while let Ok(Packet::Publish(publish)) = reader.try_recv(Duration::from_millis(1)) {
        found.entry(publish.topic.clone()).or_insert(publish);
    }
    found
}

fn value(broker: &Broker, name: &str) -> Option<String> {
    let topic = format!("$SYS/broker/{name}");
    values(broker, &topic).get(&topic).map(|publish| publish.text().to_owned())
}

fn wait_for(broker: &Broker, name: &str, text: &str) {
    let mut last = None;
    wait_until(&format!("{name} = {text}"), || {
        last = value(broker, name);
        (last.as_deref() == Some(text)).then_some(())
    });
}

/// The figures of a first interval are there. Who asks for them may be counted twice, if an older
/// question has not left yet.
fn wait_until_told(broker: &Broker) {
    wait_until("somebody was connected", || {
        value(broker, "clients/maximum").filter(|maximum| maximum != "0")
    });
}

/// As `mosquitto_sub -t '$SYS/broker/uptime'` is used: the value is there at once, and again and
/// again.
#[test]
fn a_subscription_gets_the_value_at_once_and_then_each_change() {
    let broker = ordinary();
    wait_until_told(&broker);
    for version in [V311, V5] {
        let mut reader = Connect::anonymous(version, "reader").open(broker.mqtt);
        assert_eq!(reader.subscribe("$SYS/broker/uptime", 2), 2);
        let first = reader.take();
        assert!(first.retain && first.qos == 0, "{first:?}");
        assert!(first.text().ends_with(" seconds"), "{first:?}");
        // A change that is just being told may come both ways.
        let mut next = reader.take();
        while next.text() == first.text() {
            next = reader.take();
        }
        assert!(!next.retain, "{next:?}");
        reader.disconnect();
    }
}

/// Retained ones are not for them (MQTT 5, section 4.8.2), but each change is.
#[test]
fn those_who_share_take_turns() {
    let broker = ordinary();
    let mut members: Vec<Client> =
        ["one", "two"].map(|name| Connect::anonymous(V5, name).open(broker.mqtt)).into();
    for member in &mut members {
        assert_eq!(member.subscribe("$share/g/$SYS/broker/uptime", 1), 1);
    }
    let [first, second] = [0, 1].map(|member| members[member].take());
    assert!(!first.retain && !second.retain, "{first:?} {second:?}");
    assert_ne!(first.text(), second.text());
}

#[test]
fn the_names_are_those_of_mosquitto() {
    let broker = ordinary();
    wait_until_told(&broker);
    let found = values(&broker, "$SYS/#");
    let names = [
        "version",
        "uptime",
        "clients/connected",
        "clients/total",
        "clients/maximum",
        "clients/expired",
        "messages/received",
        "messages/sent",
        "subscriptions/count",
        "retained messages/count",
        "bytes/received",
        "bytes/sent",
        "publish/messages/dropped",
        "publish/messages/received",
        "publish/messages/sent",
        "publish/bytes/received",
        "publish/bytes/sent",
        "load/messages/received/1min",
        "load/messages/sent/5min",
        "load/publish/dropped/15min",
        "load/publish/received/1min",
        "load/publish/sent/5min",
        "load/bytes/received/15min",
        "load/bytes/sent/1min",
        "load/sockets/5min",
        "load/connections/15min",
    ];
    for name in names {
        assert!(found.contains_key(&format!("$SYS/broker/{name}")), "{name}: {:?}", found.keys());
    }
    assert!(found["$SYS/broker/version"].text().starts_with("homing version "));
    assert!(found.values().all(|publish| publish.retain));
}

#[test]
fn figures_are_those_of_what_happened() {
    let broker = ordinary();
    let mut receiver = Connect::anonymous(V311, "receiver").open(broker.mqtt);
    receiver.subscribe("news/#", 1);
    let mut sender = Connect::anonymous(V5, "sender").open(broker.mqtt);
    (0..10).for_each(|_| sender.publish_acked("news/today", "12345", 1));
    receiver.take_texts(10);
    let state = Publish {
        retain: true,
        topic: "state".into(),
        payload: b"on".into(),
        ..Default::default()
    };
    sender.send_publish(&state, &[]);
    sender.ping();
    wait_for(&broker, "retained messages/count", "1");
    wait_for(&broker, "publish/bytes/received", "52");
    wait_for(&broker, "publish/messages/received", "11");
    // The receiver, the sender, and who asks.
    wait_for(&broker, "clients/connected", "3");
    // news/#, and that of who asks.
    wait_for(&broker, "subscriptions/count", "2");
    let sent: u64 = value(&broker, "publish/bytes/sent").expect("sent").parse().expect("a number");
    assert!(sent >= 50, "{sent}");
    let in_metrics = broker.metrics("homing_payload_received_bytes_total", &[]);
    assert_eq!(in_metrics, 52.0, "one source for both");
}

#[test]
fn sessions_that_are_away_and_what_waits_for_them_are_told_after_the_sweepers_walk() {
    let broker = Broker::ordinary_with(&[INTERVAL, ("HOMING__STORE__SWEEP_INTERVAL", "100ms")]);
    let mut receiver = Connect::anonymous(V311, "receiver").durable().open(broker.mqtt);
    receiver.subscribe("news", 1);
    receiver.disconnect();
    Connect::anonymous(V5, "sender").open(broker.mqtt).publish_acked("news", "hello", 1);
    wait_for(&broker, "clients/disconnected", "1");
    wait_for(&broker, "store/messages/count", "1");
    wait_for(&broker, "messages/stored", "1");
}

#[test]
fn wildcards_in_front_do_not_match_it() {
    let broker = ordinary();
    wait_until_told(&broker);
    let mut reader = Connect::anonymous(V311, "reader").open(broker.mqtt);
    for filter in ["#", "+/broker/#", "+/+/uptime"] {
        assert_eq!(reader.subscribe(filter, 0), 0);
    }
    let mut other = Connect::anonymous(V311, "other").open(broker.mqtt);
    other.subscribe("$SYS/broker/+", 0);
    // Two more values have come by then.
    let ups: Vec<Publish> = (0..4).map(|_| other.take()).collect();
    assert!(ups.iter().all(|publish| publish.topic.starts_with("$SYS/broker/")));
    reader.expect_silence();
}

#[test]
fn nobody_publishes_to_it() {
    let broker = ordinary();
    let mut sender = Connect::anonymous(V5, "sender").open(broker.mqtt);
    for (topic, qos) in [("$SYS/broker/uptime", 1), ("$SYS/mine", 1), ("$SYS", 1)] {
        let id = sender.publish(topic, "forged", qos);
        assert_eq!(sender.expect_puback(id), 0x87, "{topic}");
    }
    let will = super::support::Will::new("$SYS/broker/uptime", "forged", 0);
    assert_eq!(Connect::anonymous(V5, "will").will(will).refused(broker.mqtt), 0x87);
}

#[test]
fn where_rules_are_closed_operators_and_who_a_rule_names_read_it() {
    let rules = r#"[{ allow = "subscribe", topic = "$SYS/broker/clients/#", user = "bob" }]"#;
    let deny = ("HOMING__ACL__DEFAULT", "deny");
    let broker = Broker::with(&[INTERVAL, deny, ("HOMING__ACL__RULES", rules)]);
    let add = broker.command(&["user", "add", "ops", "--role", "operator", "--password-stdin"]);
    add.stdin("operators only\n").ok();
    let mut alice = broker.device_v5("alice", "phone");
    assert_eq!(alice.subscribe("$SYS/#", 0), 0x87);
    let mut bob = broker.device_v5("bob", "desk");
    assert_eq!(bob.subscribe("$SYS/#", 0), 0x87);
    assert_eq!(bob.subscribe("$SYS/broker/clients/connected", 0), 0);
    assert!(bob.take().retain);
    let mut ops: Client = Connect::v5("ops", "desk").password("operators only").open(broker.mqtt);
    assert_eq!(ops.subscribe("$SYS/#", 0), 0);
    assert!(ops.take().topic.starts_with("$SYS/broker/"));
}

/// Nothing of it is stored for a durable session that is away.
#[test]
fn nothing_of_it_waits_in_a_queue() {
    let broker = ordinary();
    let session = Connect::anonymous(V5, "reader").durable();
    let mut reader = session.open(broker.mqtt);
    assert_eq!(reader.subscribe("$SYS/broker/uptime", 1), 1);
    reader.take();
    reader.disconnect();
    let mut other = Connect::anonymous(V5, "other").open(broker.mqtt);
    other.subscribe("$SYS/broker/uptime", 0);
    (0..3).for_each(|_| _ = other.take());
    let mut reader = session.open(broker.mqtt);
    let next = reader.take();
    assert!(!next.retain && next.qos == 0, "{next:?}");
    assert_eq!(broker.metrics("homing_messages_committed_total", &[]), 0.0);
}

#[test]
fn an_interval_of_0_switches_it_off() {
    let broker = Broker::ordinary_with(&[("HOMING__TOPICS__SYS_INTERVAL", "0s")]);
    let mut reader = Connect::anonymous(V5, "reader").open(broker.mqtt);
    assert_eq!(reader.subscribe("$SYS/#", 0), 0);
    reader.expect_silence();
}

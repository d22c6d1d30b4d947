//! MQTT 5 receivers see who sent a message, its id, its place and its time, stamped by the server
//! and never taken from the sender.

use super::support::{Broker, Connect, prop};

#[test]
fn receivers_see_from_id_seq_and_ts() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    let (one, two) = (phone.take().props, phone.take().props);
    assert_eq!(one.user("from"), Some("bob"));
    assert_eq!((one.user("seq"), two.user("seq")), (Some("1"), Some("2")));
    let id = one.user("id").expect("id");
    assert_eq!(id.len(), 26, "a ULID: {id}");
    assert!(Some(id) < two.user("id"), "ULIDs grow");
    let ts: u64 = one.user("ts").expect("ts").parse().expect("milliseconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_millis() as i64 - ts as i64;
    assert!((0..60_000).contains(&age), "{age} ms old");
}

#[test]
fn forged_ones_are_removed() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut mallory = broker.device_v5("carol", "post");
    let forged: Vec<u8> = [("from", "bob"), ("id", "1"), ("seq", "99"), ("ts", "0")]
        .iter()
        .flat_map(|(name, value)| prop::user(name, value))
        .collect();
    mallory.publish_acked_with("alice", "hi", 1, &forged);
    // `user` panics when a name is there twice.
    let props = phone.take().props;
    assert_eq!(props.user("from"), Some("carol"));
    assert_eq!(props.user("seq"), Some("1"));
    assert_ne!(props.user("id"), Some("1"));
    assert_ne!(props.user("ts"), Some("0"));
}

#[test]
fn other_properties_arrive() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "post");
    let props = [prop::user("color", "blue"), prop::user("color", "red")].concat();
    bob.publish_acked_with("alice", "hi", 1, &props);
    assert_eq!(phone.take().props.user_all("color"), ["blue", "red"]);
}

#[test]
fn every_device_sees_the_same_stamps_and_again_after_a_crash() {
    let mut broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut tablet = broker.device_v5("alice", "tablet");
    broker.mail("alice", &["one"]);
    let first = phone.expect_publish();
    assert_eq!(tablet.expect_publish().props, first.props);
    broker.crash();
    let again = Connect::v5("alice", "phone").device(broker.mqtt).expect_publish();
    assert_eq!(again.props, first.props);
}

#[test]
fn each_inbox_counts_for_itself_without_gaps() {
    let broker = Broker::dev();
    let mut alice = broker.device_v5("alice", "phone");
    let mut carol = broker.device_v5("carol", "phone");
    for number in 1..=20 {
        broker.mail(if number % 2 == 0 { "alice" } else { "carol" }, &["x"]);
    }
    for device in [&mut alice, &mut carol] {
        for number in 1..=10 {
            assert_eq!(device.take().props.user("seq"), Some(number.to_string().as_str()));
        }
    }
}

#[test]
fn plain_topics_are_passed_unaltered() {
    let broker = Broker::with_plain_topics();
    let mut subscriber = broker.device_v5("alice", "phone");
    subscriber.subscribe("news/today", 1);
    let mut bob = broker.device_v5("bob", "post");
    bob.publish_acked_with("news/today", "x", 1, &prop::user("from", "the newsroom"));
    let props = subscriber.take().props;
    assert_eq!(props.user("from"), Some("the newsroom"));
    assert_eq!((props.user("id"), props.user("seq"), props.user("ts")), (None, None, None));
}

//! `{uid}/envelope`: every inbox message as JSON with its sender, for clients that cannot see
//! MQTT 5 properties.

use serde_json::Value;

use super::support::{Broker, Client, Connect, words};

const REFUSED: u8 = 0x80;

fn enveloped(broker: &Broker, uid: &str, client_id: &str) -> Client {
    let mut client = Connect::v311(uid, client_id).open(broker.mqtt);
    assert_eq!(client.subscribe(&format!("{uid}/envelope"), 1), 1);
    client
}

fn take(client: &mut Client) -> Value {
    let publish = client.take();
    assert_eq!(publish.topic, "alice/envelope");
    serde_json::from_slice(&publish.payload).expect("JSON")
}

#[test]
fn it_names_sender_client_place_and_time() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    let before = now();
    broker.mail("alice", &["hello", "again"]);
    let (first, second) = (take(&mut phone), take(&mut phone));
    let after = now();
    assert_eq!(first["from"], "bob");
    assert_eq!(first["client"], "post");
    assert_eq!(first["to"], "alice");
    assert_eq!(first["body"], "hello");
    assert_eq!(second["body"], "again");
    assert_eq!((&first["seq"], &second["seq"]), (&1.into(), &2.into()));
    assert_eq!(first["id"].as_str().expect("id").len(), 26, "a ULID");
    assert_ne!(first["id"], second["id"]);
    assert!(first["kind"].is_string());
    let time = first["ts"].as_u64().expect("milliseconds");
    assert!((before..=after).contains(&time), "{before} {time} {after}");
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}

#[test]
fn it_comes_instead_of_the_raw_message() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    let mut raw = broker.device("alice", "raw");
    broker.mail("alice", &["one", "two"]);
    assert_eq!(take(&mut phone)["body"], "one");
    assert_eq!(take(&mut phone)["body"], "two");
    phone.expect_silence();
    assert_eq!(raw.take_texts(2), ["one", "two"]);
}

#[test]
fn what_is_no_text_comes_as_base64() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    broker.device("bob", "post").publish_acked("alice", [0xFF, 0x00, 0x10], 1);
    let envelope = take(&mut phone);
    assert_eq!(envelope["body_base64"], "/wAQ");
    assert_eq!(envelope.get("body"), None);
}

#[test]
fn text_is_quoted_as_json_demands() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    let text = "\"quoted\" \\ \n\u{1F54A} \u{1}";
    broker.mail("alice", &[text]);
    assert_eq!(take(&mut phone)["body"], text);
}

#[test]
fn waiting_mail_comes_enveloped_too() {
    let broker = Broker::dev();
    broker.mail("alice", &["waiting"]);
    let mut phone = enveloped(&broker, "alice", "phone");
    assert_eq!(take(&mut phone)["body"], "waiting");
}

#[test]
fn it_is_acknowledged_like_any_message() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    broker.mail("alice", &["one", "two"]);
    assert_eq!(take(&mut phone)["body"], "one");
    phone.disconnect();
    let mut phone = enveloped(&broker, "alice", "phone");
    assert_eq!(take(&mut phone)["body"], "two");
}

#[test]
fn nobody_reads_the_envelopes_of_somebody_else() {
    let broker = Broker::dev();
    let mut carol = broker.device("carol", "spy");
    assert_eq!(carol.subscribe("alice/envelope", 1), REFUSED);
    broker.log.wait_for(&["carol", "spy", "alice/envelope", words::NOT_ALLOWED]);
    let mut carol = Connect::v5("carol", "spy").open(broker.mqtt);
    assert_eq!(carol.subscribe("alice/envelope", 1), 0x87);
}

#[test]
fn nobody_publishes_to_an_envelope() {
    let broker = Broker::dev();
    let mut phone = enveloped(&broker, "alice", "phone");
    let mut bob = broker.device_v5("bob", "post");
    for topic in ["alice/envelope", "bob/envelope"] {
        let id = bob.publish(topic, "forged", 1);
        assert_eq!(bob.expect_puback(id), 0x87);
    }
    bob.publish_acked("alice", "real", 1);
    assert_eq!(take(&mut phone)["body"], "real");
}

//! `homing ban add|list|remove`: whom it keeps out, for how long, and how it is told.

use std::net::Ipv4Addr;

use super::support::broker::Start;
use super::support::command::homing;
use super::support::connect::Will;
use super::support::page::ask;
use super::support::{Broker, Connect};

/// 3.1.1: not authorized. MQTT 5: banned.
const REFUSED: [u8; 2] = [5, 0x8A];

fn ban(broker: &Broker, words: &[&str]) -> String {
    broker.command(&[&["ban"], words].concat()).ok()
}

fn assert_banned(broker: &Broker, uid: &str, client_id: &str) {
    assert_eq!(Connect::v311(uid, client_id).refused(broker.mqtt), REFUSED[0]);
    assert_eq!(Connect::v5(uid, client_id).refused(broker.mqtt), REFUSED[1]);
}

#[test]
fn a_banned_user_is_out_at_once_and_cannot_come_back() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    let mut bob = broker.device("bob", "phone");
    ban(&broker, &["add", "--user", "alice", "--reason", "spam"]);
    assert_eq!(phone.expect_disconnect(), 0x98);
    tablet.expect_closed();
    assert_banned(&broker, "alice", "phone");
    assert_banned(&broker, "alice", "new");
    bob.expect_marker_from(&mut broker.device("carol", "phone"), "bob");
    let list = ban(&broker, &["list"]);
    assert!(list.contains("user alice") && list.contains("spam"), "{list}");
    ban(&broker, &["remove", "--user", "alice"]);
    assert_eq!(ban(&broker, &["list"]), "");
    broker.device("alice", "phone").disconnect();
}

#[test]
fn mail_for_a_banned_user_waits_until_the_ban_is_over() {
    let broker = Broker::dev();
    broker.know("alice", "phone");
    ban(&broker, &["add", "--user", "alice"]);
    broker.mail("alice", &["one", "two"]);
    ban(&broker, &["remove", "--user", "alice"]);
    assert_eq!(broker.device("alice", "phone").take_texts(2), ["one", "two"]);
}

#[test]
fn a_device_is_banned_alone_and_a_client_id_for_everyone() {
    let broker = Broker::dev();
    ban(&broker, &["add", "--user", "alice", "--client", "phone"]);
    assert_banned(&broker, "alice", "phone");
    broker.device("alice", "tablet").disconnect();
    broker.device("bob", "phone").disconnect();
    ban(&broker, &["add", "--client", "bot"]);
    assert_banned(&broker, "alice", "bot");
    assert_banned(&broker, "bob", "bot");
}

/// Threat I13. Guessing over HTTP is guessing, too.
#[test]
fn no_login_of_a_banned_address_is_checked_over_http() {
    let hosts = ("HOMING__ADVERTISE__HOSTS", "['chat.example.org']");
    let broker = Broker::with(&[hosts, ("HOMING__ADVERTISE__MQTT", "1883")]);
    // `alice:dev`
    let login = "Authorization: Basic YWxpY2U6ZGV2";
    let route = || ask(broker.http, "GET", "/v1/route", &[login], "");
    assert_eq!(route().status, 200);
    ban(&broker, &["add", "--ip", "::ffff:127.0.0.0/104"]);
    let refused = route();
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"banned".into()));
    assert_eq!(ask(broker.http, "GET", "/health/ready", &[], "").status, 200);
    assert!(Connect::v5("alice", "phone").try_open(broker.mqtt).is_err());
}

#[test]
fn nothing_is_read_from_a_banned_address() {
    let broker = Broker::dev();
    let from = |last: u8| {
        let source = Ipv4Addr::new(127, 0, 7, last).into();
        let connect = Connect::v5("alice", &format!("from-{last}"));
        connect.try_from(source, broker.mqtt).ok().map(|(client, _)| client)
    };
    let mut inside = from(1).expect("not banned yet");
    let mut outside = from(129).expect("not banned yet");
    ban(&broker, &["add", "--ip", "127.0.7.0/25", "--for", "1d"]);
    assert_eq!(inside.expect_disconnect(), 0x98);
    assert!(from(2).is_none(), "an answer for a banned address");
    outside.ping();
    ban(&broker, &["remove", "--ip", "127.0.7.0/25"]);
    assert!(from(2).is_some());
}

#[test]
fn the_will_of_a_banned_user_is_not_sent() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "phone");
    let will = Will::new("bob", "my last words", 1);
    let _alice = Connect::v5("alice", "phone").will(will).device(broker.mqtt);
    ban(&broker, &["add", "--user", "alice"]);
    bob.expect_marker_from(&mut broker.device("carol", "phone"), "bob");
}

#[test]
fn a_ban_survives_a_crash_and_ends_by_itself() {
    let mut broker = Broker::dev();
    ban(&broker, &["add", "--user", "alice"]);
    ban(&broker, &["add", "--user", "bob", "--for", "1s"]);
    broker.crash();
    assert_banned(&broker, "alice", "phone");
    super::support::wait_until("the ban is over", || {
        Connect::v311("bob", "phone").try_open(broker.mqtt).ok().filter(|(_, ack)| ack.code == 0)
    });
}

#[test]
fn bans_can_be_made_while_no_broker_runs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let mut broker = Start::dev().data(dir.path()).start();
    broker.terminate();
    homing(&["ban", "add", "--user", "alice", "--data", data]).ok();
    assert!(homing(&["ban", "list", "--json", "--data", data]).ok().contains("\"user\":\"alice\""));
    broker.restart();
    assert_banned(&broker, "alice", "phone");
}

#[test]
fn a_wrong_ban_is_told_in_words() {
    let broker = Broker::dev();
    for (words, hint) in [
        (&["add", "--user", "a/b"][..], "a uid must not contain"),
        (&["add", "--ip", "10.0.0"], "is no network"),
        (&["add", "--user", "alice", "--for", "400d"], "from 1s to 365d"),
        (&["add", "--user", "alice", "--for", "soon"], "no duration"),
        (&["remove", "--user", "alice"], "there is no ban of user alice"),
        (&["add"], "--user"),
    ] {
        let told = broker.command(&[&["ban"], words].concat()).fails();
        assert!(told.contains(hint), "{words:?}: {told}");
    }
}

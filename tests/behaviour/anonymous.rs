//! `auth.anonymous`: whoever says nothing of itself comes in without a login, and is nobody: no
//! inbox, no device, no name that others could take.

use super::support::broker::Start;
use super::support::client::message;
use super::support::{Broker, Connect, Publish, V5, V311, Will, prop, wait_until};

const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
const RESPONSE_INFORMATION: u8 = 0x1A;

#[test]
fn without_the_setting_nobody_comes_in_without_a_login() {
    let broker = Broker::with(&[("HOMING__AUTH__PROVIDER", "open")]);
    assert_eq!(Connect::anonymous(V311, "phone").refused(broker.mqtt), 4);
    assert_eq!(Connect::anonymous(V5, "phone").refused(broker.mqtt), 0x86);
}

#[test]
fn it_is_for_loopback_alone() {
    let start = Start::serve().mqtt("0.0.0.0:0").env("HOMING__AUTH__ANONYMOUS", "true");
    let refused = start.refused();
    assert!(refused.said.contains("auth.anonymous to false"), "{}", refused.said);
}

#[test]
fn logins_are_checked_as_before_beside_it() {
    let broker = Broker::with(&[("HOMING__AUTH__ANONYMOUS", "true")]);
    Connect::anonymous(V311, "phone").device(broker.mqtt);
    broker.device("alice", "phone");
    assert_eq!(Connect::v311("alice", "phone").password("wrong").refused(broker.mqtt), 4);
    assert_eq!(Connect::v311("$anonymous", "phone").refused(broker.mqtt), 4);
    // A password without a name says something of its owner, too.
    let nameless = Connect { uid: None, ..Connect::v5("", "phone") };
    assert_eq!(nameless.refused(broker.mqtt), 0x86);
}

/// gmqtt sends one where it was given none.
#[test]
fn an_empty_user_name_says_nothing_either() {
    let broker = Broker::with(&[("HOMING__AUTH__ANONYMOUS", "true")]);
    for version in [V311, V5] {
        for password in [None, Some(Vec::new())] {
            let empty = Connect { password, ..Connect::new(version, "", "phone") };
            empty.device(broker.mqtt);
        }
        let code = if version == V5 { 0x86 } else { 4 };
        assert_eq!(Connect::new(version, "", "phone").password("x").refused(broker.mqtt), code);
    }
    let closed = Broker::with(&[("HOMING__AUTH__PROVIDER", "open")]);
    let empty = Connect { password: None, ..Connect::v5("", "phone") };
    assert_eq!(empty.refused(closed.mqtt), 0x86);
}

#[test]
fn it_has_no_inbox_and_is_no_device() {
    let broker = Broker::ordinary();
    let props = [&[REQUEST_RESPONSE_INFORMATION][..], &[1]].concat();
    let (mut client, ack) =
        Connect::anonymous(V5, "phone").prop(props.clone()).open_with_ack(broker.mqtt);
    assert_eq!(ack.props.text(RESPONSE_INFORMATION), None);
    let (mut bob, ack) = Connect::v5("bob", "phone").prop(props).open_with_ack(broker.mqtt);
    assert_eq!(ack.props.text(RESPONSE_INFORMATION).as_deref(), Some("u/bob"));
    assert_eq!(client.subscribe("u/bob", 0), 0x87);
    for reserved in ["u/$anonymous", "u/$anonymous/envelope"] {
        assert_eq!(client.subscribe(reserved, 0), 0x8F, "{reserved}");
        let id = bob.publish(reserved, "nobody", 1);
        assert!(bob.expect_puback(id) >= 0x80, "{reserved}");
    }
    client.ping();
    client.expect_silence();
    let devices = broker.command(&["device", "list", "bob"]).ok();
    assert!(devices.contains("phone"), "{devices}");
}

#[test]
fn it_can_be_banned_by_its_name() {
    let broker = Broker::ordinary();
    let mut phone = Connect::anonymous(V5, "phone").device(broker.mqtt);
    let (nobody, device) =
        (["--user", "$anonymous"], ["--user", "$anonymous", "--client", "phone"]);
    let ban = |verb: &str, whom: &[&str]| broker.command(&[&["ban", verb], whom].concat()).ok();
    ban("add", &device);
    assert_eq!(phone.expect_disconnect(), 0x98);
    assert_eq!(Connect::anonymous(V5, "phone").refused(broker.mqtt), 0x8A);
    ban("remove", &device);
    let mut phone = Connect::anonymous(V5, "phone").device(broker.mqtt);
    ban("add", &nobody);
    assert_eq!(phone.expect_disconnect(), 0x98);
    assert_eq!(Connect::anonymous(V5, "laptop").refused(broker.mqtt), 0x8A);
    let mut alice = broker.device("alice", "phone");
    ban("remove", &nobody);
    Connect::anonymous(V5, "laptop").device(broker.mqtt);
    alice.ping();
}

/// Delayed wills count for a quota per user, which they would take from each other.
#[test]
fn their_delayed_wills_take_no_place_from_each_other() {
    let broker = Broker::ordinary_with(&[("HOMING__LIMITS__DELAYED_PER_USER", "1")]);
    let mut reader = Connect::anonymous(V5, "reader").open(broker.mqtt);
    reader.subscribe("gone/#", 0);
    for name in ["one", "two", "three"] {
        let will = Will::new(&format!("gone/{name}"), "", 0).prop(prop::u32(prop::WILL_DELAY, 60));
        let connect = Connect::anonymous(V5, name).durable().will(will);
        connect.open(broker.mqtt).cut();
        let (_, ack) = connect.open_with_ack(broker.mqtt);
        assert!(ack.session_present, "{name}");
    }
    reader.expect_silence();
}

#[test]
fn its_mail_says_that_nobody_sent_it() {
    let broker = Broker::ordinary();
    let mut bob = broker.device_v5("bob", "desk");
    Connect::anonymous(V311, "sensor").open(broker.mqtt).publish_acked("u/bob", "hello", 1);
    let mail = bob.take();
    assert_eq!((mail.text(), mail.props.user("from")), ("hello", Some("$anonymous")));
}

#[test]
fn it_shares_its_client_id_with_no_user() {
    let broker = Broker::ordinary();
    let mut nobody = Connect::anonymous(V5, "phone").device(broker.mqtt);
    let mut alice = broker.device_v5("alice", "phone");
    nobody.ping();
    alice.ping();
    let mut again = Connect::anonymous(V5, "phone").device(broker.mqtt);
    assert_eq!(nobody.expect_disconnect(), 0x8E);
    again.ping();
    alice.ping();
}

/// Limits per user would make one user of all of them.
#[test]
fn what_is_limited_per_user_is_not_limited_for_all_of_them_together() {
    let broker = Broker::ordinary_with(&[
        ("HOMING__LIMITS__CONNECTIONS_PER_USER", "2"),
        ("HOMING__LIMITS__SESSIONS_PER_USER", "2"),
        ("HOMING__LIMITS__SUBSCRIPTIONS_PER_USER", "2"),
        ("HOMING__LIMITS__RETAINED_PER_USER", "2"),
        ("HOMING__LIMITS__USER_PUBLISH_RATE", "1/s burst 2"),
        ("HOMING__LIMITS__FLAPPING__PER_USER", "4"),
        ("HOMING__LIMITS__DEVICES_PER_USER", "1"),
    ]);
    let names: Vec<String> = (0..8).map(|number| format!("client {number}")).collect();
    let durable = |name: &String| Connect::anonymous(V5, name).durable();
    let mut all: Vec<_> = names.iter().map(|name| durable(name).open(broker.mqtt)).collect();
    for (client, name) in all.iter_mut().zip(&names) {
        assert_eq!(client.subscribe("all/#", 1), 1, "{name}");
        let state = message(&format!("state/{name}"), "on", 1, 7);
        client.send_publish(&Publish { retain: true, ..state }, &[]);
        assert_eq!(client.expect_puback(7), 0, "{name}");
    }
    all.into_iter().for_each(|client| client.disconnect());
    Connect::anonymous(V311, "sender").open(broker.mqtt).publish_acked("all/day", "hello", 1);
    for name in &names {
        let (mut client, ack) = durable(name).open_with_ack(broker.mqtt);
        assert!(ack.session_present, "{name}");
        assert_eq!(client.take_text(), "hello", "{name}");
    }
    let mut reader = Connect::anonymous(V311, "reader").open(broker.mqtt);
    reader.subscribe("state/#", 0);
    assert_eq!(reader.take_texts(8).len(), 8);
}

#[test]
fn one_client_still_has_its_own_limits() {
    let broker = Broker::ordinary_with(&[
        ("HOMING__LIMITS__SUBSCRIPTIONS_PER_SESSION", "2"),
        ("HOMING__LIMITS__SUBSCRIPTIONS_PER_USER", "2"),
        ("HOMING__LIMITS__FLAPPING__PER_CLIENT", "2"),
    ]);
    let mut client = Connect::anonymous(V5, "phone").open(broker.mqtt);
    let codes = ["a", "b", "c"].map(|filter| client.subscribe(filter, 0));
    assert_eq!(codes, [0, 0, 0x97]);
    let again = || Connect::anonymous(V5, "phone").try_open(broker.mqtt);
    wait_until("a ban", || again().is_ok_and(|(_, ack)| ack.code == 0x8A).then_some(()));
    Connect::anonymous(V5, "laptop").open(broker.mqtt);
    broker.device("alice", "phone");
}

#[test]
fn a_session_without_a_login_survives_kill_9() {
    let mut broker = Broker::ordinary();
    let session = Connect::anonymous(V311, "phone").durable();
    let mut client = session.open(broker.mqtt);
    assert_eq!(client.subscribe("news", 2), 2);
    client.disconnect();
    let mut sender = Connect::anonymous(V5, "").open(broker.mqtt);
    sender.publish_acked("news", "one", 1);
    sender.publish_acked("news", "two", 2);
    broker.crash();
    let (mut client, ack) = session.open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    assert_eq!(client.take_texts(2), ["one", "two"]);
}

#[test]
fn it_has_no_role_and_rules_can_name_it() {
    let rules = r##"[
        { deny = "publish", topic = "news/#", user = "$anonymous" },
        { allow = "all", topic = "news/#" },
    ]"##;
    let broker = Broker::ordinary_with(&[("HOMING__ACL__RULES", rules)]);
    let mut nobody = Connect::anonymous(V5, "phone").open(broker.mqtt);
    let id = nobody.publish("news/today", "hello", 1);
    assert_eq!(nobody.expect_puback(id), 0x87);
    assert_eq!(nobody.subscribe("news/#", 0), 0);
    Connect::v5("bob", "desk").open(broker.mqtt).publish_acked("news/today", "hello", 1);
    assert_eq!(nobody.take_text(), "hello");
}

#[test]
fn a_reload_that_ends_it_ends_their_connections() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("homing.toml");
    let write = |anonymous: bool| {
        std::fs::write(&file, format!("[auth]\nanonymous = {anonymous}\n")).expect("written")
    };
    write(true);
    let broker = Start::dev().arg("--config").arg(file.to_str().expect("text")).start();
    let mut nobody = Connect::anonymous(V5, "phone").device(broker.mqtt);
    let mut alice = broker.device("alice", "phone");
    write(false);
    broker.command(&["reload"]).ok();
    assert_eq!(nobody.expect_disconnect(), 0x98);
    assert_eq!(Connect::anonymous(V5, "phone").refused(broker.mqtt), 0x86);
    alice.ping();
}

#[test]
fn session_expiry_is_its_own() {
    let broker = Broker::ordinary();
    let expiring =
        |seconds| Connect::anonymous(V5, "phone").clean(false).prop(prop::session_expiry(seconds));
    expiring(0).open(broker.mqtt).disconnect();
    assert!(!expiring(60).open_with_ack(broker.mqtt).1.session_present);
    assert!(expiring(0).open_with_ack(broker.mqtt).1.session_present);
}

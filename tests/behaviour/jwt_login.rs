//! Provider `jwt`: the password is a signed token, and its claims say who it is.

use serde_json::json;
use tempfile::TempDir;

use super::support::broker::Start;
use super::support::https::Page;
use super::support::python::Paho;
use super::support::tokens::{self, Issuer, jwks, now};
use super::support::{Broker, Connect, prop};

/// A broker that trusts the keys of a JWKS file in this directory.
fn broker(dir: &TempDir, issuers: &[&Issuer], more: &[(&str, &str)]) -> Broker {
    let file = dir.path().join("keys.json");
    std::fs::write(&file, jwks(issuers)).unwrap();
    let start = Start::dev()
        .env("HOMING__AUTH__PROVIDER", "['jwt', 'accounts']")
        .env("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']")
        .env("HOMING__AUTH__JWT__JWKS", file.to_str().unwrap());
    more.iter().fold(start, |start, (key, value)| start.env(key, value)).start()
}

fn v5(uid: &str, token: &str) -> Connect {
    Connect::v5(uid, "phone").password(token)
}

#[test]
fn a_token_is_a_password_and_names_its_user() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let broker = broker(&dir, &[&issuer], &[]);
    let token = issuer.token("ut001");
    Connect::v311("ut001", "phone").password(&token).open(broker.mqtt);
    // Without a user name the token decides: MQTT 5 may leave it out, 3.1.1 sends an empty one.
    let mut nameless = Connect::v311("", "phone").password(&token).device(broker.mqtt);
    nameless.expect_marker_from(&mut broker.device("bob", "post"), "ut001");
    let mut connect = v5("", &token);
    connect.uid = None;
    connect.device(broker.mqtt).expect_marker_from(&mut broker.device("bob", "post"), "ut001");
    assert_eq!(v5("alice", &token).refused(broker.mqtt), 0x86);
}

#[test]
fn paho_logs_in_with_a_token() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let broker = broker(&dir, &[&issuer], &[]);
    let (host, port) = (broker.mqtt.ip(), broker.mqtt.port());
    let mut phone =
        Connect::v311("ut002", "phone").password(&issuer.token("ut002")).device(broker.mqtt);
    for paho in [Paho::V1, Paho::V2] {
        paho.run(&format!(
            "import paho.mqtt.publish as publish\n\
             publish.single('ut002', 'Hi', qos=1, hostname='{host}', port={port}, client_id='x',\n\
             auth={{'username': 'ut001', 'password': '{}'}})\n",
            issuer.token("ut001")
        ));
        assert_eq!(phone.take_text(), "Hi");
    }
}

/// Threat I6.
#[test]
fn a_token_that_is_not_right_is_refused_and_an_expired_one_is_told_so() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let broker = broker(&dir, &[&issuer], &[]);
    let token = |claims| issuer.sign(&claims);
    // First, since the log has a few such lines in a second and no more.
    let expired = token(json!({ "sub": "alice", "exp": now() - 60 }));
    let (_, ack) = v5("alice", &expired).try_open(broker.mqtt).unwrap();
    assert_eq!(ack.code, 0x87);
    let words = ack.props.text(prop::REASON_STRING).expect("words");
    assert!(words.contains("has expired"), "{words}");
    broker.log.wait_for(&["token is not accepted", "alice", "expired"]);
    for wrong in [
        Issuer::new("k1").token("alice"),
        token(json!({ "sub": "alice" })),
        token(json!({ "sub": "alice", "exp": (now() + 60).to_string() })),
        token(json!({ "sub": "alice", "exp": now() + 60, "nbf": now() + 50 })),
        token(json!({ "sub": "alice", "exp": now() + 60, "aud": "shop" })),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6OTk5OTk5OTk5OX0.".into(),
    ] {
        assert_eq!(v5("alice", &wrong).refused(broker.mqtt), 0x86, "{wrong}");
    }
}

#[test]
fn the_next_provider_is_asked_for_what_is_no_token_and_for_nothing_else() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let broker = broker(&dir, &[&issuer], &[]);
    Connect::v5("alice", "phone").open(broker.mqtt);
    let stranger = Issuer::new("k1").token("alice");
    assert_eq!(v5("alice", &stranger).refused(broker.mqtt), 0x86);
    // A user without an account can be sent to: the accounts are not all users.
    broker.device_v5("bob", "post").publish_acked("ut009", "for later", 1);
    let mut late = v5("ut009", &issuer.token("ut009")).device(broker.mqtt);
    assert_eq!(late.take_text(), "for later");
}

#[test]
fn the_order_of_the_chain_decides() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let order = ("HOMING__AUTH__PROVIDER", "['accounts', 'jwt']");
    let broker = broker(&dir, &[&issuer], &[order]);
    v5("ut001", &issuer.token("ut001")).open(broker.mqtt);
    // Alice has an account, so her password is what the account says.
    assert_eq!(v5("alice", &issuer.token("alice")).refused(broker.mqtt), 0x86);
    Connect::v5("alice", "phone").open(broker.mqtt);
}

/// Threat I6.
#[test]
fn a_new_key_in_the_file_is_used_without_a_restart() {
    let (dir, old, new) = (TempDir::new().unwrap(), Issuer::new("k1"), Issuer::new("k2"));
    let broker = broker(&dir, &[&old], &[]);
    v5("alice", &old.token("alice")).open(broker.mqtt);
    std::fs::write(dir.path().join("keys.json"), jwks(&[&new])).unwrap();
    v5("alice", &new.token("alice")).open(broker.mqtt);
    assert_eq!(v5("alice", &old.token("alice")).refused(broker.mqtt), 0x86);
}

/// Threat I6.
#[test]
fn a_new_key_behind_the_url_is_used_when_a_token_names_it() {
    let (old, new) = (Issuer::new("k1"), Issuer::new("k2"));
    let page = Page::new(&jwks(&[&old]));
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "jwt"),
        ("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']"),
        ("HOMING__AUTH__JWT__JWKS", &page.url),
        ("SSL_CERT_FILE", page.authority().to_str().unwrap()),
    ]);
    v5("alice", &old.token("alice")).open(broker.mqtt);
    page.says(&jwks(&[&old, &new]));
    v5("alice", &new.token("alice")).open(broker.mqtt);
    for _ in 0..10 {
        assert_eq!(v5("alice", &Issuer::new("k3").token("alice")).refused(broker.mqtt), 0x86);
    }
    assert!(page.asked() <= 3, "made up key ids asked {} times", page.asked());
}

#[test]
fn a_url_whose_certificate_nobody_knows_gives_no_keys() {
    let issuer = Issuer::new("k1");
    let page = Page::new(&jwks(&[&issuer]));
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "jwt"),
        ("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']"),
        ("HOMING__AUTH__JWT__JWKS", &page.url),
    ]);
    assert_eq!(v5("alice", &issuer.token("alice")).refused(broker.mqtt), 0x88);
    broker.log.wait_for(&["tokens", "certificate"]);
}

#[test]
fn a_public_key_in_a_file_or_a_shared_secret_serve_as_well() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let file = dir.path().join("public.pem");
    std::fs::write(&file, &issuer.public).unwrap();
    let secret = "a secret of thirty-two bytes, ok";
    for (algorithm, key, value, token) in [
        ("['ES256']", "HOMING__AUTH__JWT__KEY", file.to_str().unwrap(), issuer.token("alice")),
        ("['HS256']", "HOMING__AUTH__JWT__SECRET", secret, tokens::shared(secret, "alice")),
    ] {
        let broker = Broker::with(&[
            ("HOMING__AUTH__PROVIDER", "jwt"),
            ("HOMING__AUTH__JWT__ALGORITHMS", algorithm),
            (key, value),
        ]);
        v5("alice", &token).open(broker.mqtt);
        // The public key as a secret: the oldest trick.
        let forged = tokens::shared(&issuer.public, "alice");
        assert_eq!(v5("alice", &forged).refused(broker.mqtt), 0x86);
    }
}

#[test]
fn keys_that_cannot_be_used_stop_the_start_in_words() {
    let dir = TempDir::new().unwrap();
    let start = |key: &str, value: &str| {
        Start::dev()
            .env("HOMING__AUTH__PROVIDER", "jwt")
            .env("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']")
            .env(key, value)
    };
    let missing = dir.path().join("none.pem");
    let said = start("HOMING__AUTH__JWT__KEY", missing.to_str().unwrap()).refused().said;
    assert!(said.contains("auth.jwt") && said.contains("none.pem"), "{said}");
    let said = start("HOMING__AUTH__JWT__LEEWAY", "5s").refused().said;
    assert!(said.contains("key or jwks"), "{said}");
}

//! A login that expires ends its connection at that moment, and its rights with it.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::support::broker::Start;
use super::support::connect::Will;
use super::support::tokens::{Issuer, jwks, now};
use super::support::{Broker, Connect};

const EXPIRES_IN_SECS: i64 = 5;
/// A token has whole seconds, so that one of five may have four left.
const HELD_FOR_MIN: Duration = Duration::from_secs(EXPIRES_IN_SECS as u64 - 2);
const NOT_AUTHORIZED: u8 = 0x87;

struct Bench {
    _keys: TempDir,
    broker: Broker,
    issuer: Issuer,
}

fn bench() -> Bench {
    let (keys, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let file = keys.path().join("keys.json");
    std::fs::write(&file, jwks(&[&issuer])).unwrap();
    let broker = Start::dev()
        .env("HOMING__AUTH__PROVIDER", "['jwt', 'accounts']")
        .env("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']")
        .env("HOMING__AUTH__JWT__LEEWAY", "0s")
        .env("HOMING__AUTH__JWT__JWKS", file.to_str().unwrap())
        .start();
    Bench { _keys: keys, broker, issuer }
}

impl Bench {
    fn short_token(&self, uid: &str) -> String {
        self.issuer.sign(&json!({ "sub": uid, "exp": now() + EXPIRES_IN_SECS }))
    }
}

/// Threat I5.
#[test]
fn a_connection_ends_when_its_token_expires() {
    let bench = bench();
    let token = bench.short_token("ut001");
    let begun = Instant::now();
    let mut phone = Connect::v5("ut001", "phone").password(&token).device(bench.broker.mqtt);
    let mut old = Connect::v311("ut001", "old").password(&token).device(bench.broker.mqtt);
    let mut bob = bench.broker.device("bob", "post");
    phone.expect_marker_from(&mut bob, "ut001");
    assert_eq!(phone.expect_disconnect(), NOT_AUTHORIZED);
    assert!(begun.elapsed() >= HELD_FOR_MIN, "ended too early");
    old.expect_closed();
    let refused = Connect::v5("ut001", "phone").password(&token).refused(bench.broker.mqtt);
    assert_eq!(refused, NOT_AUTHORIZED);
    bob.ping();
    let log = bench.broker.wait_for_log("login_expired");
    assert!(log.contains("ut001"), "{log}");
}

#[test]
fn mail_that_comes_after_the_expiry_waits_for_the_next_login() {
    let bench = bench();
    let token = bench.short_token("ut001");
    let mut phone = Connect::v5("ut001", "phone").password(&token).device(bench.broker.mqtt);
    phone.ping();
    assert_eq!(phone.expect_disconnect(), NOT_AUTHORIZED);
    bench.broker.mail("ut001", &["later"]);
    let token = bench.issuer.token("ut001");
    let mut phone = Connect::v5("ut001", "phone").password(&token).device(bench.broker.mqtt);
    assert_eq!(phone.take_text(), "later");
}

#[test]
fn who_has_no_rights_any_more_leaves_no_will() {
    let bench = bench();
    let mut bob = bench.broker.device("bob", "phone");
    let token = bench.short_token("ut001");
    let connect = Connect::v5("ut001", "phone").will(Will::new("bob", "last words", 1));
    let mut phone = connect.password(&token).device(bench.broker.mqtt);
    assert_eq!(phone.expect_disconnect(), NOT_AUTHORIZED);
    bob.expect_marker_from(&mut bench.broker.device("carol", "post"), "bob");
}

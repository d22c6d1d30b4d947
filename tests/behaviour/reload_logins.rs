//! A reload that changes who decides about logins: new logins follow it, old connections live on.

use std::path::PathBuf;

use super::support::broker::Start;
use super::support::member_api::{MemberApi, Mood};
use super::support::tokens::{Issuer, jwks};
use super::support::{Broker, Client, Connect, Packet, V5};

/// A broker whose settings are in a file that the test changes.
struct Rig {
    broker: Broker,
    dir: tempfile::TempDir,
}

impl Rig {
    fn start(settings: &str) -> Rig {
        Rig::in_dir(tempfile::tempdir().unwrap(), settings)
    }

    fn in_dir(dir: tempfile::TempDir, settings: &str) -> Rig {
        let file = dir.path().join("homing.toml");
        std::fs::write(&file, settings).unwrap();
        let broker = Start::dev().arg("--config").arg(file.to_str().unwrap()).start();
        Rig { broker, dir }
    }

    fn write(&self, settings: &str) {
        std::fs::write(self.dir.path().join("homing.toml"), settings).unwrap();
    }

    fn reload(&self) -> String {
        self.broker.command(&["reload"]).ok()
    }

    fn code(&self, uid: &str, token: &str) -> u8 {
        Connect::v5(uid, "asks").password(token).try_open(self.broker.mqtt).unwrap().1.code
    }

    /// Ten devices of this user.
    fn devices(&self, uid: &str, token: &str) -> Vec<Client> {
        let device = |n: usize| Connect::v5(uid, &format!("d{n}")).password(token);
        (0..10).map(|n| device(n).device(self.broker.mqtt)).collect()
    }
}

/// They are all there, and none had to come again.
fn assert_all_there(rig: &Rig, devices: &mut [Client]) {
    devices.iter_mut().for_each(Client::ping);
    assert_eq!(rig.broker.metrics("homing_takeovers_total", &[]), 0.0);
    for reason in ["bad_login", "not_authorized", "login_expired", "rights_changed"] {
        let cut = rig.broker.metrics("homing_disconnects_total", &[("reason", reason)]);
        assert_eq!(cut, 0.0, "{reason}");
    }
}

fn asks(api: &MemberApi) -> String {
    format!("[auth]\nprovider = \"http\"\n[auth.http]\nurl = {:?}\n", api.url())
}

#[test]
fn new_logins_follow_the_new_member_api() {
    let (old, new) = (MemberApi::start(), MemberApi::start());
    old.allow("alice", "old");
    new.allow("alice", "new");
    let rig = Rig::start(&asks(&old));
    let mut devices = rig.devices("alice", "old");
    assert_eq!((rig.code("alice", "old"), rig.code("alice", "new")), (0, 0x86));
    let asked = old.count();
    rig.write(&asks(&new));
    assert_eq!(rig.reload(), "auth.http.url: holds now");
    // Not even what the old one had said is remembered.
    assert_eq!((rig.code("alice", "old"), rig.code("alice", "new")), (0x86, 0));
    assert_eq!((old.count(), new.count()), (asked, 2));
    assert_all_there(&rig, &mut devices);
}

/// A call to the old one that ends later says nothing of the new one either.
#[test]
fn the_breaker_of_a_member_api_that_was_replaced_is_shown_no_more() {
    let (old, new) = (MemberApi::start(), MemberApi::start());
    new.allow("alice", "new");
    let settings = |api| format!("{}failures = 1\ntimeout = \"20s\"\n", asks(api));
    let rig = Rig::start(&settings(&old));
    let is_open = || rig.broker.metrics("homing_auth_breaker_open", &[]);
    old.mood(Mood::Hang);
    let mut waiting = Client::silent(rig.broker.mqtt, V5);
    waiting.send_raw(&Connect::v5("bob", "phone").encode());
    old.wait_for_calls(1);
    rig.write(&settings(&new));
    rig.reload();
    old.mood(Mood::Reset);
    assert!(matches!(waiting.recv(), Packet::ConnAck { code: 0x88, .. }));
    assert_eq!(is_open(), 0.0);
    rig.write(&settings(&old));
    rig.reload();
    assert_eq!((rig.code("alice", "new"), is_open()), (0x88, 1.0));
    rig.write(&settings(&new));
    rig.reload();
    assert_eq!(is_open(), 0.0);
    assert_eq!(rig.code("alice", "new"), 0);
}

#[test]
fn by_sighup_as_well() {
    let (old, new) = (MemberApi::start(), MemberApi::start());
    old.allow("alice", "old");
    new.allow("alice", "new");
    let rig = Rig::start(&asks(&old));
    let mut devices = rig.devices("alice", "old");
    rig.write(&asks(&new));
    rig.broker.signal("HUP");
    rig.broker.log.wait_for(&["settings reloaded", "auth.http.url"]);
    assert_eq!((rig.code("alice", "old"), rig.code("alice", "new")), (0x86, 0));
    assert_all_there(&rig, &mut devices);
}

fn trusts(file: &PathBuf) -> String {
    format!(
        "[auth]\nprovider = [\"jwt\", \"accounts\"]\n\
         [auth.jwt]\nalgorithms = [\"ES256\"]\njwks = {file:?}\n"
    )
}

#[test]
fn another_file_of_keys_holds_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Issuer::new("k1"), Issuer::new("k1"));
    let file = |name: &str, issuer: &Issuer| {
        let path = dir.path().join(name);
        std::fs::write(&path, jwks(&[issuer])).unwrap();
        path
    };
    let (first, second) = (file("first.json", &one), file("second.json", &two));
    let missing = dir.path().join("missing.json");
    let rig = Rig::in_dir(dir, &trusts(&first));
    let mut devices = rig.devices("alice", &one.token("alice"));
    rig.write(&trusts(&missing));
    let words = rig.broker.command(&["reload"]).fails();
    assert!(words.contains("nothing has changed") && words.contains("missing.json"), "{words}");
    assert_eq!(rig.code("alice", &one.token("alice")), 0);
    rig.write(&trusts(&second));
    assert_eq!(rig.reload(), "auth.jwt.jwks: holds now");
    // The keys have one id; only that of the second file counts.
    assert_eq!(rig.code("alice", &one.token("alice")), 0x86);
    assert_eq!(rig.code("alice", &two.token("alice")), 0);
    assert_all_there(&rig, &mut devices);
}

/// Of [`MemberApi`] as a page with keys, over http, since it is on this machine.
fn keys_of(page: &MemberApi, more: &str) -> String {
    format!(
        "[auth]\nprovider = [\"jwt\", \"http\"]\n[auth.http]\n\
         url = \"http://127.0.0.1:1/\"\n{more}\n\
         [auth.jwt]\nalgorithms = [\"ES256\"]\njwks = {:?}\n",
        page.url()
    )
}

/// What was read from a URL is not lost because it does not answer at the moment of a reload.
#[test]
fn keys_that_were_read_stay_when_their_url_is_away_at_a_reload() {
    let issuer = Issuer::new("k1");
    let page = MemberApi::says(200, &jwks(&[&issuer]));
    let rig = Rig::start(&keys_of(&page, ""));
    let mut devices = rig.devices("alice", &issuer.token("alice"));
    page.mood(Mood::Reset);
    rig.write(&keys_of(&page, "failures = 7"));
    assert_eq!(rig.reload(), "auth.http.failures: holds now");
    assert_eq!(rig.code("alice", &issuer.token("alice")), 0);
    assert_all_there(&rig, &mut devices);
}

#[test]
fn new_keys_that_cannot_be_read_are_no_reload() {
    let (one, two) = (Issuer::new("k1"), Issuer::new("k1"));
    let (old, new) = (MemberApi::says(200, &jwks(&[&one])), MemberApi::says(503, ""));
    let rig = Rig::start(&keys_of(&old, ""));
    rig.write(&keys_of(&new, "failures = 7"));
    let words = rig.broker.command(&["reload"]).fails();
    assert!(words.contains("nothing has changed") && words.contains("503"), "{words}");
    assert_eq!(rig.code("alice", &one.token("alice")), 0);
    new.mood(Mood::Says(200, jwks(&[&two])));
    assert_eq!(rig.reload(), "auth.http.failures: holds now\nauth.jwt.jwks: holds now");
    assert_eq!(rig.code("alice", &one.token("alice")), 0x86);
    assert_eq!(rig.code("alice", &two.token("alice")), 0);
}

/// Who knows the users is built into the workers: the chain itself waits for a restart.
#[test]
fn another_chain_of_providers_waits_for_the_restart() {
    let mut rig = Rig::start("[auth]\nprovider = \"accounts\"\n");
    let mut devices = rig.devices("alice", "dev");
    rig.write("[auth]\nprovider = \"open\"\n");
    assert_eq!(rig.reload(), "auth.provider: holds after a restart");
    assert_eq!((rig.code("alice", "wrong"), rig.code("alice", "dev")), (0x86, 0));
    assert_all_there(&rig, &mut devices);
    rig.broker.terminate();
    rig.broker.restart();
    assert_eq!(rig.code("alice", "wrong"), 0);
}

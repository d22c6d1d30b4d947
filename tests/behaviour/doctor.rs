//! `homing doctor`: finds what is wrong, says what to do next, and changes nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::broker::Start;
use super::support::certificates::{Authority, params};
use super::support::command::{Done, HOMING, Homing, Running, forget_settings, homing};
use super::support::member_api::{MemberApi, Mood};
use super::support::postgres::new_store_url;
use super::support::redis::OwnRedis;
use super::support::store::change;
use super::support::{Broker, Connect, Secured};

/// What is said of a slow disk, provider and database: how fast they are is not tested.
const SLOW: [&str; 3] = ["a faster disk", "why it is slow", "nearer together"];

/// A directory for the data of a broker, and the settings for two ports that are free.
struct Place {
    dir: tempfile::TempDir,
    mqtt: SocketAddr,
    http: SocketAddr,
}

/// Given back at once; the system gives out the others first.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap(), mqtt: free(), http: free() }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn start(&self) -> Start {
        let http = format!("[\"{}\"]", self.http);
        let start = Start::serve().env("HOMING__LISTEN__HTTP", &http).mqtt(self.mqtt);
        start.data(&self.data()).env("HOMING__LIMITS__CONNECTIONS", "100")
    }

    fn command(&self) -> Homing {
        let command = homing(&["doctor", "--mqtt", &self.mqtt.to_string()]);
        let command = command.arg("--http").arg(self.http.to_string()).arg("--data");
        command.arg(self.data()).env("HOMING__LIMITS__CONNECTIONS", "100")
    }

    fn doctor(&self, settings: &[(&str, &str)]) -> Told {
        let command = self.command().arg("--json");
        told(settings.iter().fold(command, |command, (key, value)| command.env(key, value)).run())
    }
}

/// What it said.
struct Told {
    done: Done,
    report: Value,
}

fn told(done: Done) -> Told {
    let report = serde_json::from_str(&done.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr));
    Told { done, report }
}

impl Told {
    fn checks(&self) -> &Vec<Value> {
        self.report["checks"].as_array().unwrap()
    }

    /// The first check with this beginning of its name.
    fn check(&self, name: &str) -> &Value {
        let named = |check: &&Value| check["name"].as_str().unwrap().starts_with(name);
        self.checks().iter().find(named).unwrap_or_else(|| panic!("{name}: {:#}", self.report))
    }

    /// The check has this status and these words, and says what to do if it is not right.
    fn has(&self, name: &str, status: &str, words: &[&str]) {
        let check = self.check(name);
        assert_eq!(check["status"], status, "{check:#}");
        let text = format!("{} {}", check["message"], check["next"]);
        for word in words {
            assert!(text.contains(word), "{word} is not in {text}");
        }
        assert_eq!(check["next"].is_string(), ["warning", "error"].contains(&status), "{check:#}");
    }

    /// What is not right, but for what only says that this machine is busy.
    fn wrong(&self) -> Vec<&Value> {
        let well = |check: &Value| check["status"] == "ok" || check["status"] == "skipped";
        let next = |check: &Value| check["next"].as_str().unwrap_or_default().to_owned();
        let busy = |check: &Value| SLOW.iter().any(|words| next(check).contains(words));
        self.checks().iter().filter(|check| !well(check) && !busy(check)).collect()
    }

    fn ends(&self, code: i32) {
        assert_eq!(self.done.status.code(), Some(code), "{:#?}", self.wrong());
        assert_eq!(self.report["ok"], code == 0, "{:#?}", self.wrong());
    }

    fn all_is_well(&self) {
        self.ends(0);
        assert!(self.wrong().is_empty(), "{:#?}", self.wrong());
    }
}

/// Names and contents of all files; sockets have none.
fn files(dir: &Path) -> BTreeMap<OsString, Option<Vec<u8>>> {
    let all = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    all.map(|file| (file.file_name(), std::fs::read(file.path()).ok())).collect()
}

#[test]
fn before_the_first_start_all_is_well_and_nothing_is_made() {
    let place = Place::new();
    let told = place.doctor(&[]);
    told.all_is_well();
    told.has("data directory", "ok", &["is made at the first start"]);
    told.has("listen.mqtt", "ok", &["free"]);
    told.has("broker", "ok", &["none runs"]);
    assert!(files(place.dir.path()).is_empty());
}

#[test]
fn people_get_a_line_for_each_check_and_the_sum() {
    let place = Place::new();
    let taken = TcpListener::bind(place.mqtt).unwrap();
    let done = place.command().run();
    assert_eq!(done.status.code(), Some(1), "{}", done.stdout);
    for line in [
        "ok       broker: none runs on this data directory\n",
        &format!("error    listen.mqtt {}: taken by ", taken.local_addr().unwrap()),
        "\n         -> stop that one, or change listen.mqtt\n",
        ", errors 1, skipped ",
    ] {
        assert!(done.stdout.contains(line), "{line:?} is not in\n{}", done.stdout);
    }
    assert_eq!(done.stderr, "");
}

#[test]
fn wrong_settings_are_told_as_serve_tells_them() {
    let place = Place::new();
    let told = place.doctor(&[("HOMING__INBOX__SETTLE", "9s")]);
    told.ends(2);
    told.has("configuration", "error", &["inbox.settle_max"]);
    let told = place.doctor(&[("HOMING__INBOX__RETENSION", "9s")]);
    told.ends(2);
    told.has("configuration", "error", &["HOMING__INBOX__RETENSION", "HOMING__INBOX__RETENTION"]);
    let done = homing(&["doctor"]).run();
    assert_eq!(done.status.code(), Some(2));
    assert!(done.stdout.contains("--data DIR"), "{}", done.stdout);
}

#[test]
fn beside_a_running_broker_it_says_how_that_one_is() {
    let place = Place::new();
    let broker = place.start().start();
    let told = place.doctor(&[]);
    told.all_is_well();
    let pid = format!("pid {}", broker.pid());
    told.has("broker", "ok", &[&pid, "it serves"]);
    told.has("listen.mqtt", "ok", &["the running broker listens", &pid]);
    told.has("listen.http", "ok", &["the running broker listens", &pid]);
    told.has("health", "ok", &["/health/ready says ready"]);
    told.has("store", "ok", &["it opens", "the newest"]);
    let other = free();
    let told = place.doctor(&[("HOMING__LISTEN__MQTTS", "[]"), ("HOMING__LISTEN__HTTPS", "[]")]);
    told.all_is_well();
    let told = self::told(place.command().arg("--json").arg("--mqtt").arg(other.to_string()).run());
    told.ends(1);
    told.has(&format!("listen.mqtt {other}"), "error", &["does not listen here"]);
    drop(broker);
}

#[test]
fn a_broker_that_hangs_is_told_and_not_waited_for() {
    let place = Place::new();
    let broker = place.start().start();
    broker.signal("STOP");
    let told = place.doctor(&[]);
    broker.signal("CONT");
    told.ends(1);
    told.has("broker", "warning", &[&format!("pid {}", broker.pid()), "hangs"]);
    told.has("health", "error", &["does not answer"]);
}

#[test]
fn nothing_changes_by_it_after_a_good_end_and_after_a_crash() {
    let place = Place::new();
    let mut broker = place.start().env("HOMING__AUTH__PROVIDER", "open").start();
    broker.mail("alice", &["one", "two"]);
    assert!(broker.terminate().success());
    let before = files(&place.data());
    place.doctor(&[]).all_is_well();
    assert!(files(&place.data()) == before);
    let mut broker = place.start().env("HOMING__AUTH__PROVIDER", "open").start();
    broker.mail("alice", &["three"]);
    broker.kill9();
    let before = files(&place.data());
    assert!(before.contains_key(&OsString::from("homing.db-wal")), "{:?}", before.keys());
    place.doctor(&[]).all_is_well();
    assert!(files(&place.data()) == before);
}

#[test]
fn a_newer_store_is_an_error_and_a_clock_before_the_store_is_warned_of() {
    let place = Place::new();
    let mut broker = place.start().env("HOMING__AUTH__PROVIDER", "open").start();
    broker.mail("alice", &["from the future"]);
    assert!(broker.terminate().success());
    change(&place.data(), "UPDATE log SET ts = 4102444800000");
    let told = place.doctor(&[]);
    told.ends(0);
    told.has("clock", "warning", &["the store has a message of 2100-01-01T00:00:00.000Z"]);
    change(&place.data(), "UPDATE log SET ts = 1; PRAGMA user_version = 99");
    let before = files(&place.data());
    let told = place.doctor(&[]);
    told.ends(1);
    told.has("store", "error", &["schema version 99", "a newer homing"]);
    assert!(files(&place.data()) == before);
}

#[test]
fn what_others_can_read_is_warned_of() {
    let place = Place::new();
    assert!(place.start().start().terminate().success());
    let store = place.data().join("homing.db");
    let secret = place.dir.path().join("key");
    std::fs::write(&secret, "s3cret-key").unwrap();
    for file in [&store, &secret] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let api = MemberApi::start();
    let told = place.doctor(&[
        ("HOMING__AUTH__PROVIDER", "http"),
        ("HOMING__AUTH__HTTP__URL", &api.url()),
        ("HOMING__AUTH__HTTP__API_KEY_FILE", secret.to_str().unwrap()),
    ]);
    told.ends(0);
    let chmod = |rights: &str, path: &Path| format!("chmod {rights} {}", path.display());
    told.has("data files", "warning", &[&chmod("600", &store)]);
    told.has("secret auth.http.api_key", "warning", &[&chmod("o=", &secret)]);
    assert!(!told.done.stdout.contains("s3cret-key"));
}

#[test]
fn certificates_are_told_before_they_expire_and_after() {
    let secured = Secured::new();
    let place = Place::new();
    let listen = format!("[\"{}\"]", free());
    let issued = |name: &str, from: i64, until: i64| {
        let mut params = params(&["chat.example.org"], "");
        let now = i64::try_from(now_secs()).unwrap();
        let day = |days: i64| rcgen::date_time_ymd(1970, 1, 1) + time(now + 3600 + days * 86_400);
        (params.not_before, params.not_after) = (day(from), day(until));
        secured.authority.issue(name, params)
    };
    let doctor = |files: &super::support::certificates::Files| {
        place.doctor(&[
            ("HOMING__LISTEN__MQTTS", &listen),
            ("HOMING__TLS__CERTIFICATES", &format!("[{}]", files.setting())),
        ])
    };
    let good = doctor(&issued("good", -1, 90));
    good.all_is_well();
    good.has("certificate", "ok", &["for chat.example.org", "valid for 90 days"]);
    let soon = doctor(&issued("soon", -1, 10));
    soon.ends(0);
    soon.has("certificate", "warning", &["expires in 10 days", "homing reload"]);
    let old = doctor(&issued("old", -10, -1));
    old.ends(1);
    old.has("certificate", "error", &["expired on", "renew"]);
    let mut foreign = issued("one", -1, 90);
    foreign.key = issued("two", -1, 90).key;
    let told = doctor(&foreign);
    told.ends(1);
    told.has("certificate", "error", &["is not the key of"]);
}

fn now_secs() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn time(secs: i64) -> std::time::Duration {
    std::time::Duration::from_secs(secs.unsigned_abs())
}

#[test]
fn advertised_addresses_are_tried_and_have_to_be_in_the_certificate() {
    let secured = Secured::new();
    let place = Place::new();
    let mqtts = free();
    let (listen, port) = (format!("[\"{mqtts}\"]"), mqtts.port().to_string());
    let certificates = format!("[{}]", secured.server.setting());
    let settings = [
        ("HOMING__LISTEN__MQTTS", listen.as_str()),
        ("HOMING__TLS__CERTIFICATES", &certificates),
        ("HOMING__ADVERTISE__MQTTS", &port),
    ];
    let with = |host| [&settings[..], &[("HOMING__ADVERTISE__HOSTS", host)]].concat();
    let start = with("['localhost']");
    let start = start.iter().fold(place.start(), |start, (key, value)| start.env(key, value));
    let _broker = start.start();
    let name = format!("advertised mqtts localhost:{port}");
    let told = place.doctor(&with("['localhost']"));
    told.all_is_well();
    told.has(&name, "ok", &["reachable"]);
    // The authority is right and the name is not.
    let other = Authority::new(place.dir.path(), "other").server("other", &["a.example.org"]);
    let other = format!("[{}]", other.setting());
    let told = place
        .doctor(&[&with("['localhost']")[..], &[("HOMING__TLS__CERTIFICATES", &other)]].concat());
    told.ends(1);
    told.has(&name, "error", &["no certificate of tls.certificates is for this name"]);
    let told = place.doctor(&with("['no-such-host.invalid']"));
    told.ends(0);
    told.has("advertised mqtts no-such-host.invalid", "warning", &["leads nowhere", "DNS"]);
    let open = [("HOMING__LISTEN__MQTT", "['0.0.0.0:0']")];
    let told = self::told(
        homing(&["doctor", "--json", "--data", place.data().to_str().unwrap()])
            .env(open[0].0, open[0].1)
            .run(),
    );
    told.has("advertised address", "warning", &["advertise.hosts"]);
}

#[test]
fn the_member_api_has_to_answer_and_to_refuse_a_made_up_login() {
    let place = Place::new();
    let api = MemberApi::start();
    let url = api.url();
    let settings = [("HOMING__AUTH__PROVIDER", "http"), ("HOMING__AUTH__HTTP__URL", url.as_str())];
    let told = place.doctor(&settings);
    told.all_is_well();
    told.has("provider http", "ok", &["refuses a made-up login", "status 200"]);
    let asked = api.only_call();
    assert!(asked.body.contains("homing-doctor"), "{}", asked.body);
    for (mood, status, words) in [
        (Mood::Says(200, "{\"allow\":true}".into()), "error", "accepts a made-up login"),
        (Mood::Says(500, "down".into()), "warning", "cannot answer"),
        (Mood::Says(404, "no page".into()), "warning", "is the path right"),
        (Mood::Reset, "warning", "cannot answer"),
        (Mood::Garbage, "warning", "cannot answer"),
        (Mood::Hang, "warning", "no whole answer within"),
    ] {
        api.mood(mood.clone());
        let told = place.doctor(&settings);
        told.has("provider http", status, &[words]);
        told.ends(i32::from(status == "error"));
    }
    drop(api);
    place.doctor(&settings).has("provider http", "warning", &["cannot answer", "auth.http.url"]);
}

/// The doctor may stand before the start (`ExecStartPre`): what heals by itself is no error.
#[test]
fn what_keeps_no_broker_from_starting_is_no_error() {
    let place = Place::new();
    let nobody = free();
    let (url, jwks) = (format!("http://{nobody}/login"), format!("http://{nobody}/jwks"));
    let redis = format!("redis://{nobody}/0");
    let settings = [
        ("HOMING__AUTH__PROVIDER", "['jwt', 'redis', 'http']"),
        ("HOMING__AUTH__HTTP__URL", url.as_str()),
        ("HOMING__AUTH__JWT__JWKS", jwks.as_str()),
        ("HOMING__AUTH__REDIS__URL", redis.as_str()),
        ("HOMING__ADVERTISE__HOSTS", "['no-such-host.invalid']"),
        ("HOMING__ADVERTISE__MQTT", "1883"),
        ("HOMING__STORE__RESERVE", "1000000GiB"),
    ];
    let told = place.doctor(&settings);
    told.ends(0);
    for name in ["provider http", "provider jwt", "provider redis", "advertised mqtt"] {
        assert_eq!(told.check(name)["status"], "warning", "{:#}", told.report);
    }
    told.has("disk space", "warning", &["nothing new is stored", "store.reserve"]);
    let start = settings.iter().fold(place.start(), |start, (key, value)| start.env(key, value));
    let _serves = start.start();
}

#[test]
fn keys_of_tokens_have_to_be_there() {
    let place = Place::new();
    let told = place.doctor(&[
        ("HOMING__AUTH__PROVIDER", "jwt"),
        ("HOMING__AUTH__JWT__KEY", "/no/such/key.pem"),
    ]);
    told.ends(1);
    told.has("provider jwt", "error", &["/no/such/key.pem", "auth.jwt"]);
    let secret = "0123456789abcdef0123456789abcdef";
    let told = place.doctor(&[
        ("HOMING__AUTH__PROVIDER", "jwt"),
        ("HOMING__AUTH__JWT__ALGORITHMS", "['HS256']"),
        ("HOMING__AUTH__JWT__SECRET", secret),
    ]);
    told.all_is_well();
    told.has("provider jwt", "ok", &["keys: 1"]);
    assert!(!told.done.stdout.contains(secret));
}

#[test]
fn redis_has_to_answer() {
    let Some(mut redis) = OwnRedis::start() else { return };
    let place = Place::new();
    let url = format!("{}/0", redis.url());
    let settings =
        [("HOMING__AUTH__PROVIDER", "redis"), ("HOMING__AUTH__REDIS__URL", url.as_str())];
    place.doctor(&settings).all_is_well();
    redis.pause();
    let told = place.doctor(&settings);
    redis.go_on();
    told.has("provider redis", "warning", &["does not answer", "auth.redis.url"]);
    redis.kill();
    place.doctor(&settings).has("provider redis", "warning", &["does not answer"]);
    let told = place.doctor(&[settings[0], ("HOMING__AUTH__REDIS__URL", "http://127.0.0.1/")]);
    told.ends(1);
    told.has("provider redis", "error", &["auth.redis.url"]);
}

#[test]
fn postgresql_is_looked_at_and_left_as_it_is() {
    let Some(url) = new_store_url() else { return };
    let place = Place::new();
    let settings = [("HOMING__STORE__URL", url.as_str())];
    let told = place.doctor(&settings);
    told.all_is_well();
    told.has("store", "ok", &["PostgreSQL", "it is empty"]);
    // The schema was not made by looking.
    place.doctor(&settings).has("store", "ok", &["it is empty"]);
    let broker = place.start().env("HOMING__STORE__URL", &url);
    let mut broker = broker.env("HOMING__AUTH__PROVIDER", "open").start();
    broker.mail("alice", &["one"]);
    assert!(broker.terminate().success());
    let told = place.doctor(&settings);
    told.all_is_well();
    told.has("store", "ok", &["schema version", "the newest"]);
    assert!(told.check("clock")["details"]["database_ahead_ms"].is_i64(), "{:#}", told.report);
    let told = place.doctor(&[("HOMING__STORE__URL", "postgres://u:s3cret@127.0.0.1:1/d")]);
    told.ends(1);
    told.has("store", "error", &["postgres://127.0.0.1:1/d", "store.url"]);
    assert!(!told.done.stdout.contains("s3cret"));
}

#[test]
fn too_few_files_are_told_before_the_start_and_beside_the_broker() {
    let place = Place::new();
    let mut command = std::process::Command::new("prlimit");
    forget_settings(&mut command);
    command.args(["--nofile=128:128", HOMING, "doctor", "--json", "--data"]).arg(place.data());
    command.env("HOMING__LISTEN__MQTT", "['127.0.0.1:0']");
    command.env("HOMING__LISTEN__HTTP", "['127.0.0.1:0']");
    let told = self::told(Running::start(command, "").done());
    told.ends(0);
    told.has("file limit", "warning", &["may open 128 files: 96 connections", "LimitNOFILE"]);
    let _broker = place.start().prefix(&["prlimit", "--nofile=120:120"]).start();
    let told = place.doctor(&[]);
    told.has("file limit", "warning", &["the running broker may open 120 files: 90 connections"]);
}

#[test]
fn a_renewed_certificate_that_was_not_loaded_is_told() {
    let secured = Secured::new();
    let place = Place::new();
    let listen = format!("[\"{}\"]", free());
    let certificates = format!("[{}]", secured.server.setting());
    let settings = [
        ("HOMING__LISTEN__MQTTS", listen.as_str()),
        ("HOMING__TLS__CERTIFICATES", &certificates),
        ("HOMING__TLS__CLIENT_CA", secured.ca()),
        ("HOMING__TLS__CLIENT_CERTIFICATE", "required"),
    ];
    let broker = settings.iter().fold(place.start(), |start, (key, value)| start.env(key, value));
    let broker = broker.start();
    let told = place.doctor(&settings);
    told.all_is_well();
    told.has("served listen.mqtts", "ok", &["the certificates of the files"]);
    secured.authority.server("server", &["localhost", "127.0.0.1"]);
    let told = place.doctor(&settings);
    told.ends(0);
    told.has("served listen.mqtts", "warning", &["asked for localhost", "homing reload"]);
    broker.command(&["reload"]).ok();
    place.doctor(&settings).all_is_well();
}

/// It is one reader more: what is stored meanwhile is stored and delivered.
#[test]
fn a_broker_under_load_notices_nothing() {
    let place = Place::new();
    let broker: Broker = place.start().env("HOMING__AUTH__PROVIDER", "open").start();
    broker.know("alice", "phone");
    let mut bob = Connect::v311("bob", "post").device(broker.mqtt);
    let doctor = place.command().start();
    for number in 0..200 {
        bob.publish_acked("alice", number.to_string(), 1);
    }
    doctor.succeed();
    let mut alice = broker.device("alice", "phone");
    for number in 0..200 {
        assert_eq!(alice.take_text(), number.to_string());
    }
}

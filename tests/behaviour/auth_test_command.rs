//! `homing auth test` with the member API: what it is asked, what it said, and what that means.

use super::support::broker::Start;
use super::support::command::{Done, Homing, homing};
use super::support::member_api::{MemberApi, Mood};
use super::support::{Broker, Connect};

fn command(api: &MemberApi, words: &[&str]) -> Homing {
    let command = homing(&["auth", "test", "--uid", "ut001", "--client-id", "phone"]);
    let command = words.iter().fold(command, |command, word| command.arg(word));
    command.env("HOMING__AUTH__PROVIDER", "http").env("HOMING__AUTH__HTTP__URL", &api.url())
}

fn broker(api: &MemberApi) -> Broker {
    let start = Start::dev().env("HOMING__AUTH__PROVIDER", "http");
    start.env("HOMING__AUTH__HTTP__URL", &api.url()).start()
}

fn has(done: &Done, words: &[&str]) {
    for word in words {
        assert!(done.stdout.contains(word), "{word} is not in\n{}\n{}", done.stdout, done.stderr);
    }
}

#[test]
fn an_accepted_login_is_shown_without_its_token() {
    let api = MemberApi::start();
    let more = r#""roles":["vip"],"expires_at":4102444800,"echo":"s3cret-token""#;
    api.allow_with("ut001", "s3cret-token", more);
    let done = command(&api, &[]).stdin("s3cret-token\n").run();
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    has(
        &done,
        &[
            &format!("POST {}", api.url()),
            r#"{"uid":"ut001","client_id":"phone","token":"***","ip":"127.0.0.1"}"#,
            "token_bytes 12",
            r#"200 {"allow":true"#,
            "accepted: uid ut001, roles vip",
            "until 2100-01-01T00:00:00Z",
            " ms\n",
            "broker      not asked",
        ],
    );
    assert!(!done.stdout.contains("s3cret-token"), "{}", done.stdout);
    assert!(api.only_call().body.contains(r#""token":"s3cret-token""#));
}

#[test]
fn exit_codes_tell_refused_from_unavailable_and_from_wrong_use() {
    let api = MemberApi::start();
    let refused = command(&api, &["--token", "T1"]).run();
    assert_eq!(refused.status.code(), Some(4));
    has(&refused, &["refused: /allow in the answer is not true"]);
    let without_call = command(&api, &[]).stdin("\n").run();
    assert_eq!(without_call.status.code(), Some(4));
    has(&without_call, &["refused: a token is text of 1 to 16384 bytes"]);
    assert!(!without_call.stdout.contains("request "), "{}", without_call.stdout);
    api.mood(Mood::Says(503, "\u{1b}[2Jdown".into()));
    let unavailable = command(&api, &["--token", "T1"]).run();
    assert_eq!(unavailable.status.code(), Some(3));
    has(&unavailable, &[r"503 \u{1b}[2Jdown", "cannot be made: status 503"]);
    let without = homing(&["auth", "test", "--uid", "u", "--token", "T"]).run();
    assert_eq!(without.status.code(), Some(2));
    assert!(without.stderr.contains("--data DIR"), "{}", without.stderr);
}

#[test]
fn a_running_broker_tells_what_it_remembers() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api);
    let data = broker.data.to_str().expect("text").to_owned();
    let words = ["--token", "T1", "--data", &data];
    has(&command(&api, &words).run(), &["breaker closed", "user: 0 accepted"]);
    Connect::v5("ut001", "phone").password("T1").open(broker.mqtt);
    has(&command(&api, &words).run(), &["breaker closed", "user: 1 accepted without asking"]);
    api.mood(Mood::Reset);
    for number in 0..5 {
        Connect::v5(&format!("u{number}"), "phone").password("T1").refused(broker.mqtt);
    }
    let done = command(&api, &words).run();
    has(&done, &["breaker open", "user: 1 accepted without asking"]);
}

#[test]
fn json_for_machines() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api);
    let data = broker.data.to_str().expect("text").to_owned();
    let told = command(&api, &["--token", "T1", "--json", "--data", &data]).ok();
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["login"], "accepted");
    let asked = &told["asked"][0];
    assert_eq!((&asked["provider"], &asked["token_bytes"]), (&"http".into(), &2.into()));
    assert_eq!(asked["request"]["method"], "POST");
    assert_eq!(asked["answer"]["status"], 200);
    assert_eq!(asked["decision"]["result"], "accepted");
    assert!(asked["latency_ms"].as_f64().is_some_and(|millis| millis > 0.0));
    assert_eq!(told["broker"]["breaker_open"], false);
    let none = command(&api, &["--token", "T2", "--json"]).run();
    let told: serde_json::Value = serde_json::from_str(&none.stdout).expect("JSON");
    assert_eq!(told["login"], "refused");
    assert_eq!(told["broker"], serde_json::Value::Null);
}

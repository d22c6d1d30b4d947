//! `homing auth test` with the other providers and with several: each tells what it looked at and
//! why it decided so, and nothing that is secret.

use redis::Commands;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::certificates::Authority;
use super::support::command::{Done, Homing, homing};
use super::support::redis::{connect, own_word, shared_url};
use super::support::tokens::{self, Issuer, jwks, now};
use super::support::{Broker, Connect};

fn command(provider: &str, token: &str) -> Homing {
    let command = homing(&["auth", "test", "--uid", "ut001", "--client-id", "phone"]);
    command.stdin(&format!("{token}\n")).env("HOMING__AUTH__PROVIDER", provider)
}

fn has(done: &Done, words: &[&str]) {
    for word in words {
        assert!(done.stdout.contains(word), "{word} is not in\n{}\n{}", done.stdout, done.stderr);
    }
}

fn json(command: Homing) -> Value {
    let done = command.arg("--json").run();
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr))
}

struct Tokens {
    dir: TempDir,
    issuer: Issuer,
}

impl Tokens {
    fn new() -> Tokens {
        let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
        std::fs::write(dir.path().join("keys.json"), jwks(&[&issuer])).unwrap();
        Tokens { dir, issuer }
    }

    fn command(&self, provider: &str, token: &str) -> Homing {
        let file = self.dir.path().join("keys.json");
        command(provider, token)
            .env("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']")
            .env("HOMING__AUTH__JWT__JWKS", file.to_str().unwrap())
    }
}

#[test]
fn a_signed_token_shows_its_header_its_key_and_the_claims_that_are_read() {
    let tokens = Tokens::new();
    let claims = json!({ "sub": "ut001", "exp": now() + 60, "roles": ["vip"], "phone": "555" });
    let token = tokens.issuer.sign(&claims);
    let done = tokens.command("jwt", &token).env("HOMING__AUTH__JWT__ROLES", "roles").run();
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    has(
        &done,
        &[
            "provider    jwt\n",
            "algorithm   ES256\n",
            "key_id      k1\n",
            "key         k1\n",
            r#""sub":"ut001""#,
            "decision    accepted: uid ut001, roles vip",
        ],
    );
    let signature = token.rsplit('.').next().unwrap();
    for hidden in [signature, &token, "555"] {
        assert!(!done.stdout.contains(hidden), "{hidden} in {}", done.stdout);
    }
}

#[test]
fn a_signed_token_that_is_not_accepted_says_which_check_failed() {
    let tokens = Tokens::new();
    let (issuer, stranger) = (&tokens.issuer, Issuer::new("k1"));
    let (unknown, exp) = (Issuer::new("k2"), now() + 60);
    for (token, result, words) in [
        (issuer.sign(&json!({ "sub": "ut001", "exp": now() - 3600 })), "expired", "expired"),
        (issuer.sign(&json!({ "sub": "ut001" })), "refused", "exp: is missing"),
        (issuer.token("ut002"), "refused", "another user"),
        (issuer.sign(&json!({ "exp": exp })), "refused", "sub: has no uid"),
        (stranger.token("ut001"), "refused", "no known key made its signature"),
        (unknown.token("ut001"), "refused", "key id \"k2\""),
        (tokens::shared("secret", "ut001"), "refused", "\"HS256\" is not among"),
        ("dev".into(), "refused", ""),
    ] {
        let told = json(tokens.command("jwt", &token));
        assert_eq!(told["login"], result, "{told}");
        let reason = told["asked"][0]["decision"]["reason"].as_str();
        assert!(reason.is_some_and(|reason| reason.contains(words)), "{words}: {told}");
    }
}

#[test]
fn redis_shows_the_key_what_lies_there_and_for_how_long() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let ask = |token: &str| {
        command("redis", token)
            .env("HOMING__AUTH__REDIS__URL", &url)
            .env("HOMING__AUTH__REDIS__KEY", &format!("{word}:{{uid}}:{{token.mk}}"))
            .env("HOMING__AUTH__REDIS__VALUE", "{token.token}")
    };
    let () = redis.pset_ex(format!("{word}:ut001:machine7"), "s3cret", 3_600_000).unwrap();
    let done = ask(r#"{"token":"s3cret","mk":"machine7"}"#).run();
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    let key = format!("key         {word}:ut001:***\n");
    has(&done, &["provider    redis\n", &key, "found       the token's value\n", "lives_on_ms 3"]);
    assert!(!done.stdout.contains("s3cret") && !done.stdout.contains("machine7"));
    let other = json(ask(r#"{"token":"other","mk":"machine7"}"#));
    assert_eq!(
        (&other["login"], &other["asked"][0]["found"]),
        (&"refused".into(), &"another value than the token's".into(),)
    );
    let nothing = ask(r#"{"token":"s3cret","mk":"machine8"}"#).run();
    assert_eq!(nothing.status.code(), Some(4));
    has(&nothing, &["found       nothing\n", "decision    not mine; nobody is left: refused"]);
    let away = ask(r#"{"token":"s3cret","mk":"machine7"}"#);
    let away = away.env("HOMING__AUTH__REDIS__URL", "redis://127.0.0.1:1").run();
    assert_eq!(away.status.code(), Some(3));
    has(&away, &["decision    cannot be made: "]);
}

#[test]
fn accounts_are_asked_in_the_running_broker_or_in_its_store() {
    let mut broker = Broker::dev();
    let data = broker.data.to_str().expect("text").to_owned();
    let ask = |uid: &str, token: &str| {
        let command = homing(&["auth", "test", "--uid", uid, "--data", &data]);
        let done = command.stdin(&format!("{token}\n")).run();
        (done.status.code(), done)
    };
    let (code, done) = ask("alice", "dev");
    assert_eq!(code, Some(0), "{}", done.stderr);
    has(&done, &["account     there is one\n", "password    matches\n", "not remembered"]);
    Connect::v5("bob", "phone").password("dev").open(broker.mqtt);
    has(&ask("bob", "dev").1, &["cache       remembered", "accepted: uid bob, roles none"]);
    let (code, done) = ask("alice", "wrong");
    assert_eq!(code, Some(4));
    has(&done, &["password    does not match\n", "decision    refused\n"]);
    assert!(!done.stdout.contains("argon2id"), "{}", done.stdout);
    let (code, done) = ask("nobody", "dev");
    assert_eq!(code, Some(4));
    has(&done, &["account     there is none\n", "decision    not mine; nobody is left"]);
    broker.terminate();
    let (code, done) = ask("alice", "dev");
    assert_eq!(code, Some(0), "{}", done.stderr);
    has(&done, &["password    matches\n"]);
}

#[test]
fn a_certificate_names_the_user_and_without_one_the_next_provider_is_asked() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let (files, server) = (authority.client("ut001"), authority.server("server", &["localhost"]));
    let listening = |command: Homing| {
        command
            .env("HOMING__LISTEN__MQTTS", "['127.0.0.1:8883']")
            .env("HOMING__TLS__CERTIFICATES", &format!("[{}]", server.setting()))
            .env("HOMING__TLS__CLIENT_CERTIFICATE", "optional")
            .env("HOMING__TLS__CLIENT_CA", authority.file.to_str().unwrap())
    };
    let (tokens, provider) = (Tokens::new(), "['certificate', 'jwt']");
    let done = listening(tokens.command(provider, "any")).arg("--cert").arg(&files.cert).run();
    has(&done, &["provider    certificate\n", r#""cn":"ut001""#, "accepted: uid ut001"]);
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    let done = listening(tokens.command(provider, &tokens.issuer.token("ut001"))).run();
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    has(
        &done,
        &[
            "decision    not mine: the client shows no certificate; the next one is asked\n",
            "provider    jwt\n",
            "decision    accepted: uid ut001",
        ],
    );
    let other = homing(&["auth", "test", "--uid", "ut002", "--token", "x"]);
    let other = listening(other.env("HOMING__AUTH__PROVIDER", "certificate"));
    let done = other.arg("--cert").arg(&files.cert).run();
    assert_eq!(done.status.code(), Some(4));
    has(&done, &["refused: the certificate is that of ut001"]);
}

#[test]
fn of_several_providers_the_first_that_knows_the_login_decides() {
    let (tokens, mut broker) = (Tokens::new(), Broker::dev());
    broker.add_user("ut001", "dev");
    broker.terminate();
    let data = broker.data.to_str().expect("text").to_owned();
    let ask =
        |token: &str| json(tokens.command("['jwt', 'accounts']", token).arg("--data").arg(&data));
    let told = ask("dev");
    let result = |number: usize| &told["asked"][number]["decision"]["result"];
    assert_eq!((result(0), result(1)), (&"not_mine".into(), &"accepted".into()), "{told}");
    let told = ask(&tokens::shared("secret", "ut001"));
    assert_eq!(told["asked"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["login"], "refused");
}

#[test]
fn an_open_broker_lets_in_any_uid() {
    let loopback = "['127.0.0.1:1883']";
    let done = command("open", "any").env("HOMING__LISTEN__MQTT", loopback).run();
    has(&done, &["provider    open\n", "decision    accepted: uid ut001"]);
    let bad = homing(&["auth", "test", "--uid", "a/b", "--token", "x"]);
    let bad = bad.env("HOMING__AUTH__PROVIDER", "open").env("HOMING__LISTEN__MQTT", loopback).run();
    assert_eq!(bad.status.code(), Some(4));
    has(&bad, &["decision    refused: the user name is no uid"]);
}

//! `GET /v1/route`, the first step of an installed app, and the navigation page of Startalk.

use serde_json::json;
use tempfile::TempDir;

use super::support::page::{Answer, ask};
use super::support::tokens::{Issuer, jwks, now};
use super::support::{Broker, broker::Start};

const HOSTS: (&str, &str) = ("HOMING__ADVERTISE__HOSTS", "['chat.example.org', '192.0.2.1']");
const MQTT: (&str, &str) = ("HOMING__ADVERTISE__MQTT", "41883");
const MQTTS: (&str, &str) = ("HOMING__ADVERTISE__MQTTS", "48883");
const WS: (&str, &str) = ("HOMING__ADVERTISE__WS", "41884");
const WSS: (&str, &str) = ("HOMING__ADVERTISE__WSS", "48884");
const TTL: (&str, &str) = ("HOMING__ADVERTISE__TTL", "10m");

/// `alice:dev`
const ALICE: &str = "Authorization: Basic YWxpY2U6ZGV2";

fn route(broker: &Broker, query: &str, headers: &[&str]) -> Answer {
    ask(broker.http, "GET", &format!("/v1/route{query}"), headers, "")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// A problem (RFC 9457) with this status and code.
fn problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)));
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    if status == 401 {
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
}

#[test]
fn a_user_is_told_what_is_advertised_and_nothing_else() {
    let broker = Broker::with(&[HOSTS, MQTT, MQTTS, WS, WSS, TTL]);
    for (query, login) in [
        ("", ALICE.to_owned()),
        ("?uid=alice", ALICE.to_owned()),
        ("?uid=alice&client_id=phone", bearer("dev")),
    ] {
        let answer = route(&broker, query, &[&login]);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let ports = [("mqtt", 41883), ("mqtts", 48883), ("ws", 41884), ("wss", 48884)];
        let server = |host: &str| {
            let mut server = json!({ "host": host });
            ports.iter().for_each(|(name, port)| server[name] = json!(port));
            server
        };
        let servers = [server("chat.example.org"), server("192.0.2.1")];
        assert_eq!(answer.json(), json!({ "uid": "alice", "ttl": 600, "servers": servers }));
    }
}

#[test]
fn with_a_signed_token_the_uid_need_not_be_said() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k"));
    let file = dir.path().join("keys.json");
    std::fs::write(&file, jwks(&[&issuer])).unwrap();
    let broker = Broker::with(&[
        HOSTS,
        MQTT,
        ("HOMING__AUTH__PROVIDER", "jwt"),
        ("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']"),
        ("HOMING__AUTH__JWT__JWKS", file.to_str().unwrap()),
    ]);
    let token = bearer(&issuer.token("ut001"));
    assert_eq!(route(&broker, "", &[&token]).json()["uid"], "ut001");
    assert_eq!(route(&broker, "?uid=ut001", &[&token]).status, 200);
    problem(&route(&broker, "?uid=ut002", &[&token]), 401, "bad_login");
    let expired = bearer(&issuer.sign(&json!({ "sub": "ut001", "exp": now() - 60 })));
    problem(&route(&broker, "", &[&expired]), 401, "token_expired");
}

/// Threat I13. Who exists cannot be learned here.
#[test]
fn whoever_is_not_logged_in_is_told_nothing() {
    let broker = Broker::with(&[HOSTS, MQTT]);
    let wrong = route(&broker, "?uid=alice", &[&bearer("wrong")]);
    let nobody = route(&broker, "?uid=nobody", &[&bearer("wrong")]);
    problem(&wrong, 401, "bad_login");
    assert_eq!(wrong.body, nobody.body);
    for headers in [&[][..], &["Authorization: Basic !"], &["Authorization: Digest x"]] {
        problem(&route(&broker, "?uid=alice", headers), 401, "no_login");
    }
    problem(&route(&broker, "?uid=bob", &[ALICE]), 400, "two_users");
    problem(&route(&broker, "?uid=a&uid=b", &[ALICE]), 400, "bad_query");
    problem(&ask(broker.http, "POST", "/v1/route", &[ALICE], ""), 405, "method_not_allowed");
}

#[test]
fn without_hosts_it_says_what_the_operator_has_to_set() {
    let answer = route(&Broker::dev(), "", &[ALICE]);
    problem(&answer, 503, "not_advertised");
    assert!(answer.json()["hint"].as_str().unwrap().contains("[advertise]"), "{answer:?}");
}

#[test]
fn while_logins_cannot_be_checked_it_says_when_to_come_back() {
    let broker = Broker::with(&[
        HOSTS,
        MQTT,
        ("HOMING__AUTH__PROVIDER", "redis"),
        ("HOMING__AUTH__REDIS__URL", "redis://127.0.0.1:1"),
    ]);
    let answer = route(&broker, "?uid=alice", &[&bearer("dev")]);
    problem(&answer, 503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

/// Threat I13.
#[test]
fn an_address_that_asks_too_often_has_to_wait() {
    let broker = Broker::with(&[HOSTS, MQTT, ("HOMING__HTTP__LOGIN_RATE", "1/s burst 5")]);
    let refused = (0..100).map(|_| route(&broker, "", &[ALICE])).find(|a| a.status != 200);
    let refused = refused.expect("a limit");
    problem(&refused, 429, "too_many_requests");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(ask(broker.http, "GET", "/health", &[], "").status, 200);
}

#[test]
fn a_huge_header_or_query_is_refused() {
    let broker = Broker::with(&[HOSTS, MQTT]);
    let long = "x".repeat(64 * 1024);
    assert_eq!(route(&broker, "", &[&bearer(&long)]).status, 431);
    problem(
        &route(&broker, &format!("?uid=alice&client_id={}", &long[..300]), &[ALICE]),
        400,
        "client_id_invalid",
    );
    problem(&route(&broker, "?uid=%ff", &[&bearer("dev")]), 401, "bad_login");
}

#[test]
fn startalk_apps_find_the_same_in_their_own_format() {
    let nav = |broker: &Broker, query: &str| {
        ask(broker.http, "GET", &format!("/newapi/nck/qtalk_nav.qunar{query}"), &[], "")
    };
    let domain = ("HOMING__STARTALK__DOMAIN", "startalk.test");
    let broker = Broker::with(&[HOSTS, MQTT, MQTTS, domain, ("HOMING__STARTALK__NAV", "true")]);
    let page = nav(&broker, "?c=startalk.test").json();
    let base = &page["baseaddess"];
    assert_eq!(base["domain"], "startalk.test");
    assert_eq!((&base["xmpp"], &base["xmppport"]), (&json!("chat.example.org"), &json!(48883)));
    assert_eq!((&base["mqtt"], base.get("ws")), (&json!(41883), None));
    assert!(page["version"].is_u64() && page["Login"]["loginType"].is_string(), "{page}");
    assert_eq!(nav(&broker, "").json(), page);
    problem(&nav(&broker, "?c=other.test"), 404, "no_domain");
    problem(&nav(&Broker::with(&[HOSTS, MQTT, domain]), ""), 404, "not_found");
    let refused = Start::dev().env("HOMING__STARTALK__NAV", "true").refused();
    assert!(refused.said.contains("startalk.domain"), "{}", refused.said);
}

//! `checktoken`: the legacy router accepts the logins that homing accepts.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::support::member_api::MemberApi;
use super::support::page::{Answer, ask};
use super::support::{Broker, broker::Start};

const PATH: &str = "/im_http_service/corp/newapi/auth/checktoken.qunar";
const DOMAIN: (&str, &str) = ("HOMING__STARTALK__DOMAIN", "startalk.test");
const FROM_HERE: (&str, &str) = ("HOMING__STARTALK__CHECKTOKEN_FROM", "['127.0.0.1/32']");

fn check(http: SocketAddr, u: &str, h: &str, t: &str) -> Answer {
    // Its HTTP client says no content type that could be relied on.
    ask(http, "POST", PATH, &[], &json!({ "u": u, "h": h, "t": t }).to_string())
}

fn refused(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["ret"], false);
    answer.json()
}

#[test]
fn a_right_token_is_accepted_by_the_same_providers() {
    let broker = Broker::with(&[DOMAIN, FROM_HERE]);
    let answer = check(broker.http, "alice", "startalk.test", "dev");
    let good = json!({ "ret": true, "errcode": 0, "errmsg": "", "data": null });
    assert_eq!((answer.status, answer.json()), (200, good.clone()));
    let body = r#"{"u":"alice","h":"startalk.test","t":"dev","more":1}"#;
    let direct = ask(broker.http, "POST", "/corp/newapi/auth/checktoken.qunar", &[], body);
    assert_eq!(direct.json(), good);
}

/// Threat I13. Neither who exists, nor which token was right once.
#[test]
fn unknown_and_wrong_have_one_answer() {
    let broker = Broker::with(&[DOMAIN, FROM_HERE]);
    let wrong = refused(&check(broker.http, "alice", "startalk.test", "wrong"));
    for (u, h, t) in [
        ("nobody", "startalk.test", "wrong"),
        ("", "startalk.test", "dev"),
        ("a/b", "startalk.test", "dev"),
        ("alice", "startalk.test", ""),
        ("alice", "other.test", "dev"),
        ("alice", "", "dev"),
    ] {
        assert_eq!(refused(&check(broker.http, u, h, t)), wrong, "{u} {h} {t}");
    }
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    let broker = Broker::with(&[DOMAIN, FROM_HERE]);
    let long = json!({ "u": "alice", "h": "startalk.test", "t": "x".repeat(100_000) }).to_string();
    for body in ["", "{}", "nonsense", "[]", r#"{"u":1,"h":2,"t":3}"#, &long] {
        let answer = refused(&ask(broker.http, "POST", PATH, &[], body));
        assert!(answer["errmsg"].as_str().unwrap().contains("u, h and t"), "{answer}");
    }
    assert_eq!(ask(broker.http, "GET", PATH, &[], "").status, 405);
}

#[test]
fn it_is_not_there_unless_it_is_configured_and_for_nobody_else() {
    let elsewhere = ("HOMING__STARTALK__CHECKTOKEN_FROM", "['10.0.0.0/8', '::1/128']");
    for broker in [Broker::dev(), Broker::with(&[DOMAIN, elsewhere])] {
        let answer = check(broker.http, "alice", "startalk.test", "dev");
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_found")));
    }
    let refused = Start::dev().env(FROM_HERE.0, FROM_HERE.1).refused();
    assert!(refused.said.contains("startalk.domain"), "{}", refused.said);
}

#[test]
fn what_cannot_be_said_now_is_not_called_wrong() {
    let broker = Broker::with(&[
        DOMAIN,
        FROM_HERE,
        ("HOMING__AUTH__PROVIDER", "redis"),
        ("HOMING__AUTH__REDIS__URL", "redis://127.0.0.1:1"),
    ]);
    let answer = check(broker.http, "alice", "startalk.test", "dev");
    assert_eq!((answer.status, &answer.json()["ret"]), (503, &json!(false)));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

/// Threat I13. All users of the router come from its one address.
#[test]
fn nobody_locks_a_user_out_by_wrong_tokens() {
    let patience = ("HOMING__LIMITS__WRONG_PASSWORDS__PER_USER", "3");
    let broker = Broker::with(&[DOMAIN, FROM_HERE, patience]);
    for _ in 0..5 {
        refused(&check(broker.http, "alice", "startalk.test", "guess"));
    }
    assert_eq!(check(broker.http, "alice", "startalk.test", "dev").json()["ret"], true);
}

/// Threat I2. A token is right for the user that it belongs to.
#[test]
fn the_token_of_another_user_is_wrong() {
    let api = MemberApi::says(200, r#"{"allow":true,"uid":"ut002"}"#);
    let broker = Broker::with(&[
        DOMAIN,
        FROM_HERE,
        ("HOMING__AUTH__PROVIDER", "http"),
        ("HOMING__AUTH__HTTP__URL", &api.url()),
        ("HOMING__AUTH__HTTP__UID_POINTER", "/uid"),
        ("HOMING__AUTH__HTTP__UID_MAY_DIFFER", "true"),
    ]);
    assert_eq!(check(broker.http, "ut002", "startalk.test", "T").json()["ret"], true);
    let other = refused(&check(broker.http, "ut001", "startalk.test", "T"));
    assert_eq!(other["errmsg"], "the token is not valid");
}

/// Threat I13.
#[test]
fn guessing_is_slowed_down() {
    let slow = ("HOMING__HTTP__LOGIN_RATE", "1/s burst 5");
    let broker = Broker::with(&[DOMAIN, FROM_HERE, slow]);
    let guess = |n: i32| check(broker.http, "alice", "startalk.test", &format!("guess {n}"));
    let limited = (0..100).map(guess).find(|answer| answer.status != 200).expect("a limit");
    assert_eq!((limited.status, &limited.json()["ret"]), (429, &json!(false)));
    assert!(limited.header("retry-after").is_some());
}

//! Provider `redis`: the password is a token that another program wrote into Redis.

use redis::Commands;
use serde_json::json;

use super::support::broker::Start;
use super::support::page::ask;
use super::support::python::Paho;
use super::support::redis::{OwnRedis, connect, own_word, shared_url};
use super::support::{Broker, Connect, wait_until};

/// A broker whose tokens lie under `{word}:{uid}`.
fn broker(url: &str, word: &str, more: &[(&str, &str)]) -> Broker {
    let start = Start::dev()
        .env("HOMING__AUTH__PROVIDER", "redis")
        .env("HOMING__AUTH__REDIS__URL", url)
        .env("HOMING__AUTH__REDIS__KEY", &format!("{word}:{{uid}}"));
    more.iter().fold(start, |start, (key, value)| start.env(key, value)).start()
}

fn v5(uid: &str, token: &str) -> Connect {
    Connect::v5(uid, "phone").password(token)
}

#[test]
fn a_token_that_lies_there_lets_in_until_it_is_taken_away() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let broker = broker(&url, &word, &[]);
    let () = redis.set(format!("{word}:ut001"), "token1").unwrap();
    v5("ut001", "token1").open(broker.mqtt);
    for (uid, token) in
        [("ut001", "token2"), ("ut001", ""), ("ut001", "token11"), ("ut002", "token1")]
    {
        assert_eq!(v5(uid, token).refused(broker.mqtt), 0x86, "{uid} {token}");
    }
    // A logout counts at once: nothing is remembered.
    let () = redis.del(format!("{word}:ut001")).unwrap();
    assert_eq!(v5("ut001", "token1").refused(broker.mqtt), 0x86);
    let mut bytes = v5("ut001", "");
    bytes.password = Some(vec![0xFF, 0x00]);
    assert_eq!(bytes.refused(broker.mqtt), 0x86);
}

#[test]
fn a_token_may_be_the_field_of_a_hash() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let broker = broker(&url, &word, &[("HOMING__AUTH__REDIS__FIELD", "login")]);
    let () = redis.hset(format!("{word}:ut001"), "login", "token1").unwrap();
    v5("ut001", "token1").open(broker.mqtt);
    assert_eq!(v5("ut001", "login").refused(broker.mqtt), 0x86);
}

#[test]
fn a_key_that_is_no_string_is_the_operators_affair() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let broker = broker(&url, &word, &[]);
    let () = redis.rpush(format!("{word}:ut001"), "token1").unwrap();
    assert_eq!(v5("ut001", "token1").refused(broker.mqtt), 0x88);
    broker.log.wait_for(&["Redis says", "WRONGTYPE"]);
}

#[test]
fn the_life_of_a_key_is_renewed_by_each_right_token_alone() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let broker = broker(&url, &word, &[("HOMING__AUTH__REDIS__RENEW", "1h")]);
    let key = format!("{word}:ut001");
    let () = redis.set_ex(&key, "token1", 100).unwrap();
    assert_eq!(v5("ut001", "wrong").refused(broker.mqtt), 0x86);
    assert!(redis.ttl::<_, i64>(&key).unwrap() <= 100);
    v5("ut001", "token1").open(broker.mqtt);
    assert!(redis.ttl::<_, i64>(&key).unwrap() > 3000);
}

#[test]
fn the_login_service_of_startalk_is_understood() {
    let Some(url) = shared_url() else { return };
    let (domain, mut redis) = (own_word(), connect(&format!("{url}/2")));
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "redis"),
        ("HOMING__AUTH__REDIS__URL", &url),
        ("HOMING__AUTH__REDIS__LAYOUT", "startalk"),
        ("HOMING__STARTALK__DOMAIN", &domain),
        ("HOMING__STARTALK__CHECKTOKEN_FROM", "['127.0.0.1/32']"),
    ]);
    let key = format!("login_service:ut001@{domain}:device1");
    let () = redis.set_ex(&key, "token1", 1000).unwrap();
    let token = |token: &str, mk: &str| json!({ "token": token, "mk": mk }).to_string();
    let good = token("token1", "device1");
    let (host, port) = (broker.mqtt.ip(), broker.mqtt.port());
    let mut phone = v5("ut001", &good).device(broker.mqtt);
    Paho::V2.run(&format!(
        "import paho.mqtt.publish as publish\n\
         publish.single('ut001', 'Hi', qos=1, hostname='{host}', port={port}, client_id='x',\n\
         auth={{'username': 'ut001', 'password': '{good}'}})\n"
    ));
    assert_eq!(phone.take_text(), "Hi");
    assert!(redis.ttl::<_, i64>(&key).unwrap() > 6 * 24 * 60 * 60, "renewed for 7 days");
    for (uid, wrong) in [
        ("ut001", token("token1", "device2")),
        ("ut001", token("token2", "device1")),
        ("ut001", token("", "device1")),
        ("ut002", good.clone()),
        ("ut001", "token1".into()),
        ("ut001", r#"{"token":{"a":1},"mk":"device1"}"#.into()),
    ] {
        assert_eq!(v5(uid, &wrong).refused(broker.mqtt), 0x86, "{uid} {wrong}");
    }
    // The legacy router asks homing for the same token.
    let question = json!({ "u": "ut001", "h": domain, "t": good }).to_string();
    let path = "/corp/newapi/auth/checktoken.qunar";
    assert_eq!(ask(broker.http, "POST", path, &[], &question).json()["ret"], true);
}

#[test]
fn a_name_cannot_reach_into_the_key_of_another_device() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let key = format!("{word}:{{uid}}:{{token.mk}}");
    let more =
        [("HOMING__AUTH__REDIS__KEY", key.as_str()), ("HOMING__AUTH__REDIS__VALUE", "{token.t}")];
    let broker = broker(&url, &word, &more);
    // eve may choose the name of her device.
    let () = redis.set(format!("{word}:eve:x:y"), "token1").unwrap();
    v5("eve", r#"{"t":"token1","mk":"x:y"}"#).open(broker.mqtt);
    assert_eq!(v5("eve:x", r#"{"t":"token1","mk":"y"}"#).refused(broker.mqtt), 0x86);
}

#[test]
fn the_chain_asks_the_next_one_for_what_does_not_lie_there() {
    let Some(url) = shared_url() else { return };
    let (word, mut redis) = (own_word(), connect(&url));
    let broker = broker(&url, &word, &[("HOMING__AUTH__PROVIDER", "['redis', 'accounts']")]);
    let () = redis.set(format!("{word}:bob"), "token1").unwrap();
    v5("alice", "dev").open(broker.mqtt);
    v5("bob", "token1").open(broker.mqtt);
    // A token of bob lies there, so it decides.
    assert_eq!(v5("bob", "dev").refused(broker.mqtt), 0x86);
    assert_eq!(v5("alice", "wrong").refused(broker.mqtt), 0x86);
}

#[test]
fn while_redis_is_down_nobody_comes_in_and_whoever_is_in_stays() {
    let Some(mut own) = OwnRedis::start() else { return };
    let broker = broker(&own.url(), "t", &[]);
    let login = || v5("ut001", "token1").try_open(broker.mqtt).unwrap().1.code;
    let () = connect(&own.url()).set("t:ut001", "token1").unwrap();
    let mut laptop = Connect::v5("ut001", "laptop").password("token1").device(broker.mqtt);
    own.kill();
    assert_eq!(login(), 0x88);
    broker.log.wait_for(&["logins cannot be checked", "Redis"]);
    laptop.ping();
    own.start_again();
    let () = connect(&own.url()).set("t:ut001", "token1").unwrap();
    wait_until("logins", || (login() == 0).then_some(()));
    broker.log.wait_for(&["logins can be checked again"]);
    // A connection that Redis itself ended is no reason to refuse anybody.
    for _ in 0..3 {
        let () = redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal"])
            .query(&mut connect(&own.url()))
            .unwrap();
        assert_eq!(login(), 0);
    }
}

#[test]
fn redis_may_ask_for_a_password_itself() {
    let Some(own) = OwnRedis::start() else { return };
    let mut redis = connect(&own.url());
    let () = redis.set("t:ut001", "token1").unwrap();
    let set = redis::cmd("CONFIG").arg(&["SET", "requirepass", "hunter2"]).query(&mut redis);
    let () = set.unwrap();
    let login = |broker: &Broker| v5("ut001", "token1").try_open(broker.mqtt).unwrap().1.code;
    let without = broker(&own.url(), "t", &[]);
    assert_eq!(login(&without), 0x88);
    let with = broker(&own.url(), "t", &[("HOMING__AUTH__REDIS__PASSWORD", "hunter2")]);
    assert_eq!(login(&with), 0);
    // The operator mends it on the other side, and no restart is needed.
    let set = redis::cmd("CONFIG").arg(&["SET", "requirepass", ""]).query(&mut redis);
    let () = set.unwrap();
    wait_until("logins", || (login(&without) == 0).then_some(()));
}

#[test]
fn redis_that_hangs_refuses_in_time_and_is_found_again() {
    let Some(own) = OwnRedis::start() else { return };
    let broker = broker(&own.url(), "t", &[("HOMING__AUTH__REDIS__WAIT", "200ms")]);
    let login = || v5("ut001", "token1").try_open(broker.mqtt).unwrap().1.code;
    let () = connect(&own.url()).set("t:ut001", "token1").unwrap();
    assert_eq!(login(), 0);
    own.pause();
    assert_eq!(login(), 0x88);
    assert_eq!(login(), 0x88);
    own.go_on();
    wait_until("logins", || (login() == 0).then_some(()));
}

#[test]
fn a_template_that_is_none_stops_the_start_in_words() {
    let start = || Start::dev().env("HOMING__AUTH__PROVIDER", "redis");
    let said = |key, value| start().env(key, value).refused().said;
    let words = said("HOMING__AUTH__REDIS__KEY", "x:{user}");
    assert!(words.contains("auth.redis.key") && words.contains("{client_id}"), "{words}");
    let words = said("HOMING__AUTH__REDIS__KEY", "session:{token}");
    assert!(words.contains("auth.redis") && words.contains("right for every user"), "{words}");
    let words = said("HOMING__AUTH__REDIS__VALUE", "{client_id}");
    assert!(words.contains("auth.redis") && words.contains("any token would be right"), "{words}");
    let words = said("HOMING__AUTH__REDIS__LAYOUT", "startalk");
    assert!(words.contains("startalk.domain"), "{words}");
    let words = said("HOMING__AUTH__REDIS__URL", "redis://:hunter2@127.0.0.1");
    assert!(words.contains("auth.redis.password") && !words.contains("hunter2"), "{words}");
}

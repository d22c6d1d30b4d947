//! Logins are checked by a member API that has its own interface: what it is asked, what its answer
//! means, and how seldom it is asked.

use super::support::broker::Start;
use super::support::member_api::{Call, MemberApi, Mood};
use super::support::{Broker, Client, Connect, Packet, V5, V311, wait_until};

const BAD_LOGIN: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;
const UNAVAILABLE: u8 = 0x88;
/// The reason string of a CONNACK (MQTT 5, section 3.2.2.3.9).
const REASON_STRING: u8 = 0x1F;

/// `DOMAIN` is startalk.domain, all other keys are of auth.http.
fn start(api: &MemberApi, settings: &[(&str, &str)]) -> Start {
    let start = Start::dev().env("HOMING__AUTH__PROVIDER", "http");
    let start = start.env("HOMING__AUTH__HTTP__URL", &api.url());
    let set = |start: Start, (key, value): &(&str, &str)| match *key {
        "DOMAIN" => start.env("HOMING__STARTALK__DOMAIN", value),
        key => start.env(&format!("HOMING__AUTH__HTTP__{key}"), value),
    };
    settings.iter().fold(start, set)
}

fn broker(api: &MemberApi, settings: &[(&str, &str)]) -> Broker {
    start(api, settings).start()
}

fn code(broker: &Broker, uid: &str, token: &str) -> u8 {
    let connect = Connect::v5(uid, "phone").password(token);
    connect.try_open(broker.mqtt).expect("a CONNACK").1.code
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name).map(String::as_str)
}

#[test]
fn the_json_preset_asks_byte_for_byte_as_documented() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api, &[]);
    assert_eq!(code(&broker, "ut001", "T1"), 0);
    let call = api.only_call();
    assert_eq!(call.line, "POST /login HTTP/1.1");
    assert_eq!(header(&call, "content-type"), Some("application/json"));
    assert_eq!(call.body, r#"{"uid":"ut001","client_id":"phone","token":"T1","ip":"127.0.0.1"}"#);
}

#[test]
fn the_startalk_preset_takes_the_bare_token_and_the_wrapped_one() {
    let api = MemberApi::says(200, r#"{"ret":true,"errcode":0,"errmsg":"","data":{}}"#);
    let broker = broker(
        &api,
        &[("PRESET", "startalk"), ("DOMAIN", "qtalk.example"), ("ACCEPTED_FOR", "0s")],
    );
    let token = r#"{"token":"T","mk":"K"}"#;
    let wrapped = r#"{"nauth":{"p":"{\"token\":\"T\",\"mk\":\"K\"}","mk":"K","u":"ut001"}}"#;
    let asked = r#"{"u":"ut001","h":"qtalk.example","t":"{\"token\":\"T\",\"mk\":\"K\"}"}"#;
    for password in [token, wrapped] {
        assert_eq!(code(&broker, "ut001", password), 0);
        assert_eq!(api.calls().last().expect("a call").body, asked);
    }
    api.mood(Mood::Says(200, r#"{"ret":false,"errcode":1}"#.into()));
    assert_eq!(code(&broker, "ut001", "wrong"), BAD_LOGIN);
}

#[test]
fn any_other_api_fits_by_templates() {
    let api = MemberApi::says(201, r#"{"data":{"state":"ok","who":{"id":4711}}}"#);
    let url = format!("http://{{host}}:{}/check/{{uid}}?via={{listener}}", api.addr.port());
    let broker = broker(
        &api,
        &[
            ("PRESET", "none"),
            ("URL", &url),
            ("DOMAIN", "127.0.0.1"),
            ("API_KEY", "k3y"),
            ("HEADERS", r#"["Authorization: Bearer {api_key}", "X-Token: {token}"]"#),
            ("ACCEPT_STATUS", "[201]"),
            ("ACCEPT_POINTER", "/data/state"),
            ("ACCEPT_VALUE", r#"'"ok"'"#),
            ("UID_POINTER", "/data/who/id"),
            ("UID_MAY_DIFFER", "true"),
        ],
    );
    let mut phone = Connect::v5("+49 170/1", "phone").password("T1").device(broker.mqtt);
    let call = api.only_call();
    assert_eq!(call.line, "GET /check/%2B49%20170%2F1?via=mqtt HTTP/1.1");
    assert_eq!(header(&call, "authorization"), Some("Bearer k3y"));
    assert_eq!(header(&call, "x-token"), Some("T1"));
    // The inbox is that of the uid which the API gave.
    let mut other = Connect::v5("anything", "post").password("T1").open(broker.mqtt);
    phone.expect_marker_from(&mut other, "4711");
}

#[test]
fn the_uid_of_the_answer_has_to_be_the_user_name() {
    let api = MemberApi::says(200, r#"{"allow":true,"uid":"ut002"}"#);
    let broker = broker(&api, &[]);
    assert_eq!(code(&broker, "ut001", "T1"), BAD_LOGIN);
}

#[test]
fn a_login_that_has_expired_is_told_so() {
    let api = MemberApi::start();
    api.allow_with("ut001", "T1", r#""expires_at":1700000000"#);
    let broker = broker(&api, &[]);
    for _ in 0..2 {
        let connect = Connect::v5("ut001", "phone").password("T1");
        let (_, ack) = connect.try_open(broker.mqtt).expect("a CONNACK");
        assert_eq!(ack.code, NOT_AUTHORIZED);
        let words = ack.props.text(REASON_STRING).expect("words");
        assert!(words.contains("expired"), "{words}");
    }
    assert_eq!(api.count(), 1);
}

#[test]
fn an_answer_is_remembered_right_or_wrong() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api, &[("REFUSED_FOR", "1h")]);
    for _ in 0..5 {
        assert_eq!(code(&broker, "ut001", "T1"), 0);
        assert_eq!(code(&broker, "ut001", "T2"), BAD_LOGIN);
    }
    assert_eq!(api.count(), 2);
    let hits = |result| {
        broker.metrics("homing_auth_cache_hits_total", &[("backend", "http"), ("result", result)])
    };
    assert_eq!((hits("accepted"), hits("refused")), (4.0, 4.0));
    let asked = |result| {
        broker.metrics("homing_auth_requests_total", &[("backend", "http"), ("result", result)])
    };
    assert_eq!((asked("accepted"), asked("refused")), (1.0, 1.0));
    assert_eq!(broker.metrics("homing_auth_seconds_count", &[("backend", "http")]), 2.0);
    // Another user with the same token is another login.
    assert_eq!(code(&broker, "ut002", "T1"), BAD_LOGIN);
    assert_eq!(api.count(), 3);
}

#[test]
fn a_withdrawn_login_counts_no_more_when_its_time_is_over() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api, &[("ACCEPTED_FOR", "0s"), ("REFUSED_FOR", "0s")]);
    assert_eq!(code(&broker, "ut001", "T1"), 0);
    api.forbid("ut001");
    assert_eq!(code(&broker, "ut001", "T1"), BAD_LOGIN);
    // A refusal ends what was remembered for outages, too.
    api.mood(Mood::Reset);
    assert_eq!(code(&broker, "ut001", "T1"), UNAVAILABLE);
}

#[test]
fn a_user_who_is_removed_is_asked_about_again() {
    let api = MemberApi::start();
    api.allow("ut001", "T1");
    let broker = broker(&api, &[]);
    broker.add_user("ut001", "x");
    let mut phone = Connect::v5("ut001", "phone").password("T1").open(broker.mqtt);
    broker.command(&["user", "remove", "ut001"]).ok();
    assert_eq!(phone.expect_disconnect(), 0x98);
    api.forbid("ut001");
    assert_eq!(code(&broker, "ut001", "T1"), BAD_LOGIN);
    assert_eq!(api.count(), 2);
}

/// Sends a CONNECT and reads nothing yet.
fn knock(broker: &Broker, uid: &str, client_id: &str) -> Client {
    let mut client = Client::silent(broker.mqtt, V311);
    client.send_raw(&Connect::v311(uid, client_id).password("T1").encode());
    client
}

fn connack(client: &mut Client) -> u8 {
    match client.recv() {
        Packet::ConnAck { code, .. } => code,
        other => panic!("no CONNACK: {other:?}"),
    }
}

fn welcome(mut client: Client) {
    assert_eq!(connack(&mut client), 0);
}

/// Threat M6.
#[test]
fn a_hundred_connections_with_one_token_are_one_call() {
    let api = MemberApi::says(200, r#"{"ret":true}"#);
    let broker = broker(&api, &[("PRESET", "startalk"), ("DOMAIN", "h")]);
    api.mood(Mood::Hang);
    let clients: Vec<Client> =
        (0..100).map(|n| knock(&broker, "ut001", &format!("device-{n}"))).collect();
    let opened = || broker.metrics("homing_connections_opened_total", &[]);
    wait_until("all connections", || (opened() >= 100.0).then_some(()));
    api.mood(Mood::Says(200, r#"{"ret":true}"#.into()));
    clients.into_iter().for_each(welcome);
    assert_eq!(api.count(), 1);
}

#[test]
fn the_client_that_asked_first_may_leave() {
    let api = MemberApi::start();
    api.mood(Mood::Hang);
    let broker = broker(&api, &[("PRESET", "startalk"), ("DOMAIN", "h")]);
    let first = knock(&broker, "ut001", "phone");
    api.wait_for_calls(1);
    first.cut();
    let second = knock(&broker, "ut001", "tablet");
    let opened = || broker.metrics("homing_connections_opened_total", &[]);
    wait_until("both connections", || (opened() >= 2.0).then_some(()));
    api.mood(Mood::Says(200, r#"{"ret":true}"#.into()));
    welcome(second);
    assert_eq!(api.count(), 1);
}

#[test]
fn calls_beyond_the_bound_wait_and_logins_beyond_the_queue_are_refused_as_busy() {
    let api = MemberApi::start();
    api.mood(Mood::Hang);
    let broker = broker(&api, &[("CONCURRENCY", "2"), ("QUEUE", "1"), ("TIMEOUT", "20s")]);
    let names: Vec<String> = (0..6).map(|number| format!("user-{number}")).collect();
    names.iter().for_each(|uid| api.allow(uid, "T1"));
    let mut clients: Vec<Client> = names[..2].iter().map(|uid| knock(&broker, uid, "x")).collect();
    api.wait_for_calls(2);
    clients.extend(names[2..].iter().map(|uid| knock(&broker, uid, "x")));
    let busy = [("backend", "http"), ("result", "busy")];
    let refused = || broker.metrics("homing_auth_requests_total", &busy);
    wait_until("logins that are refused as busy", || (refused() >= 3.0).then_some(()));
    assert_eq!(api.count(), 2);
    api.mood(Mood::Table);
    let mut codes: Vec<u8> = clients.iter_mut().map(connack).collect();
    codes.sort();
    assert_eq!(codes, [0, 0, 0, 3, 3, 3]);
}

#[test]
fn what_is_no_answer_is_not_the_users_fault() {
    let (silence, of_no_use) = ("does not answer", "is of no use");
    let says = |status, body: &str| Mood::Says(status, body.into());
    for (mood, words) in [
        (says(500, r#"{"allow":true}"#), silence),
        (says(429, ""), silence),
        (says(302, r#"{"allow":true}"#), of_no_use),
        (says(413, ""), of_no_use),
        (says(200, "<html>login</html>"), of_no_use),
        (says(200, r#"{"allow":true,"roles":[{}]}"#), of_no_use),
        (Mood::Endless, of_no_use),
        (Mood::Garbage, silence),
        (Mood::Reset, silence),
    ] {
        let api = MemberApi::start();
        api.mood(mood.clone());
        let broker = broker(&api, &[]);
        assert_eq!(code(&broker, "ut001", "T1"), UNAVAILABLE, "{mood:?}");
        assert_eq!(Connect::v311("ut002", "phone").refused(broker.mqtt), 3, "{mood:?}");
        broker.log.wait_for(&["the member API", words]);
        assert!(api.calls().iter().all(|call| call.line.contains("/login")), "{mood:?}");
    }
}

/// A token that could be cut at a NUL, that is no text or too long is refused without a call.
#[test]
fn what_no_token_can_be_is_refused_without_a_call() {
    let api = MemberApi::says(200, r#"{"allow":true}"#);
    let broker = broker(&api, &[]);
    let long = vec![b'x'; 60 * 1024];
    for password in [&b"T1\0junk"[..], b"\0", b"\xFF\xFE", b"T1\xC0\x80", b"", &long] {
        let mut connect = Connect::v311("ut001", "phone");
        connect.password = Some(password.into());
        assert_eq!(connect.refused(broker.mqtt), 4, "{:?}", &password[..password.len().min(9)]);
    }
    let mut without = Connect::v5("ut001", "phone");
    without.password = None;
    assert_eq!(without.refused(broker.mqtt), BAD_LOGIN);
    for uid in ["#", "a/b", "$SYS", ""] {
        assert_eq!(Connect::v5(uid, "phone").refused(broker.mqtt), BAD_LOGIN, "{uid}");
    }
    assert_eq!(api.count(), 0);
}

/// A CONNECT of a megabyte is refused before it is read.
#[test]
fn a_token_of_a_megabyte_is_not_read() {
    let api = MemberApi::says(200, r#"{"allow":true}"#);
    let broker = broker(&api, &[]);
    let mut client = Client::silent(broker.mqtt, V5);
    // CONNECT with a remaining length of 1 MiB, and nothing of it.
    client.send_raw(&[0x10, 0x80, 0x80, 0x40]);
    client.expect_closed();
    assert_eq!(api.count(), 0);
}

#[test]
fn a_token_with_quotes_and_line_ends_arrives_as_it_is_or_not_at_all() {
    let api = MemberApi::start();
    let token = "\"},{\"uid\":\"root\"\r\nX-Admin: 1 \u{1F511}";
    api.allow("ut001", token);
    let json = broker(&api, &[]);
    assert_eq!(code(&json, "ut001", token), 0);
    let header = broker(&api, &[("HEADERS", r#"["X-Token: {token}"]"#)]);
    assert_eq!(code(&header, "ut001", token), BAD_LOGIN);
    assert_eq!(api.count(), 1);
}

#[test]
fn a_template_that_cannot_work_stops_the_start_and_names_key_and_placeholder() {
    let api = MemberApi::start();
    for (key, value, words) in [
        ("BODY", r#"{"u":"{user}"}"#, ["auth.http.body", "{user}"]),
        ("URL", "http://127.0.0.1/{uid", ["auth.http.url", "{uid has no end"]),
        ("HEADERS", r#"["X-T: {tokn}"]"#, ["auth.http.headers", "{tokn}"]),
        ("URL", "", ["auth.http.url", "give the address"]),
        ("PRESET", "startalk", ["startalk.domain", "{host}"]),
        ("ACCEPT_VALUE", "ok", ["auth.http.accept_value", "no JSON"]),
        ("PRESET", "none", ["auth.http", "no template has {token}"]),
    ] {
        let refused = start(&api, &[(key, value)]).refused();
        assert_eq!(refused.status.code(), Some(2), "{}", refused.said);
        assert!(words.iter().all(|word| refused.said.contains(word)), "{key}: {}", refused.said);
    }
}

#[test]
fn settings_by_which_one_token_would_be_right_for_every_user_stop_the_start() {
    let api = MemberApi::start();
    let settings = [("PRESET", "none"), ("URL", "http://127.0.0.1/?t={token}")];
    let refused = start(&api, &settings).refused();
    assert_eq!(refused.status.code(), Some(2), "{}", refused.said);
    assert!(refused.said.contains("no template has {uid}"), "{}", refused.said);
    // Or the API says whose it is, in every answer.
    let api = MemberApi::says(200, r#"{"who":"ut001"}"#);
    let url = format!("{}?t={{token}}", api.url());
    let settings = [("PRESET", "none"), ("URL", &url), ("UID_POINTER", "/who")];
    let broker = broker(&api, &settings);
    assert_eq!((code(&broker, "ut001", "T1"), code(&broker, "ut002", "T1")), (0, BAD_LOGIN));
    api.mood(Mood::Says(200, "{}".into()));
    assert_eq!(code(&broker, "ut003", "T1"), UNAVAILABLE);
}

/// Neither token nor key of the API is ever in the log.
#[test]
fn no_secret_is_logged() {
    let api = MemberApi::start();
    let broker = start(&api, &[("API_KEY", "k3y-of-the-api"), ("HEADERS", r#"["K: {api_key}"]"#)])
        .env("HOMING__LOG__LEVEL", "trace")
        .start();
    assert_eq!(code(&broker, "ut001", "t0ken-of-ut001"), BAD_LOGIN);
    api.mood(Mood::Reset);
    assert_eq!(code(&broker, "ut002", "t0ken-of-ut002"), UNAVAILABLE);
    broker.log.wait_for(&["does not answer"]);
    for secret in ["t0ken-of", "k3y-of"] {
        assert_eq!(broker.log.matching(&[secret]), [""; 0]);
    }
}

/// The first CONNECT is still being checked when its sender gives up and comes again.
#[test]
fn a_connection_that_is_gone_before_its_login_is_decided_takes_nothing_over() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &[]);
    api.mood(Mood::Hang);
    let mut first = std::net::TcpStream::connect(broker.mqtt).unwrap();
    let connect = Connect::v5("alice", "phone").password("T1");
    std::io::Write::write_all(&mut first, &connect.encode()).unwrap();
    api.wait_for_calls(1);
    drop(first);
    api.mood(Mood::Table);
    let mut second = connect.device(broker.mqtt);
    second.ping();
    assert_eq!(broker.log.matching(&["taken_over"]), Vec::<String>::new());
    assert_eq!(broker.metrics("homing_takeovers_total", &[]), 0.0);
}

/// What the API was asked before the kick says nothing after it.
#[test]
fn a_login_that_begins_after_a_kick_does_not_wait_for_an_older_question() {
    let api = MemberApi::start();
    ["alice", "bob"].iter().for_each(|uid| api.allow(uid, "T1"));
    let broker = broker(&api, &[("TIMEOUT", "20s")]);
    let mut bob = Connect::v5("bob", "phone").password("T1").device(broker.mqtt);
    api.mood(Mood::Hang);
    let first = knock(&broker, "alice", "phone");
    api.wait_for_calls(2);
    first.cut();
    broker.command(&["user", "kick", "bob"]).ok();
    assert!(bob.expect_disconnect() >= 0x80);
    let second = knock(&broker, "alice", "phone");
    api.wait_for_calls(3);
    api.mood(Mood::Table);
    welcome(second);
}

#[test]
fn a_login_that_is_kicked_is_asked_about_again() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &[]);
    for (kick, calls) in
        [(&["device", "kick", "alice", "phone"][..], 2), (&["user", "kick", "alice"], 3)]
    {
        let mut phone = Connect::v5("alice", "phone").password("T1").device(broker.mqtt);
        assert_eq!(api.count(), calls - 1, "remembered until it is kicked");
        broker.command(kick).ok();
        assert!(phone.expect_disconnect() >= 0x80);
        assert_eq!(code(&broker, "alice", "T1"), 0);
        assert_eq!(api.count(), calls, "after {kick:?}");
    }
}

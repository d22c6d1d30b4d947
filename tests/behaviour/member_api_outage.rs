//! The member API is away: who is connected stays, who was accepted lately comes in, others hear
//! when to try again, and the API is left alone until it is back.

use std::time::{Duration, Instant};

use super::support::broker::Start;
use super::support::member_api::{MemberApi, Mood};
use super::support::{Broker, Client, Connect, wait_until};

const UNAVAILABLE: u8 = 0x88;
const REASON_STRING: u8 = 0x1F;

fn broker(api: &MemberApi, settings: &[(&str, &str)]) -> Broker {
    let start = Start::dev().env("HOMING__AUTH__PROVIDER", "http");
    let start = start.env("HOMING__AUTH__HTTP__URL", &api.url());
    let start = start.env("HOMING__AUTH__HTTP__TIMEOUT", "1s");
    let set = |start: Start, (key, value): &(&str, &str)| start.env(key, value);
    settings.iter().fold(start, set).start()
}

fn code(broker: &Broker, uid: &str) -> u8 {
    let connect = Connect::v5(uid, "phone").password("T1");
    connect.try_open(broker.mqtt).expect("a CONNACK").1.code
}

fn device(broker: &Broker, uid: &str, client_id: &str) -> Client {
    Connect::v311(uid, client_id).password("T1").device(broker.mqtt)
}

fn open_breaker(broker: &Broker) {
    let mut number = 0;
    wait_until("the open breaker", || {
        number += 1;
        assert_eq!(code(broker, &format!("stranger-{number}")), UNAVAILABLE);
        is_open(broker).then_some(())
    });
}

/// Threat N6.
#[test]
fn connected_sessions_live_on_and_new_logins_hear_when_to_try_again() {
    let api = MemberApi::start();
    ["alice", "bob"].iter().for_each(|uid| api.allow(uid, "T1"));
    let broker = broker(&api, &[]);
    let mut alice = device(&broker, "alice", "phone");
    let mut bob = device(&broker, "bob", "post");
    for mood in [Mood::Hang, Mood::Reset, Mood::Says(503, String::new())] {
        api.mood(mood);
        let connect = Connect::v5("carol", "phone").password("T1");
        let (mut client, ack) = connect.try_open(broker.mqtt).expect("a CONNACK");
        assert_eq!(ack.code, UNAVAILABLE);
        let words = ack.props.text(REASON_STRING).expect("words");
        assert!(words.contains("try again in"), "{words}");
        client.expect_closed();
        assert_eq!(Connect::v311("carol", "phone").password("T1").refused(broker.mqtt), 3);
        alice.expect_marker_from(&mut bob, "alice");
    }
}

/// Threat N6.
#[test]
fn the_breaker_opens_and_tries_are_few_until_the_api_is_back() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &[]);
    api.mood(Mood::Reset);
    open_breaker(&broker);
    broker.log.wait_for(&["member API", "left alone"]);
    let (before, begun) = (api.count(), Instant::now());
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(code(&broker, "alice"), UNAVAILABLE);
    }
    // Pauses of 250 ms, 500 ms, 1 s, 2 s, each at least three quarters of it.
    let tries = api.count() - before;
    assert!((1..=5).contains(&tries), "{tries} calls in 3 s");
    api.mood(Mood::Table);
    let returned = Instant::now();
    wait_until("a login", || (code(&broker, "alice") == 0).then_some(()));
    assert!(returned.elapsed() < Duration::from_secs(5), "{:?}", returned.elapsed());
    assert_eq!(broker.metrics("homing_auth_breaker_open", &[]), 0.0);
    broker.log.wait_for(&["member API", "answers again"]);
}

/// A refusal is an answer too.
#[test]
fn the_first_answer_closes_the_breaker_whatever_it_says() {
    let api = MemberApi::start();
    let broker = broker(&api, &[]);
    api.mood(Mood::Reset);
    open_breaker(&broker);
    api.mood(Mood::Says(401, String::new()));
    wait_until("a refusal", || (code(&broker, "alice") == 0x86).then_some(()));
    assert_eq!(broker.metrics("homing_auth_breaker_open", &[]), 0.0);
}

/// Whatever clients send, refusals never open the breaker.
#[test]
fn wrong_tokens_do_not_open_the_breaker() {
    let api = MemberApi::says(400, "");
    let broker = broker(&api, &[]);
    for number in 0..20 {
        assert_eq!(code(&broker, &format!("guess-{number}")), 0x86);
    }
    assert_eq!(broker.metrics("homing_auth_breaker_open", &[]), 0.0);
}

fn is_open(broker: &Broker) -> bool {
    broker.metrics("homing_auth_breaker_open", &[]) == 1.0
}

const NOTHING_FRESH: [(&str, &str); 2] =
    [("HOMING__AUTH__HTTP__ACCEPTED_FOR", "0s"), ("HOMING__AUTH__HTTP__REFUSED_FOR", "0s")];

/// Threat I3.
#[test]
fn logins_that_the_api_stumbles_over_revive_no_withdrawn_one() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &NOTHING_FRESH);
    assert_eq!(code(&broker, "alice"), 0);
    api.forbid("alice");
    let roles = r#"{"allow":true,"roles":[{}]}"#;
    for (status, body) in [(413, ""), (414, ""), (431, ""), (200, roles), (200, "<html>")] {
        for number in 0..6 {
            let uid = format!("odd-{status}-{number}");
            api.answers(&uid, status, body);
            assert_eq!(code(&broker, &uid), UNAVAILABLE, "{status}");
        }
    }
    api.answers("mallory", 500, "");
    for _ in 0..10 {
        assert_eq!(code(&broker, "mallory"), UNAVAILABLE);
    }
    assert!(!is_open(&broker));
    // Under many names it opens, but not for a login that the API knew: it is asked all the same.
    for number in 0..5 {
        api.answers(&format!("name-{number}"), 500, "");
        assert_eq!(code(&broker, &format!("name-{number}")), UNAVAILABLE);
    }
    assert!(is_open(&broker));
    assert_eq!(code(&broker, "alice"), 0x86);
    assert!(!is_open(&broker), "it answered");
}

/// What it says of this login now counts more than what it said before.
#[test]
fn an_answer_of_no_use_lets_nobody_in_by_an_older_one() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &NOTHING_FRESH);
    assert_eq!(code(&broker, "alice"), 0);
    api.answers("alice", 413, "");
    assert_eq!(code(&broker, "alice"), UNAVAILABLE);
    api.answers("alice", 503, "");
    assert_eq!(code(&broker, "alice"), 0, "it cannot say");
}

#[test]
fn one_odd_login_that_comes_all_the_time_does_not_keep_the_breaker_open() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &NOTHING_FRESH);
    assert_eq!(code(&broker, "alice"), 0);
    api.mood(Mood::Reset);
    assert_eq!(code(&broker, "alice"), 0);
    open_breaker(&broker);
    api.answers("mallory", 500, "");
    api.mood(Mood::Table);
    let closed = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !closed.load(ordering) {
                    assert_eq!(code(&broker, "mallory"), UNAVAILABLE);
                }
            });
        }
        wait_until("the closed breaker", || {
            assert_eq!(code(&broker, "alice"), 0);
            (!is_open(&broker)).then_some(())
        });
        closed.store(true, ordering);
    });
}

#[test]
fn who_was_accepted_lately_comes_in_while_the_api_is_away() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let broker = broker(&api, &[("HOMING__AUTH__HTTP__ACCEPTED_FOR", "0s")]);
    assert_eq!(code(&broker, "alice"), 0);
    api.mood(Mood::Reset);
    assert_eq!(code(&broker, "alice"), 0, "the breaker is closed");
    open_breaker(&broker);
    assert_eq!(code(&broker, "alice"), 0, "the breaker is open");
    let stale = [("backend", "http"), ("result", "stale")];
    assert_eq!(broker.metrics("homing_auth_cache_hits_total", &stale), 2.0);
    // With another token she is as unknown as anybody.
    let other = Connect::v5("alice", "phone").password("T2");
    assert_eq!(other.refused(broker.mqtt), UNAVAILABLE);
}

#[test]
fn without_stale_if_error_nobody_comes_in_while_the_api_is_away() {
    let api = MemberApi::start();
    api.allow("alice", "T1");
    let settings =
        [("HOMING__AUTH__HTTP__ACCEPTED_FOR", "0s"), ("HOMING__AUTH__HTTP__STALE_IF_ERROR", "0s")];
    let broker = broker(&api, &settings);
    assert_eq!(code(&broker, "alice"), 0);
    api.mood(Mood::Reset);
    assert_eq!(code(&broker, "alice"), UNAVAILABLE);
}

/// How the outage under many clients went.
struct Storm {
    clients: usize,
    down: Duration,
}

impl Storm {
    /// Half of the clients are connected and stay; the others come again and again while the API
    /// hangs, then all of them get in.
    fn run(&self) {
        let api = MemberApi::start();
        for number in 0..self.clients {
            api.allow(&format!("user-{number}"), "T1");
        }
        let broker = broker(&api, &[]);
        let half = self.clients / 2;
        let mut connected: Vec<Client> =
            (0..half).map(|n| device(&broker, &format!("user-{n}"), "phone")).collect();
        let calls_before = api.count();
        api.mood(Mood::Hang);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for part in 0..8 {
                let broker = &broker;
                let until = begun + self.down;
                let mine = (half..self.clients).skip(part).step_by(8);
                scope.spawn(move || knock_until(broker, mine.collect(), until));
            }
        });
        let calls = api.count() - calls_before;
        // The first calls at once, as many as may be; then one at a time.
        let allowed = 32 + 32 + 2 * self.down.as_secs() as usize;
        assert!(calls <= allowed, "{calls} calls in {:?}", begun.elapsed());
        api.mood(Mood::Table);
        let returned = Instant::now();
        let first = format!("user-{half}");
        wait_until("the first login", || (code(&broker, &first) == 0).then_some(()));
        let took = returned.elapsed();
        assert!(took < Duration::from_secs(5), "normal after {took:?}");
        for number in half..self.clients {
            connected.push(device(&broker, &format!("user-{number}"), "tablet"));
        }
        // Nobody who was connected before, or is now, has been dropped.
        connected.iter_mut().for_each(Client::ping);
        println!("{} clients: {calls} calls while down, normal after {took:?}", self.clients);
    }
}

/// Each of them connects, is refused, and comes again after a second.
fn knock_until(broker: &Broker, users: Vec<usize>, until: Instant) {
    loop {
        for number in &users {
            let connect = Connect::v311(&format!("user-{number}"), "tablet").password("T1");
            assert_eq!(connect.refused(broker.mqtt), 3, "while it is down");
            if Instant::now() > until {
                return;
            }
        }
    }
}

/// Threats N6 and M6.
#[test]
fn an_outage_under_300_reconnecting_clients() {
    Storm { clients: 300, down: Duration::from_secs(6) }.run();
}

/// Threats N6 and M6, the campaign: `scripts/member-outage`.
#[test]
#[ignore = "a minute: scripts/member-outage"]
fn an_outage_of_a_minute_under_2000_reconnecting_clients() {
    Storm { clients: 2000, down: Duration::from_secs(60) }.run();
}

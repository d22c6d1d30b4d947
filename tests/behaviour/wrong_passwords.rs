//! Guessing a password is slow, and it locks nobody out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::support::member_api::{MemberApi, Mood};
use super::support::{Broker, Connect, wait_until};

const BAD_LOGIN: u8 = 0x86;
const TOO_MANY: u8 = 0x9F;

fn from(broker: &Broker, last: u8, uid: &str, password: &str) -> u8 {
    let source = IpAddr::from(Ipv4Addr::new(127, 0, 8, last));
    let connect = Connect::v5(uid, "phone").password(password);
    connect.try_from(source, broker.mqtt).expect("an answer").1.code
}

/// Three guesses are free. A pause may be over before the next guess on a machine that is busy; it
/// doubles each time.
fn guess_until_paused(broker: &Broker, uid: &str) {
    for _ in 0..3 {
        assert_eq!(from(broker, 1, uid, "guess"), BAD_LOGIN);
    }
    let mut guesses = std::iter::repeat_with(|| from(broker, 1, uid, "guess"));
    assert!(guesses.by_ref().take(8).any(|code| code == TOO_MANY), "never paused");
}

fn broker() -> Broker {
    Broker::with(&[("HOMING__LIMITS__WRONG_PASSWORDS__PER_USER", "3")])
}

/// Threat I13.
#[test]
fn after_some_wrong_passwords_the_user_pauses_there_and_nowhere_else() {
    let broker = broker();
    guess_until_paused(&broker, "alice");
    assert_eq!(from(&broker, 2, "alice", "dev"), 0, "the owner, from elsewhere");
    assert_eq!(from(&broker, 1, "bob", "dev"), 0, "somebody else behind the same address");
    wait_until("the pause is over", || (from(&broker, 1, "alice", "dev") == 0).then_some(()));
}

#[test]
fn the_pause_is_told_in_words_and_counted() {
    let broker = broker();
    guess_until_paused(&broker, "alice");
    let connect = Connect::v311("alice", "phone").password("guess");
    let source = IpAddr::from(Ipv4Addr::new(127, 0, 8, 1));
    let code = || connect.try_from(source, broker.mqtt).expect("an answer").1.code;
    assert!(std::iter::repeat_with(code).take(8).any(|code| code == 3), "3.1.1: try again later");
    let line = broker.wait_for_log("too many wrong passwords");
    assert!(line.contains("alice") && line.contains("try again in"), "{line}");
    let refused = broker.metrics("homing_connects_total", &[("result", "too_many_attempts")]);
    assert!(refused >= 2.0, "{refused}");
}

#[test]
fn a_user_that_does_not_exist_is_answered_the_same() {
    let broker = broker();
    guess_until_paused(&broker, "nobody");
}

/// Threat M6. One address that has to pause and goes on does not make the others wait.
#[test]
fn who_has_to_pause_takes_nobody_elses_turn() {
    let broker = Broker::with(&[
        ("HOMING__LIMITS__WRONG_PASSWORDS__PER_USER", "1"),
        ("HOMING__LIMITS__CONNECT_RATE", "1/s burst 10"),
        ("HOMING__LIMITS__CONNECT_WAIT", "1s"),
    ]);
    let paused = std::iter::repeat_with(|| from(&broker, 1, "alice", "guess"));
    // Each pause is twice as long as the one before: most of them come within one.
    assert!(paused.take(60).filter(|code| *code == TOO_MANY).count() >= 50);
    assert_eq!(from(&broker, 2, "bob", "dev"), 0);
}

/// Threat I13.
#[test]
fn guesses_at_once_are_no_more_than_guesses_one_by_one() {
    let api = MemberApi::start();
    api.mood(Mood::Slow(Duration::from_millis(200)));
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "http"),
        ("HOMING__AUTH__HTTP__URL", &api.url()),
        ("HOMING__LIMITS__WRONG_PASSWORDS__PER_USER", "3"),
    ]);
    let codes: Vec<u8> = std::thread::scope(|scope| {
        let guess = |n: usize| from(&broker, 1, "alice", &format!("guess {n}"));
        let all: Vec<_> = (0..50).map(|n| scope.spawn(move || guess(n))).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    // After three the pauses are 1 s, 2 s and so on: time for a few on a machine that is busy.
    let checked = codes.iter().filter(|code| **code != TOO_MANY).count();
    assert!((3..=8).contains(&checked) && api.count() == checked, "{codes:?}");
}

//! Wrong passwords make their address wait, and nobody else: not other users from there, not the
//! same user from elsewhere.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::support::{Broker, Connect};

const BAD_LOGIN: u8 = 4;
const BUSY: u8 = 3;

fn code(broker: &Broker, last: u8, uid: &str, password: &str) -> u8 {
    let from: IpAddr = Ipv4Addr::new(127, 0, 0, last).into();
    let connect = Connect::v311(uid, "phone").password(password);
    connect.try_from(from, broker.mqtt).unwrap().1.code
}

fn three() -> Broker {
    Broker::with(&[("HOMING__LIMITS__WRONG_PASSWORDS", "3")])
}

/// Threat I13.
#[test]
fn after_some_the_next_is_not_even_looked_at() {
    let broker = three();
    for number in 0..3 {
        assert_eq!(code(&broker, 2, "alice", &format!("wrong {number}")), BAD_LOGIN);
    }
    // Right or wrong makes no difference, so nothing is learnt.
    assert_eq!(code(&broker, 2, "alice", "wrong"), BUSY);
    assert_eq!(code(&broker, 2, "alice", "dev"), BUSY);
    assert_eq!(broker.metrics("homing_logins_held_back_total", &[]), 2.0);
    broker.log.wait_for(&["alice", "too many wrong passwords", "127.0.0.2"]);
}

/// Threat I13. Nobody locks a user out from afar.
#[test]
fn the_user_comes_in_from_elsewhere_and_other_users_from_there() {
    let broker = three();
    (0..5).for_each(|number| {
        code(&broker, 2, "alice", &number.to_string());
    });
    assert_eq!(code(&broker, 3, "alice", "dev"), 0);
    assert_eq!(code(&broker, 2, "bob", "dev"), 0);
    // Her login from elsewhere does not set the guesser free.
    assert_eq!(code(&broker, 2, "alice", "dev"), BUSY);
}

/// Threat I13. A user that does not exist is treated alike, so that nobody learns who does.
#[test]
fn nobody_waits_as_long() {
    let broker = three();
    for number in 0..3 {
        assert_eq!(code(&broker, 2, "nobody", &number.to_string()), BAD_LOGIN);
    }
    assert_eq!(code(&broker, 2, "nobody", "dev"), BUSY);
}

#[test]
fn after_the_wait_the_right_password_is_right() {
    let broker = three();
    let begun = Instant::now();
    (0..3).for_each(|number| {
        code(&broker, 2, "alice", &number.to_string());
    });
    let mut answer = BUSY;
    while answer == BUSY {
        answer = code(&broker, 2, "alice", "dev");
    }
    assert_eq!(answer, 0);
    assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
    assert_eq!(code(&broker, 2, "alice", "wrong"), BAD_LOGIN);
}

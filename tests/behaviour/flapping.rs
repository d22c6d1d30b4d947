//! Who connects again and again is banned for a while: a device, a user, an address.

use std::net::Ipv4Addr;

use super::support::{Broker, Connect, Gone, wait_until};

fn broker(settings: &[(&str, &str)]) -> Broker {
    let name = |key: &str| format!("HOMING__LIMITS__FLAPPING__{key}");
    let named: Vec<(String, &str)> = settings.iter().map(|(key, v)| (name(key), *v)).collect();
    let named: Vec<(&str, &str)> = named.iter().map(|(key, v)| (key.as_str(), *v)).collect();
    Broker::with(&named)
}

/// Connects until it is refused: how often it was let in.
fn flap(broker: &Broker, uid: &str, client_id: &str) -> usize {
    let mut times = 0;
    loop {
        match Connect::v5(uid, client_id).try_open(broker.mqtt) {
            Ok((_, ack)) if ack.code == 0x8A => return times,
            Ok((client, ack)) => {
                assert_eq!(ack.code, 0);
                client.cut();
                times += 1;
                assert!(times < 1000, "never banned");
            }
            // Ended in the middle of its CONNECT.
            Err(Gone::Closed) => {}
            Err(gone) => panic!("{gone}"),
        }
    }
}

/// A ban holds on the workers at once, and is counted on the thread that asked for it.
fn wait_for_one_ban(broker: &Broker, target: &str) {
    let count = || broker.metrics("homing_flapping_bans_total", &[("target", target)]);
    wait_until("one ban that is counted", || (count() == 1.0).then_some(()));
}

#[test]
fn a_device_that_comes_too_often_is_banned_alone_and_for_a_while() {
    let broker = broker(&[("PER_CLIENT", "5"), ("BAN", "2s")]);
    assert!(flap(&broker, "alice", "phone") >= 5);
    broker.device("alice", "tablet").disconnect();
    broker.device("bob", "phone").disconnect();
    let list = broker.command(&["ban", "list"]).ok();
    assert!(list.contains("user alice, client phone"), "{list}");
    assert!(list.contains("limits.flapping"), "{list}");
    let banned = broker.log.matching(&["banned: client phone of user alice"]);
    assert_eq!(banned.len(), 1, "{banned:?}");
    assert_eq!(broker.metrics("homing_flapping_bans_total", &[("target", "client")]), 1.0);
    wait_until("the end of the ban", || {
        let opened = Connect::v311("alice", "phone").try_open(broker.mqtt).ok()?;
        (opened.1.code == 0).then_some(())
    });
}

#[test]
fn a_user_that_comes_too_often_is_banned_with_all_its_devices() {
    let broker = broker(&[("PER_USER", "6")]);
    let mut tablet = broker.device_v5("alice", "tablet");
    assert!(flap(&broker, "alice", "phone") >= 5);
    assert_eq!(tablet.expect_disconnect(), 0x98);
    wait_for_one_ban(&broker, "user");
    broker.device("bob", "phone").disconnect();
}

/// Threat I13. Wrong passwords are no logins: they ban nobody.
#[test]
fn nobody_has_another_one_banned_by_knowing_its_name() {
    let broker = broker(&[("PER_CLIENT", "3"), ("PER_USER", "3")]);
    for number in 0..8 {
        let connect = Connect::v311("alice", "phone").password(&number.to_string());
        assert_eq!(connect.refused(broker.mqtt), 4);
    }
    broker.device("alice", "phone").disconnect();
    assert_eq!(broker.metrics("homing_flapping_bans_total", &[]), 0.0);
}

#[test]
fn an_address_that_comes_too_often_is_closed_unheard() {
    let broker = broker(&[("PER_IP", "5")]);
    let from = |last: u8| Ipv4Addr::new(127, 0, 0, last).into();
    let wrong = Connect::v311("alice", "phone").password("wrong");
    wait_until("the ban of the address", || {
        wrong.try_from(from(2), broker.mqtt).is_err().then_some(())
    });
    wait_for_one_ban(&broker, "address");
    let list = broker.command(&["ban", "list"]).ok();
    assert!(list.contains("127.0.0.2"), "{list}");
    assert_eq!(wrong.try_from(from(3), broker.mqtt).unwrap().1.code, 4);
}

/// Threat I7. A ban that is over within the window is no licence to go on.
#[test]
fn who_goes_on_after_its_ban_is_banned_again() {
    let broker = broker(&[("PER_CLIENT", "3"), ("BAN", "1s"), ("WINDOW", "1h")]);
    flap(&broker, "alice", "phone");
    wait_until("a second ban", || {
        // Whatever becomes of it.
        let _ = Connect::v5("alice", "phone").try_open(broker.mqtt);
        let bans = broker.metrics("homing_flapping_bans_total", &[("target", "client")]);
        (bans >= 2.0).then_some(())
    });
}

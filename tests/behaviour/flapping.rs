//! Who connects again and again is banned for a while: a device, a user, an address.

use std::net::Ipv4Addr;

use super::support::{Broker, Connect, wait_until};

const BANNED: u8 = 0x8A;

#[test]
fn a_device_that_connects_too_often_is_banned_and_its_user_is_not() {
    let broker = Broker::with(&[
        ("HOMING__LIMITS__FLAPPING__PER_CLIENT", "5"),
        ("HOMING__LIMITS__FLAPPING__BAN", "2s"),
    ]);
    let loops = Connect::v5("alice", "loop");
    for _ in 0..5 {
        loops.open(broker.mqtt).disconnect();
    }
    // The ban comes while this one is let in: before its CONNACK or behind it.
    let (mut last, ack) = loops.try_open(broker.mqtt).expect("an answer");
    assert!(ack.code == BANNED || last.expect_disconnect() == 0x98);
    assert_eq!(loops.refused(broker.mqtt), BANNED);
    broker.device("alice", "phone").disconnect();
    let list = broker.command(&["ban", "list"]).ok();
    assert!(
        list.contains("user alice, client loop") && list.contains("connects too often"),
        "{list}"
    );
    assert_eq!(broker.log.matching(&["banned: client loop of user alice"]).len(), 1);
    assert_eq!(broker.metrics("homing_flapping_bans_total", &[("target", "client")]), 1.0);
    wait_until("the ban is over", || {
        loops.try_open(broker.mqtt).ok().filter(|(_, ack)| ack.code == 0)
    });
}

/// Threat I13. Who knows a name gets nobody banned.
#[test]
fn wrong_passwords_ban_nobody() {
    let broker = Broker::with(&[("HOMING__LIMITS__FLAPPING__PER_CLIENT", "3")]);
    for _ in 0..6 {
        let stranger = Connect::v5("alice", "phone").password("guess");
        assert_eq!(stranger.refused(broker.mqtt), 0x86);
    }
    broker.device("alice", "phone").disconnect();
}

#[test]
fn two_devices_that_fight_for_one_client_id_are_stopped() {
    let broker = Broker::with(&[("HOMING__LIMITS__FLAPPING__PER_CLIENT", "20")]);
    let connect = Connect::v5("alice", "same");
    let mut there = connect.open(broker.mqtt);
    let mut fights = 0;
    loop {
        let (client, ack) = connect.try_open(broker.mqtt).expect("an answer");
        if ack.code == BANNED {
            break;
        }
        there.expect_disconnect();
        (there, fights) = (client, fights + 1);
        assert!(fights < 100, "nobody stops them");
    }
    // Taken over by the one that was too much, or banned before.
    assert!([0x8E, 0x98].contains(&there.expect_disconnect()));
}

#[test]
fn a_user_that_connects_too_often_is_banned_with_all_its_devices() {
    let broker = Broker::with(&[("HOMING__LIMITS__FLAPPING__PER_USER", "6")]);
    let mut tablet = broker.device_v5("alice", "tablet");
    // The ban ends what is under way as soon as it is stored.
    wait_until("the ban of the user", || {
        let phone = Connect::v5("alice", "phone").try_open(broker.mqtt);
        phone.is_ok_and(|(_, ack)| ack.code == BANNED).then_some(())
    });
    assert_eq!(tablet.expect_disconnect(), 0x98);
    assert_eq!(broker.metrics("homing_flapping_bans_total", &[("target", "user")]), 1.0);
    broker.device("bob", "phone").disconnect();
}

#[test]
fn an_address_that_connects_too_often_is_closed_unheard() {
    let broker = Broker::with(&[("HOMING__LIMITS__FLAPPING__PER_IP", "5")]);
    let from = |last: u8| {
        let wrong = Connect::v311("alice", "phone").password("wrong");
        wrong.try_from(Ipv4Addr::new(127, 0, 0, last).into(), broker.mqtt)
    };
    wait_until("the ban of the address", || from(2).is_err().then_some(()));
    assert_eq!(broker.metrics("homing_flapping_bans_total", &[("target", "address")]), 1.0);
    let list = broker.command(&["ban", "list"]).ok();
    assert!(list.contains("127.0.0.2"), "{list}");
    assert_eq!(from(3).unwrap().1.code, 4);
}

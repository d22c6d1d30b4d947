//! The wall clock jumps, forward and back, while the broker runs and between two runs: nobody is
//! cut off and nothing is removed.

use super::support::broker::Start;
use super::support::faketime::{WallClock, wait_for_sweeps};
use super::support::{Broker, Connect, prop, wait_until};

/// What goes for its age, or because its time is over.
const BY_TIME: [&str; 4] = ["expired", "retention_age", "session_ended", "device_ttl"];

const JUMPS: [(&str, &str); 4] = [
    ("+1d", "24h ahead"),
    ("-1d", "24h behind"),
    ("+3650d", "3650d ahead"),
    ("-3650d", "3650d behind"),
];

fn start(clock: &WallClock) -> Broker {
    let often = Start::dev().env("HOMING__STORE__SWEEP_INTERVAL", "50ms");
    clock.of(often.env("HOMING__ACL__DEFAULT", "allow")).start()
}

fn assert_nothing_removed(broker: &Broker) {
    for reason in BY_TIME {
        assert_eq!(broker.removed(reason), 0.0, "{reason}");
    }
}

fn off_secs(broker: &Broker) -> f64 {
    broker.metrics("homing_clock_off_seconds", &[])
}

fn wait_for_off(broker: &Broker, is_it: impl Fn(f64) -> bool) {
    wait_until("the clock's jump to be seen", || is_it(off_secs(broker)).then_some(()));
}

/// Mail that waits for the tablet, with an end and without; a durable session with a queue; a ban.
fn leave_things(broker: &Broker) {
    broker.know("alice", "tablet");
    let box_of_carol = Connect::v5("carol", "box").durable();
    let mut carol = box_of_carol.device(broker.mqtt);
    assert_eq!(carol.subscribe("news/x", 1), 1);
    carol.disconnect();
    let mut bob = broker.device_v5("bob", "post");
    let hour = prop::u32(prop::MESSAGE_EXPIRY, 3600);
    bob.publish_acked_with("alice", "for an hour", 1, &hour);
    bob.publish_acked("alice", "for long", 1);
    bob.publish_acked_with("news/x", "news", 1, &hour);
    bob.disconnect();
    broker.add_user("eve", "dev");
    broker.command(&["ban", "add", "--user", "eve"]).ok();
}

/// Threat N1.
#[test]
fn nobody_is_dropped_and_nothing_expires_while_the_clock_is_elsewhere() {
    let clock = WallClock::new();
    let broker = start(&clock);
    leave_things(&broker);
    let mut phone = Connect::v5("alice", "phone").keep_alive(5).device(broker.mqtt);
    assert_eq!(phone.take_texts(2), ["for an hour", "for long"]);
    let mut bob = broker.device("bob", "laptop");
    for (off, words) in JUMPS {
        clock.set(off);
        wait_for_off(&broker, |secs| secs.abs() > 80_000.0);
        broker.wait_for_log(&format!("the clock is suddenly {words}"));
        wait_for_sweeps(&broker);
        bob.publish_acked("alice", off, 1);
        assert_eq!(phone.take_text(), off);
        assert_eq!(Connect::v5("eve", "any").refused(broker.mqtt), 0x8A);
        clock.set("+0");
        wait_for_off(&broker, |secs| secs == 0.0);
        broker.wait_for_log("the clock is back");
    }
    phone.ping();
    assert_nothing_removed(&broker);
    assert_eq!(broker.metrics("homing_clock_jumps_total", &[]), 4.0);
    assert_eq!(broker.metrics("homing_takeovers_total", &[]), 0.0);
    assert_all_is_there(&broker);
}

fn assert_all_is_there(broker: &Broker) {
    let mut tablet = broker.device_v5("alice", "tablet");
    let first = tablet.take();
    let left = first.props.number(prop::MESSAGE_EXPIRY).expect("its expiry");
    assert_eq!((first.text(), left > 3000 && left <= 3600), ("for an hour", true), "{left} s");
    assert_eq!(tablet.take_texts(5), ["for long", "+1d", "-1d", "+3650d", "-3650d"]);
    let (mut carol, ack) = Connect::v5("carol", "box").durable().open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    assert_eq!(carol.take_text(), "news");
    assert_eq!(Connect::v5("eve", "any").refused(broker.mqtt), 0x8A);
}

fn taken_at(publish: &super::support::Publish) -> i64 {
    publish.props.user("ts").expect("ts").parse().expect("milliseconds")
}

/// Threat N1.
#[test]
fn a_start_with_a_clock_before_the_newest_message_goes_on_from_there() {
    let clock = WallClock::new();
    let mut broker = start(&clock);
    broker.know("alice", "tablet");
    broker.mail("alice", &["before"]);
    broker.terminate();
    clock.set("-1d");
    broker.restart();
    broker.wait_for_log("the clock is suddenly 24h behind");
    broker.mail("alice", &["after"]);
    let mut tablet = broker.device_v5("alice", "tablet");
    let (before, after) = (tablet.take(), tablet.take());
    assert_eq!((before.text(), after.text()), ("before", "after"));
    assert!(taken_at(&before) <= taken_at(&after), "time never goes back");
}

/// Threat N1.
#[test]
fn after_a_start_with_a_clock_far_ahead_nothing_is_old_at_once() {
    let clock = WallClock::new();
    let mut broker = start(&clock);
    broker.know("alice", "tablet");
    broker.mail("alice", &["one", "two"]);
    broker.terminate();
    clock.set("+3650d");
    broker.restart();
    let told = broker.wait_for_log("the newest message in the store is");
    assert!(told.contains("3650d older") || told.contains("3649d older"), "{told}");
    wait_for_sweeps(&broker);
    assert_nothing_removed(&broker);
    assert_eq!(broker.device("alice", "tablet").take_texts(2), ["one", "two"]);
}

//! Publish rates: who publishes too fast is read more slowly. It is never cut, loses nothing, and
//! others do not notice.

use std::time::{Duration, Instant};

use super::support::{Broker, Client, Connect, wait_until};

fn send(client: &mut Client, to: &str, count: usize) -> Vec<u16> {
    (0..count).map(|number| client.publish(to, number.to_string(), 1)).collect()
}

fn acked(client: &mut Client, ids: Vec<u16>) {
    for id in ids {
        assert_eq!(client.expect_puback(id), 0);
    }
}

#[test]
fn beyond_its_rate_a_connection_is_slowed_down_and_loses_nothing() {
    let broker = Broker::with(&[("HOMING__LIMITS__PUBLISH_RATE", "20/s burst 10")]);
    let mut alice = broker.device("alice", "phone");
    let mut post = broker.device("bob", "post");
    let begun = Instant::now();
    let ids = send(&mut post, "alice", 30);
    acked(&mut post, ids);
    assert!(begun.elapsed() >= Duration::from_millis(940), "{:?}", begun.elapsed());
    let numbers: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(alice.take_texts(30), numbers);
}

#[test]
fn others_do_not_notice_and_the_metric_does() {
    let broker = Broker::with(&[("HOMING__LIMITS__PUBLISH_RATE", "10/s burst 5")]);
    let mut alice = broker.device("alice", "phone");
    let mut flood = broker.device("bob", "flood");
    send(&mut flood, "carol", 200);
    wait_until("a throttled reader", || {
        (broker.metrics("homing_readers_throttled", &[]) == 1.0).then_some(())
    });
    let mut carol = broker.device("carol", "phone");
    for _ in 0..3 {
        // Marks come in between the flood, which is mail too.
        alice.expect_marker_from(&mut carol, "alice");
    }
    assert_eq!(broker.metrics("homing_readers_throttled", &[]), 1.0);
    flood.cut();
    wait_until("no throttled reader", || {
        (broker.metrics("homing_readers_throttled", &[]) == 0.0).then_some(())
    });
}

#[test]
fn bytes_slow_down_too() {
    let broker = Broker::with(&[("HOMING__LIMITS__PUBLISH_BYTES_RATE", "100KiB/s burst 10KiB")]);
    let mut post = broker.device("bob", "post");
    let begun = Instant::now();
    post.publish_acked("alice", vec![b'x'; 60 * 1024], 1);
    post.ping();
    assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
}

#[test]
fn all_connections_of_a_user_share_the_users_rate() {
    let broker = Broker::with(&[("HOMING__LIMITS__USER_PUBLISH_RATE", "10/s burst 6")]);
    let mut all: Vec<Client> =
        (0..3).map(|number| broker.device("bob", &format!("post{number}"))).collect();
    let begun = Instant::now();
    let sent: Vec<_> = all.iter_mut().map(|post| send(post, "alice", 4)).collect();
    for (post, ids) in all.iter_mut().zip(sent) {
        acked(post, ids);
    }
    // Twelve, of which six at once and one on debt for each connection.
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
}

#[test]
fn who_is_slowed_down_for_longer_than_its_keep_alive_stays() {
    let broker = Broker::with(&[("HOMING__LIMITS__PUBLISH_RATE", "1/s burst 1")]);
    let mut post = Connect::v311("bob", "post").keep_alive(1).open(broker.mqtt);
    let ids = send(&mut post, "alice", 5);
    acked(&mut post, ids);
    post.ping();
}

//! What every client has to see at the broker, one function for each behaviour.

use crate::program::{Message, Task};
use crate::rig::Rig;
use crate::support::wait_until;

/// The right password lets in, and a wrong one is refused by its code.
pub fn login(rig: &Rig) {
    rig.device("phone", Task::Listen(None)).start().connected();
    rig.device("thief", Task::Listen(None)).password("guessed").start().must_be_refused();
}

/// Each QoS is acknowledged to the publisher and arrives as it was sent.
pub fn qos_0_1_2(rig: &Rig) {
    let mut phone = rig.subscriber("phone", "plain/+");
    for qos in 0..=2 {
        let message = Message::new("plain/qos", qos, &format!("Grüße, 世界: {qos}"));
        rig.publish(&message);
        assert_eq!(phone.next(), message);
    }
}

/// The last one is kept for who comes later, marked as such, until an empty one clears it.
pub fn retained(rig: &Rig) {
    let kept = |payload| Message::new("plain/kept", 1, payload);
    rig.publish(&kept("first").retained());
    rig.publish(&kept("second").retained());
    let mut early = rig.subscriber("early", "plain/kept");
    assert_eq!(early.next(), kept("second").retained());
    rig.publish(&kept("").retained());
    let mut late = rig.subscriber("late", "plain/kept");
    rig.publish(&kept("live"));
    assert_eq!(late.next(), kept("live"));
}

/// A connection that is cut leaves its will, one that ends by DISCONNECT does not.
pub fn will(rig: &Rig) {
    let mut watcher = rig.subscriber("watcher", "wills/+");
    rig.device("left", Task::Visit(Some("plain/+"))).will("wills/left").start().must_succeed();
    let cut = rig.device("cut", Task::Listen(None)).will("wills/cut").start();
    cut.connected();
    drop(cut);
    assert_eq!(watcher.next(), Message::new("wills/cut", 1, "gone"));
}

/// What comes while a durable session is away is there when it is back, in order. (Most libraries
/// show a message with QoS 2 at its PUBREL, behind what came meanwhile, so that it is the last.)
pub fn session(rig: &Rig) {
    rig.device("phone", Task::Visit(Some("plain/+"))).durable().start().must_succeed();
    let away = [(1, "one"), (1, "two"), (2, "three")]
        .map(|(qos, payload)| Message::new("plain/away", qos, payload));
    away.iter().for_each(|message| rig.publish(message));
    let mut phone = rig.device("phone", Task::Listen(Some("plain/+"))).durable().start();
    rig.assert_resumed(&phone);
    for message in away {
        assert_eq!(phone.next(), message);
    }
}

/// The broker is killed and comes back; so does the client by itself, to the session it had.
pub fn reconnect(rig: &mut Rig) {
    let phone = rig.device("phone", Task::Listen(Some("plain/+"))).durable().start();
    let mut phone = phone.subscribed();
    let before = Message::new("plain/crash", 1, "before");
    rig.publish(&before);
    assert_eq!(phone.next(), before);
    rig.broker.crash();
    let after = Message::new("plain/crash", 1, "after");
    rig.publish(&after);
    // That it has the first one may not have been heard; it is sent again then.
    while phone.next() != after {}
}

/// Nobody subscribes to an inbox, and mail reaches every device, one that is away too.
pub fn inbox(rig: &Rig) {
    // A subscription to something makes it a known device at once.
    rig.device("tablet", Task::Visit(Some("plain/+"))).start().must_succeed();
    let listening = |id| rig.device(id, Task::Listen(None)).start();
    let mut online = ["phone", "laptop"].map(listening);
    for device in ["phone", "laptop"] {
        wait_until("a known device", || rig.is_known(device).then_some(()));
    }
    // Mail has QoS 1, whatever it was published with.
    let arrives = |qos: u8| Message::new("alice", 1, &format!("Hi, {qos}"));
    for qos in 0..=2 {
        rig.publish(&Message { qos, ..arrives(qos) });
        for device in &mut online {
            assert_eq!(device.next(), arrives(qos));
        }
    }
    let mut tablet = listening("tablet");
    for qos in 0..=2 {
        assert_eq!(tablet.next(), arrives(qos));
    }
}

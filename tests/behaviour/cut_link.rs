//! A cable is cut: no FIN, no RST, and all that is sent vanishes. The broker finds out, keeps what
//! was not acknowledged, and gives it out when the device is back.

use std::time::Duration;

use super::support::broker::Start;
use super::support::netns::{Cable, Network};
use super::support::{Broker, Client, Connect, Gone, skip_loudly, wait_until};

const TEXTS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

/// A broker behind two cables: the phone is on the first, everything else on the second.
struct Scene {
    broker: Broker,
    phones: Cable,
    others: Cable,
    bob: Client,
    _network: Network,
}

impl Scene {
    fn start(test: &str, start: Start) -> Option<Scene> {
        let scene = Scene::try_start(start);
        if scene.is_none() {
            skip_loudly(test, "no right to make network namespaces (it needs root)");
        }
        scene
    }

    fn try_start(start: Start) -> Option<Scene> {
        let network = Network::new()?;
        let (phones, others) = (network.cable()?, network.cable()?);
        let broker = network.start(start, &[&phones, &others]);
        ["alice", "bob"].iter().for_each(|uid| broker.add_user(uid, "dev"));
        let bob = Connect::v311("bob", "laptop").device(others.mqtt(&broker));
        Some(Scene { broker, phones, others, bob, _network: network })
    }

    fn phone(&self, keep_alive: u16, cable: &Cable) -> Client {
        let connect = Connect::v311("alice", "phone").keep_alive(keep_alive);
        connect.device(cable.mqtt(&self.broker))
    }

    fn send(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.bob.publish_acked("alice", text, 1));
    }

    /// The phone has acknowledged two messages of five that it was sent; then the cable is cut, and
    /// three more are sent to it.
    fn cut_in_the_middle(&mut self, phone: &mut Client) {
        self.send(&TEXTS[..5]);
        assert_eq!(phone.take_texts(2), TEXTS[..2]);
        phone.ping();
        self.phones.cut();
        self.send(&TEXTS[5..]);
    }

    fn wait_for_end(&self, reason: &str) {
        let ended = || self.broker.metrics("homing_disconnects_total", &[("reason", reason)]);
        wait_until(reason, || (ended() == 1.0).then_some(()));
    }

    /// Everything but what was acknowledged, in order, through this cable.
    fn assert_rest_comes(&self, phone: &mut Client) {
        assert_eq!(phone.take_texts(6), TEXTS[2..]);
        phone.expect_silence();
    }
}

/// What was sent before the cut is all there is: neither mail nor an end has come since.
fn assert_heard_nothing_since(phone: &mut Client) {
    assert_eq!([(); 3].map(|()| phone.expect_publish().text().to_owned()), TEXTS[2..5]);
    assert_eq!(phone.try_recv(Duration::from_millis(1)), Err(Gone::Silent));
}

/// Threat N2.
#[test]
fn the_keep_alive_finds_a_cut_link_and_nothing_is_lost() {
    let test = "the_keep_alive_finds_a_cut_link_and_nothing_is_lost";
    let Some(mut scene) = Scene::start(test, Start::serve()) else { return };
    let mut phone = scene.phone(2, &scene.phones);
    scene.cut_in_the_middle(&mut phone);
    scene.wait_for_end("keep_alive");
    assert_heard_nothing_since(&mut phone);
    scene.phones.mend();
    let mut back = scene.phone(2, &scene.phones);
    scene.assert_rest_comes(&mut back);
}

/// Threat N2. A client that wants no keep alive is found by TCP_USER_TIMEOUT, twice the wait for a
/// slow reader.
#[test]
fn without_keep_alive_unacknowledged_segments_find_it() {
    let test = "without_keep_alive_unacknowledged_segments_find_it";
    let start = Start::serve().env("HOMING__LIMITS__OUTBOX_WAIT", "1s");
    let Some(mut scene) = Scene::start(test, start) else { return };
    let mut phone = scene.phone(0, &scene.phones);
    scene.cut_in_the_middle(&mut phone);
    scene.wait_for_end("network");
    assert_heard_nothing_since(&mut phone);
    scene.phones.mend();
    let mut back = scene.phone(0, &scene.phones);
    scene.assert_rest_comes(&mut back);
}

/// Threat N2. A phone that leaves the Wi-Fi for the mobile network does not wait for its old self.
#[test]
fn the_same_device_by_another_way_takes_over_at_once() {
    let test = "the_same_device_by_another_way_takes_over_at_once";
    let Some(mut scene) = Scene::start(test, Start::serve()) else { return };
    let mut phone = scene.phone(0, &scene.phones);
    scene.cut_in_the_middle(&mut phone);
    let mut other_way = scene.phone(0, &scene.others);
    scene.assert_rest_comes(&mut other_way);
    assert_eq!(scene.broker.metrics("homing_takeovers_total", &[]), 1.0);
    assert_eq!(scene.broker.metrics("homing_disconnects_total", &[("reason", "network")]), 0.0);
    scene.send(&["9"]);
    assert_eq!(other_way.take_text(), "9");
}

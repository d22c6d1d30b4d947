//! The checker finds nothing in good histories and each single fault in bad ones.

use super::support::check::{Violation, check};
use super::support::history::{Event, History, Key, Stamp};
use super::support::random::Random;

const SENDERS: u32 = 3;
const RECIPIENTS: u32 = 2;
const DEVICES_EACH: u32 = 2;
const MESSAGES: u32 = 40;

/// A history in which every promise was kept, with crashes, redeliveries and lost acknowledgements.
fn good(seed: u64) -> History {
    let mut random = Random(seed);
    let mut history = History::default();
    for device in 0..RECIPIENTS * DEVICES_EACH {
        history.push(Event::Device { device, recipient: device % RECIPIENTS });
    }
    let mut inboxes = vec![Vec::new(); RECIPIENTS as usize];
    for number in 0..MESSAGES {
        for sender in 0..SENDERS {
            submit(&mut history, &mut random, &mut inboxes, Key { sender, number });
        }
    }
    for device in 0..RECIPIENTS * DEVICES_EACH {
        deliver(&mut history, &mut random, &inboxes[(device % RECIPIENTS) as usize], device);
    }
    history.push(Event::Kill);
    history
}

fn submit(history: &mut History, random: &mut Random, inboxes: &mut [Vec<Key>], key: Key) {
    let recipient = random.below(RECIPIENTS as usize) as u32;
    history.push(Event::Submit { key, recipient });
    match random.below(10) {
        // Never reached the broker, or reached it while the acknowledgement was lost.
        0 => {}
        1 => inboxes[recipient as usize].push(key),
        2 => history.push(Event::Refused { key }),
        _ => {
            inboxes[recipient as usize].push(key);
            history.push(Event::Acked { key });
        }
    }
}

fn deliver(history: &mut History, random: &mut Random, inbox: &[Key], device: u32) {
    let mut next = 0;
    history.push(Event::Connect { device });
    while next < inbox.len() {
        let stamp = Some(Stamp { id: format!("id {:?}", inbox[next]), seq: next as u64 + 1 });
        history.push(Event::Received { device, key: inbox[next], stamp });
        next += 1;
        if random.below(15) == 0 {
            // A cut connection: some come again.
            next -= random.below(next.min(5));
            history.push(Event::Connect { device });
        }
    }
}

/// Positions of events that `pick` wants.
fn positions(history: &History, pick: impl Fn(&Event) -> bool) -> Vec<usize> {
    (0..history.events.len()).filter(|at| pick(&history.events[*at])).collect()
}

fn receipts(history: &History) -> Vec<usize> {
    positions(history, |event| matches!(event, Event::Received { .. }))
}

fn violations(history: &History) -> Vec<Violation> {
    check(history).violations
}

/// Puts one fault into each of many good histories; each must be found as what it is.
fn each_is_caught(fault: impl Fn(&mut History, &mut Random), caught: impl Fn(&Violation) -> bool) {
    for seed in 0..200 {
        let mut history = good(seed);
        fault(&mut history, &mut Random(seed ^ 0xFA01));
        let found = violations(&history);
        assert!(found.iter().any(&caught), "seed {seed}: {found:?}");
    }
}

#[test]
fn good_histories_pass() {
    for seed in 0..200 {
        let report = check(&good(seed));
        assert_eq!(report.violations, [], "seed {seed}");
        assert!(report.acked > 0 && report.redelivered > 0, "seed {seed}: {report}");
    }
}

#[test]
fn a_dropped_message_is_lost() {
    let drop_one = |history: &mut History, random: &mut Random| {
        let acked: Vec<Key> = history.events.iter().filter_map(acked).collect();
        let lost = acked[random.below(acked.len())];
        let is_it = |event: &Event| {
            matches!(event, Event::Received { device, key, .. }
            if *key == lost && *device < RECIPIENTS)
        };
        history.events.retain(|event| !is_it(event));
    };
    each_is_caught(drop_one, |found| matches!(found, Violation::Lost { .. }));
}

fn acked(event: &Event) -> Option<Key> {
    match event {
        Event::Acked { key } => Some(*key),
        _ => None,
    }
}

#[test]
fn a_message_that_was_never_acknowledged_may_be_missing() {
    let mut history = good(1);
    let key = Key { sender: 0, number: MESSAGES };
    history.push(Event::Submit { key, recipient: 0 });
    assert_eq!(violations(&history), []);
}

#[test]
fn two_swapped_messages_are_out_of_order() {
    each_is_caught(swap, |found| matches!(found, Violation::OutOfOrder { .. }));
}

/// Swaps the first receipts of two messages of one sender on one device.
fn swap(history: &mut History, random: &mut Random) {
    let mut seen = std::collections::HashSet::new();
    let mut firsts = Vec::new();
    for at in receipts(history) {
        let Event::Received { device, key, .. } = &history.events[at] else { unreachable!() };
        if *device == 0 && key.sender == 1 && seen.insert(*key) {
            firsts.push(at);
        }
    }
    let at = random.below(firsts.len() - 1);
    history.events.swap(firsts[at], firsts[at + 1]);
    // Redeliveries before the swapped place would hide it: keep first receipts of the device only.
    let (mut at, mut again) = (0, std::collections::HashSet::new());
    history.events.retain(|event| {
        at += 1;
        !matches!(event, Event::Received { device: 0, key, .. } if !again.insert(*key))
    });
}

#[test]
fn a_duplicate_with_another_id_was_stored_twice() {
    let again = |history: &mut History, random: &mut Random| {
        let all = receipts(history);
        let at = all[random.below(all.len())];
        let mut event = history.events[at].clone();
        if let Event::Received { stamp: Some(stamp), .. } = &mut event {
            stamp.id = "another".into();
        }
        history.events.push(event);
    };
    each_is_caught(again, |found| matches!(found, Violation::StoredTwice { .. }));
}

#[test]
fn a_duplicate_at_another_place_was_stored_twice() {
    let again = |history: &mut History, random: &mut Random| {
        let all = receipts(history);
        let at = all[random.below(all.len())];
        let mut event = history.events[at].clone();
        if let Event::Received { stamp: Some(stamp), .. } = &mut event {
            stamp.seq += 1000;
        }
        history.events.push(event);
    };
    each_is_caught(again, |found| matches!(found, Violation::StoredTwice { .. }));
    each_is_caught(again, |found| matches!(found, Violation::Gap { .. }));
}

#[test]
fn a_duplicate_with_the_same_id_is_allowed() {
    let mut history = good(2);
    let last = receipts(&history).pop().unwrap();
    history.push(history.events[last].clone());
    assert_eq!(violations(&history), []);
}

#[test]
fn two_messages_at_one_place_are_found() {
    let share = |history: &mut History, random: &mut Random| {
        let all = receipts(history);
        let at = all[random.below(all.len())];
        let Event::Received { stamp, .. } = &mut history.events[at] else { unreachable!() };
        let stamp = stamp.as_mut().unwrap();
        stamp.seq = if stamp.seq > 1 { stamp.seq - 1 } else { 2 };
    };
    each_is_caught(share, |found| {
        matches!(found, Violation::SharedPlace { .. } | Violation::StoredTwice { .. })
    });
}

#[test]
fn a_message_nobody_sent_is_a_phantom() {
    let key = Key { sender: 9, number: 0 };
    let phantom = |history: &mut History, _: &mut Random| {
        history.push(Event::Received { device: 0, key, stamp: None });
    };
    each_is_caught(phantom, |found| *found == Violation::Phantom { key, device: 0 });
    let foreign = |history: &mut History, _: &mut Random| {
        history.push(Event::Foreign { device: 1, what: "?".into() });
    };
    each_is_caught(foreign, |found| matches!(found, Violation::Foreign { device: 1, .. }));
}

#[test]
fn a_message_of_somebody_else_is_misdelivered() {
    let wrong = |history: &mut History, random: &mut Random| {
        let all = receipts(history);
        let at = all[random.below(all.len())];
        let Event::Received { device, .. } = &mut history.events[at] else { unreachable!() };
        *device = (*device + 1) % (RECIPIENTS * DEVICES_EACH);
    };
    each_is_caught(wrong, |found| matches!(found, Violation::Misdelivered { .. }));
}

#[test]
fn a_refused_message_that_arrives_is_found() {
    let refused = |history: &mut History, random: &mut Random| {
        let all = positions(history, |event| matches!(event, Event::Acked { .. }));
        let at = all[random.below(all.len())];
        let Event::Acked { key } = history.events[at] else { unreachable!() };
        history.events[at] = Event::Refused { key };
    };
    each_is_caught(refused, |found| matches!(found, Violation::RefusedButDelivered { .. }));
}

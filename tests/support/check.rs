//! Judges a [`History`] after everything has been delivered, in linear time:
//! - loss: each acknowledged message reached each device of its recipient;
//! - phantom: what was received had been submitted, to that recipient, and was not refused;
//! - duplicate: a message has one id and one place, whoever gets it and how often;
//! - order: per sender, the first receipts on a device follow the order of submission;
//! - dense: the places that a device saw have no gap.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::history::{Event, History, Key, Stamp};

/// A broken promise.
#[derive(Clone, Debug, PartialEq)]
pub enum Violation {
    Lost {
        key: Key,
        device: u32,
    },
    Phantom {
        key: Key,
        device: u32,
    },
    Foreign {
        device: u32,
        what: String,
    },
    /// Got by a device of somebody else.
    Misdelivered {
        key: Key,
        device: u32,
    },
    /// Refused, and yet delivered.
    RefusedButDelivered {
        key: Key,
        device: u32,
    },
    /// One message under two ids or at two places.
    StoredTwice {
        key: Key,
        device: u32,
    },
    /// Two messages at one place.
    SharedPlace {
        key: Key,
        other: Key,
        device: u32,
    },
    OutOfOrder {
        key: Key,
        after: Key,
        device: u32,
    },
    /// Places between the first and the last that the device saw, but never got.
    Gap {
        device: u32,
        missing: u64,
    },
}

/// The judgement, and the figures for the summary line.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub submitted: usize,
    pub acked: usize,
    pub receipts: usize,
    /// Receipts beyond the first of a message on a device.
    pub redelivered: usize,
    pub connects: usize,
    pub kills: usize,
    pub violations: Vec<Violation>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} acknowledged of {} submitted, {} receipts ({} redelivered) in {} \
             connections: {} violations",
            self.kills,
            self.acked,
            self.submitted,
            self.receipts,
            self.redelivered,
            self.connects,
            self.violations.len()
        )
    }
}

/// What is known of a message.
struct Sent {
    recipient: u32,
    acked: bool,
    refused: bool,
}

/// What is known of a device.
#[derive(Default)]
struct Device {
    recipient: u32,
    seen: HashSet<Key>,
    /// The newest first receipt, by sender.
    newest: HashMap<u32, Key>,
    places: HashMap<u64, Key>,
}

#[derive(Default)]
struct Checker {
    sent: HashMap<Key, Sent>,
    devices: HashMap<u32, Device>,
    stamps: HashMap<Key, Stamp>,
    report: Report,
}

pub fn check(history: &History) -> Report {
    let mut checker = Checker::default();
    for event in &history.events {
        checker.gather(event);
    }
    for event in &history.events {
        checker.receive(event);
    }
    checker.finish()
}

impl Checker {
    /// First pass: submissions, since clients recorded independently of each other.
    fn gather(&mut self, event: &Event) {
        match event {
            Event::Device { device, recipient } => {
                let entry = Device { recipient: *recipient, ..Device::default() };
                assert!(self.devices.insert(*device, entry).is_none(), "device {device} twice");
            }
            Event::Submit { key, recipient } => {
                let sent = Sent { recipient: *recipient, acked: false, refused: false };
                assert!(self.sent.insert(*key, sent).is_none(), "{key:?} submitted twice");
                self.report.submitted += 1;
            }
            Event::Acked { key } => self.mark(*key).acked = true,
            Event::Refused { key } => self.mark(*key).refused = true,
            Event::Connect { .. } => self.report.connects += 1,
            Event::Kill => self.report.kills += 1,
            Event::Received { .. } | Event::Foreign { .. } => {}
        }
    }

    fn mark(&mut self, key: Key) -> &mut Sent {
        self.sent.get_mut(&key).unwrap_or_else(|| panic!("{key:?} answered but not submitted"))
    }

    /// Second pass: receipts.
    fn receive(&mut self, event: &Event) {
        match event {
            Event::Received { device, key, stamp } => self.received(*device, *key, stamp.as_ref()),
            Event::Foreign { device, what } => self
                .report
                .violations
                .push(Violation::Foreign { device: *device, what: what.clone() }),
            _ => {}
        }
    }

    fn received(&mut self, number: u32, key: Key, stamp: Option<&Stamp>) {
        self.report.receipts += 1;
        let device = self.devices.get_mut(&number).unwrap_or_else(|| panic!("device {number}?"));
        let Some(sent) = self.sent.get(&key) else {
            self.report.violations.push(Violation::Phantom { key, device: number });
            return;
        };
        if sent.recipient != device.recipient {
            self.report.violations.push(Violation::Misdelivered { key, device: number });
            return;
        }
        if sent.refused && !sent.acked {
            self.report.violations.push(Violation::RefusedButDelivered { key, device: number });
        }
        if device.seen.insert(key) {
            self.report.violations.extend(device.first_receipt(key, number));
        } else {
            self.report.redelivered += 1;
        }
        if let Some(stamp) = stamp {
            let shared = device.place(key, stamp.seq, number);
            self.report.violations.extend(shared);
            self.same_stamp(key, stamp, number);
        }
    }

    /// Across all devices and receipts, a message keeps its id and its place.
    fn same_stamp(&mut self, key: Key, stamp: &Stamp, device: u32) {
        let known = self.stamps.entry(key).or_insert_with(|| stamp.clone());
        if known != stamp {
            self.report.violations.push(Violation::StoredTwice { key, device });
        }
    }

    fn finish(mut self) -> Report {
        self.report.acked = self.sent.values().filter(|sent| sent.acked).count();
        let mut acked: HashMap<u32, Vec<Key>> = HashMap::new();
        for (key, sent) in self.sent.iter().filter(|(_, sent)| sent.acked) {
            acked.entry(sent.recipient).or_default().push(*key);
        }
        for (number, device) in &self.devices {
            let due = acked.get(&device.recipient).map(Vec::as_slice).unwrap_or_default();
            let lost = due.iter().filter(|key| !device.seen.contains(key));
            let lost = lost.map(|key| Violation::Lost { key: *key, device: *number });
            self.report.violations.extend(lost);
            self.report.violations.extend(device.gap(*number));
        }
        self.report
    }
}

impl Device {
    fn first_receipt(&mut self, key: Key, device: u32) -> Option<Violation> {
        let newest = self.newest.entry(key.sender).or_insert(key);
        if *newest > key {
            return Some(Violation::OutOfOrder { key, after: *newest, device });
        }
        *newest = key;
        None
    }

    fn place(&mut self, key: Key, seq: u64, device: u32) -> Option<Violation> {
        let other = *self.places.entry(seq).or_insert(key);
        (other != key).then_some(Violation::SharedPlace { key, other, device })
    }

    fn gap(&self, device: u32) -> Option<Violation> {
        let (first, last) = (self.places.keys().min()?, self.places.keys().max()?);
        let missing = last - first + 1 - self.places.len() as u64;
        (missing > 0).then_some(Violation::Gap { device, missing })
    }
}

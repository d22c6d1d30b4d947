//! The comparisons: they read ours, we read theirs, and both judge bent frames alike.

use std::collections::BTreeSet;

use homing::mqtt::{DecodeError, Packet, decode};
use proptest::prelude::*;

use super::divergences::{DIVERGENCES, Divergence, LIMITS};
use super::mqttbytes_v4::MqttbytesV4;
use super::mqttbytes_v5::MqttbytesV5;
use super::rmqtt_v3::RmqttV3;
use super::rmqtt_v5::RmqttV5;
use super::{Oracle, Read};
use crate::generate::{Parts, parts_of};
use crate::refuse;
use crate::round_trip::{bends, bent};

/// Their reading of our bytes is our packet in their terms.
fn they_read_ours<O: Oracle>(parts: &Parts) {
    let frame = parts.frame();
    match parts.with(|packet| O::of(&packet)) {
        Ok(expected) => assert_eq!(O::read(&frame), Read::Packet(expected, frame.len())),
        Err(limit) => known_limit::<O>(limit),
    }
}

/// Our reading of their bytes is, in their terms, what they wrote.
fn we_read_theirs<O: Oracle>(parts: &Parts) {
    let Ok(theirs) = parts.with(|packet| O::of(&packet)) else { return };
    let frame = O::write(&theirs);
    let (packet, taken) = match decode(&frame, O::VERSION, u32::MAX) {
        Ok(Some(read)) => read,
        other => return we_do_not::<O>(&frame, other.map(|_| ())),
    };
    assert_eq!(taken, frame.len());
    assert_eq!(O::of(&packet), Ok(theirs), "{frame:02x?}");
}

/// A frame they write and we do not read must be one they do not read themselves, or explained.
fn we_do_not<O: Oracle>(frame: &[u8], ours: Result<(), DecodeError>) {
    match O::read(frame) {
        Read::Packet(..) => drop(judge::<O>(frame)),
        refused => {
            println!("{} does not read its own {frame:02x?}: {refused:?}, {ours:?}", O::NAME)
        }
    }
}

fn known_limit<O: Oracle>(limit: &'static str) {
    let known = LIMITS.iter().any(|(name, words)| O::NAME.starts_with(name) && *words == limit);
    assert!(known, "{}: {limit}", O::NAME);
}

/// Compares the verdicts on any bytes. The divergence that explains a difference, if there is one.
fn judge<O: Oracle>(input: &[u8]) -> Option<&'static Divergence> {
    let ours = decode(input, O::VERSION, u32::MAX);
    if let Ok(Some((Packet::Connect(connect), _))) = ours
        && connect.version != O::VERSION
    {
        return None; // A CONNECT brings its own version, and that one is asked elsewhere.
    }
    let (we, they) = match (ours, O::read(input)) {
        (Ok(None), Read::Incomplete) | (Err(_), Read::Refused(_)) => return None,
        (Ok(Some((packet, taken))), Read::Packet(theirs, length)) => match O::of(&packet) {
            Ok(same) if same == theirs && taken == length => return None,
            Ok(_) => (format!("reads {}", packet.name()), "reads otherwise".to_owned()),
            Err(limit) => {
                known_limit::<O>(limit);
                return None;
            }
        },
        (ours, theirs) => (our_words(ours), their_words(theirs)),
    };
    let found = DIVERGENCES.iter().find(|divergence| divergence.explains(O::NAME, &we, &they));
    assert!(found.is_some(), "({:?}, {we:?}, {they:?}, \"\"), // {input:02x?}", O::NAME);
    found
}

fn our_words(ours: Result<Option<(Packet<'_>, usize)>, DecodeError>) -> String {
    match ours {
        Ok(Some((packet, _))) => format!("reads {}", packet.name()),
        Ok(None) => "waits".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn their_words<P>(theirs: Read<P>) -> String {
    match theirs {
        Read::Packet(..) => "reads".to_owned(),
        Read::Incomplete => "waits".to_owned(),
        Read::Refused(why) => why,
    }
}

/// The hand-made frames, seen by every oracle of their version.
fn judge_all_cases<O: Oracle>(seen: &mut BTreeSet<*const Divergence>) {
    for case in refuse::all() {
        if case.version == O::VERSION {
            seen.extend(judge::<O>(&case.frame).map(|found| found as *const Divergence));
        }
    }
}

/// The list may only shrink: a line that explains nothing any more must go.
#[test]
fn every_divergence_is_still_seen() {
    let mut seen = BTreeSet::new();
    judge_all_cases::<MqttbytesV4>(&mut seen);
    judge_all_cases::<MqttbytesV5>(&mut seen);
    judge_all_cases::<RmqttV3>(&mut seen);
    judge_all_cases::<RmqttV5>(&mut seen);
    let unseen: Vec<_> =
        DIVERGENCES.iter().filter(|one| !seen.contains(&std::ptr::from_ref(*one))).collect();
    assert!(unseen.is_empty(), "remove these, or add the case that shows them: {unseen:#?}");
}

macro_rules! compare {
    ($($module:ident: $oracle:ident;)+) => { $(
        mod $module {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(1_000))]

                #[test]
                fn they_read_ours(parts in parts_of($oracle::VERSION)) {
                    super::they_read_ours::<$oracle>(&parts);
                }

                #[test]
                fn we_read_theirs(parts in parts_of($oracle::VERSION)) {
                    super::we_read_theirs::<$oracle>(&parts);
                }

                #[test]
                fn bent_frames_are_judged_alike(
                    parts in parts_of($oracle::VERSION), bends in bends(),
                ) {
                    judge::<$oracle>(&bent(parts.frame(), &bends));
                }
            }
        }
    )+ };
}

compare! {
    mqttbytes_v4: MqttbytesV4;
    mqttbytes_v5: MqttbytesV5;
    rmqtt_v3: RmqttV3;
    rmqtt_v5: RmqttV5;
}

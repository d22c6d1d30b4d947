//! The comparisons: they read ours, we read theirs, and both judge bent frames alike.

use std::collections::BTreeSet;

use homing::mqtt::{DecodeError, Packet, Version, decode};
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
        Ok(expected) if O::read(&frame) == Read::Packet(expected.clone(), frame.len()) => {}
        Ok(_) => judged_alike::<O>(&frame),
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
        Read::Packet(..) => judged_alike::<O>(frame),
        refused => {
            println!("{} does not read its own {frame:02x?}: {refused:?}, {ours:?}", O::NAME)
        }
    }
}

fn known_limit<O: Oracle>(limit: &'static str) {
    let known = LIMITS.iter().any(|(name, words)| O::NAME.starts_with(name) && *words == limit);
    assert!(known, "{}: {limit}", O::NAME);
}

/// What comes of asking both about the same bytes.
enum Judged {
    Alike,
    Explained(&'static Divergence),
    /// A line for the table of divergences, with its reason missing.
    Unexplained(String),
}

/// Compares the verdicts on any bytes.
fn judge<O: Oracle>(input: &[u8]) -> Judged {
    if is_connect_of_another(O::VERSION, input) {
        return Judged::Alike;
    }
    let ours = decode(input, O::VERSION, u32::MAX);
    let (we, they) = match (ours, O::read(input)) {
        (Ok(None), Read::Incomplete) | (Err(_), Read::Refused(_)) => return Judged::Alike,
        (Ok(Some((packet, taken))), Read::Packet(theirs, length)) => match O::of(&packet) {
            Ok(same) if same == theirs && taken == length => return Judged::Alike,
            Ok(_) => (format!("reads {}", packet.name()), "reads otherwise".to_owned()),
            Err(limit) => {
                known_limit::<O>(limit);
                return Judged::Alike;
            }
        },
        (ours, theirs) => (our_words(ours), their_words(theirs)),
    };
    match DIVERGENCES.iter().find(|divergence| divergence.explains(O::NAME, &we, &they)) {
        Some(found) => Judged::Explained(found),
        None => Judged::Unexplained(format!("({:?}, {we:?}, {they:?}, _)", O::NAME)),
    }
}

/// A CONNECT brings its own version, and that one's oracle is asked elsewhere.
fn is_connect_of_another(version: Version, input: &[u8]) -> bool {
    let other: &[u8] = match version {
        Version::V311 => b"MQTT\x05",
        Version::V5 => b"MQTT\x04",
    };
    input.first().is_some_and(|first| first >> 4 == 1)
        && input.windows(other.len()).any(|window| window == other)
}

fn judged_alike<O: Oracle>(input: &[u8]) {
    if let Judged::Unexplained(line) = judge::<O>(input) {
        panic!("{line} // {input:02x?}");
    }
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

/// The beginnings of frames that nothing can complete: we refuse what they wait for.
const HOPELESS: [&[u8]; 5] = [b"\x00", b"\x36", b"\x38", b"\x11", b"\xd0\x98\x00"];

/// The hand-made frames, seen by every oracle of their version: which lines of the table show.
fn seen_by<O: Oracle>(seen: &mut BTreeSet<(&'static str, *const Divergence)>) {
    let cases = refuse::all().into_iter().filter(|case| case.version == O::VERSION);
    let whole = cases.map(|case| case.frame);
    for input in whole.chain(HOPELESS.map(Vec::from)) {
        match judge::<O>(&input) {
            Judged::Alike => {}
            Judged::Explained(found) => drop(seen.insert((O::NAME, std::ptr::from_ref(found)))),
            Judged::Unexplained(line) => panic!("{line} // {input:02x?}"),
        }
    }
}

/// The list may only shrink: a line that explains nothing any more must go.
#[test]
fn every_divergence_is_still_seen() {
    let mut seen = BTreeSet::new();
    seen_by::<MqttbytesV4>(&mut seen);
    seen_by::<MqttbytesV5>(&mut seen);
    seen_by::<RmqttV3>(&mut seen);
    seen_by::<RmqttV5>(&mut seen);
    let mut unseen = Vec::new();
    for line in DIVERGENCES {
        let gone = |oracle: &&str| !seen.contains(&(*oracle, std::ptr::from_ref(line)));
        unseen.extend(line.oracles.iter().copied().filter(gone).map(|oracle| (oracle, line.ours)));
    }
    assert!(unseen.is_empty(), "remove these, or add the case that shows them: {unseen:#?}");
}

macro_rules! compare {
    ($($module:ident: $oracle:ident;)+) => { $(
        mod $module {
            use super::*;

            proptest! {
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
                    judged_alike::<$oracle>(&bent(parts.frame(), &bends));
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

/// Prints what the table lacks: `cargo test --test codec -- --ignored --nocapture lines_missing`.
#[test]
#[ignore = "a tool for writing the table; takes minutes"]
fn lines_missing() {
    let mut lines = std::collections::BTreeMap::new();
    list::<MqttbytesV4>(&mut lines);
    list::<MqttbytesV5>(&mut lines);
    list::<RmqttV3>(&mut lines);
    list::<RmqttV5>(&mut lines);
    lines.iter().for_each(|(line, example)| println!("{line} // {example}"));
}

fn list<O: Oracle>(lines: &mut std::collections::BTreeMap<String, String>) {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (parts_of(O::VERSION), bends());
    let cases = refuse::all().into_iter().filter(|case| case.version == O::VERSION);
    let mut inputs: Vec<(Vec<u8>, String)> =
        cases.map(|case| (case.frame, case.name.to_owned())).collect();
    for _ in 0..20_000 {
        let (parts, bends) = strategy.new_tree(&mut runner).unwrap().current();
        let input = bent(parts.frame(), &bends);
        let example = format!("{:02x?}", &input[..input.len().min(60)]);
        inputs.push((input, example));
    }
    for (input, example) in inputs {
        if let Judged::Unexplained(line) = judge::<O>(&input) {
            lines.entry(line).or_insert(example);
        }
    }
}

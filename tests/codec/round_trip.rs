//! What is written is read back, cut frames are waited for, and no bytes cause a panic.
//! `PROPTEST_CASES=100000 cargo test --test codec` tries harder.

use homing::mqtt::{Version, decode, encode, encoded_bytes};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fuzz_decode::fuzz_decode;
use crate::generate::parts;

/// A change to a frame that leaves much of it valid.
#[derive(Debug, Clone)]
pub enum Bend {
    Replace(Index, u8),
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    /// Makes the declared length right again, if it has one byte.
    MendLength,
}

pub fn bends() -> impl Strategy<Value = Vec<Bend>> {
    let bend = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Bend::Replace(at, byte)),
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Bend::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Bend::Insert(at, byte)),
        any::<Index>().prop_map(Bend::Remove),
        Just(Bend::MendLength),
        Just(Bend::MendLength),
    ];
    prop::collection::vec(bend, 1..5)
}

pub fn bent(mut frame: Vec<u8>, bends: &[Bend]) -> Vec<u8> {
    for bend in bends {
        let length = frame.len().max(1);
        match bend {
            Bend::Replace(at, byte) => replace(&mut frame, at.index(length), |_| *byte),
            Bend::Flip(at, bit) => replace(&mut frame, at.index(length), |byte| byte ^ 1 << bit),
            Bend::Insert(at, byte) => frame.insert(at.index(length).min(frame.len()), *byte),
            Bend::Remove(at) => drop((!frame.is_empty()).then(|| frame.remove(at.index(length)))),
            Bend::MendLength if (2..130).contains(&length) => {
                replace(&mut frame, 1, |_| (length - 2) as u8);
            }
            Bend::MendLength => {}
        }
    }
    frame
}

fn replace(frame: &mut [u8], at: usize, with: impl Fn(u8) -> u8) {
    if let Some(byte) = frame.get_mut(at) {
        *byte = with(*byte);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in parts()) {
        let frame = parts.frame();
        parts.with(|packet| {
            let read = decode(&frame, parts.version, u32::MAX);
            assert_eq!(read, Ok(Some((packet, frame.len()))));
            assert_eq!(encoded_bytes(&packet, parts.version), frame.len());
        });
    }

    /// A read may end anywhere: the rest is waited for, and nothing is made of a part.
    #[test]
    fn every_prefix_is_waited_for(parts in parts()) {
        let frame = parts.frame();
        for end in (0..frame.len()).take(600) {
            assert_eq!(decode(&frame[..end], parts.version, u32::MAX), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_follows_a_packet_is_left(
        first in parts(), tail in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let frame = first.frame();
        let (length, both) = (frame.len(), [frame, tail].concat());
        let (_, taken) = decode(&both, first.version, u32::MAX).unwrap().unwrap();
        assert_eq!(taken, length);
    }

    /// What a newer version says more than an older one is left out, never garbled.
    #[test]
    fn a_packet_of_5_is_written_for_3_1_1(parts in crate::generate::parts_of(Version::V5)) {
        let mut frame = Vec::new();
        parts.with(|packet| {
            if encoded_bytes(&packet, Version::V311) != usize::MAX {
                encode(&packet, Version::V311, &mut frame);
            }
        });
        let exists_there = !matches!(parts.kind, 1 | 2 | 15);
        if exists_there && !parts.with(|packet| empty_topic(&packet)) {
            let (read, _) = decode(&frame, Version::V311, u32::MAX).unwrap().unwrap();
            assert_eq!(read.name(), parts.with(|packet| packet.name()));
        }
    }

    #[test]
    fn any_bytes_hold(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_decode(&data);
    }

    #[test]
    fn bent_frames_hold(parts in parts(), bends in bends()) {
        fuzz_decode(&bent(parts.frame(), &bends));
    }
}

fn empty_topic(packet: &homing::mqtt::Packet<'_>) -> bool {
    matches!(packet, homing::mqtt::Packet::Publish(publish) if publish.topic.is_empty())
}

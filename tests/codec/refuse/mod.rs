//! One test per rule of the wire: the frame, and what becomes of it.

mod acks;
mod connect;
mod header;
mod properties;
mod publish;
mod subscribe;

use homing::mqtt::{Packet, Version, decode};

/// What becomes of a frame: read, or refused with this MQTT 5 reason code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    Read,
    Refused(u8),
}

pub const READ: Verdict = Verdict::Read;
pub const MALFORMED: Verdict = Verdict::Refused(0x81);
pub const PROTOCOL_ERROR: Verdict = Verdict::Refused(0x82);

/// A named frame in the version of its connection.
pub struct Case {
    pub name: &'static str,
    pub version: Version,
    pub frame: Vec<u8>,
}

/// One test per line, and the list of all of them.
macro_rules! cases {
    ($($name:ident: $version:ident, $frame:expr => $verdict:expr;)+) => {
        $(#[test] fn $name() {
            $crate::refuse::check(homing::mqtt::Version::$version, &$frame[..], $verdict);
        })+

        pub fn all() -> Vec<$crate::refuse::Case> {
            vec![$($crate::refuse::Case {
                name: stringify!($name),
                version: homing::mqtt::Version::$version,
                frame: $frame.to_vec(),
            }),+]
        }
    };
}
use cases;

/// Every frame of every file here.
pub fn all() -> Vec<Case> {
    [
        header::all(),
        connect::all(),
        publish::all(),
        subscribe::all(),
        acks::all(),
        properties::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A frame with its length in the shortest form.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        out.push((length % 0x80) as u8 | 0x80);
        length /= 0x80;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
    out
}

pub fn check(version: Version, frame: &[u8], expected: Verdict) {
    let found = match decode(frame, version, u32::MAX) {
        Ok(Some((_, taken))) => {
            assert_eq!(taken, frame.len(), "the whole frame is taken");
            Verdict::Read
        }
        Ok(None) => panic!("the frame is complete: {frame:02x?}"),
        Err(error) => {
            println!("refused in words: {error}");
            Verdict::Refused(error.reason())
        }
    };
    assert_eq!(found, expected, "{version:?} {frame:02x?}");
}

#[test]
fn the_packet_has_the_name_of_its_type() {
    let ping = decode(b"\xc0\0", Version::V5, 2).unwrap().unwrap().0;
    assert_eq!((ping, ping.name()), (Packet::PingReq, "PINGREQ"));
}

//! Texts that are none, in every place where a packet has a text (MQTT 5, section 1.5.4).

use homing::mqtt::{Packet, Version, decode};

use crate::refuse::frame;

/// What is no UTF-8, or is forbidden although it is.
const NO_TEXT: [(&str, &[u8]); 8] = [
    ("a byte that begins nothing", b"\xFF"),
    ("a continuation alone", b"a\x80"),
    ("a character that is cut", b"\xE2\x82"),
    ("a longer form than is needed", b"\xC0\xAF"),
    ("U+0000 in a longer form", b"\xC0\x80"),
    ("U+0000", b"a\0b"),
    ("a surrogate", b"\xED\xA0\x80"),
    ("beyond U+10FFFF", b"\xF4\x90\x80\x80"),
];
/// What is text, however odd.
const TEXT: [&str; 5] = ["\u{FEFF}a", "a\u{FEFF}", "ж漢😀", "\u{10FFFD}", " "];

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text].concat()
}

/// A packet with this text in each of the places.
fn everywhere(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (text, good) = (string(text), string(b"a"));
    let property = [&[text.len() as u8 + 4, 0x26][..], &good, &text].concat();
    let connect = |flags: u8, rest: &[&[u8]]| {
        frame(0x10, &[b"\0\x04MQTT\x05", &[flags, 0, 0, 0][..], &rest.concat()].concat())
    };
    vec![
        ("topic", frame(0x30, &[&text[..], &[0]].concat())),
        ("user property", frame(0x30, &[&good[..], &property].concat())),
        ("topic filter", frame(0x82, &[&[0, 1, 0][..], &text, &[0]].concat())),
        ("filter to leave", frame(0xA2, &[&[0, 1, 0][..], &text].concat())),
        ("client id", connect(2, &[&text])),
        ("will topic", connect(6, &[&good, &[0], &text, &good])),
        ("user name", connect(0x82, &[&good, &text])),
    ]
}

/// Threat W8. It closes the connection wherever it stands ([MQTT-1.5.4-1], [MQTT-1.5.4-2]).
#[test]
fn what_is_no_text_is_read_nowhere() {
    for (what, bytes) in NO_TEXT {
        for (place, frame) in everywhere(bytes) {
            let read = decode(&frame, Version::V5, u32::MAX);
            let error = read.expect_err(&format!("{what} as {place}: {frame:02x?}"));
            assert_eq!(error.reason(), 0x81, "{what} as {place}: {error}");
        }
    }
}

/// Threat W8. A byte order mark is a character like any other [MQTT-1.5.4-3].
#[test]
fn what_is_text_is_read_as_it_is() {
    for text in TEXT {
        for (place, frame) in everywhere(text.as_bytes()) {
            let read = decode(&frame, Version::V5, u32::MAX);
            assert!(matches!(read, Ok(Some(_))), "{text:?} as {place}: {read:?}");
        }
        let frame = frame(0x30, &[&string(text.as_bytes())[..], &[0]].concat());
        let Ok(Some((Packet::Publish(publish), _))) = decode(&frame, Version::V5, u32::MAX) else {
            panic!("{text:?}");
        };
        assert_eq!(publish.topic, text);
    }
}

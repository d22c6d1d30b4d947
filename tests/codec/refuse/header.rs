//! The first byte, the length, and packets without a body (2.1, 3.12, 3.13).

use homing::mqtt::{DecodeError, Version, decode, decode_connect, frame_bytes};

use super::*;

cases! {
    packet_type_0: V5, frame(0x00, b"") => MALFORMED;
    auth_in_3_1_1: V311, frame(0xF0, b"") => MALFORMED;
    connect_flags_reserved: V311, frame(0x11, b"\0\x04MQTT\x04\x02\0\x3c\0\x01c") => MALFORMED;
    connack_flags_reserved: V311, frame(0x21, b"\0\0") => MALFORMED;
    puback_flags_reserved: V311, frame(0x42, b"\0\x01") => MALFORMED;
    pubrec_flags_reserved: V311, frame(0x58, b"\0\x01") => MALFORMED;
    pubrel_flags_missing: V311, frame(0x60, b"\0\x01") => MALFORMED;
    pubrel_flags_reserved: V5, frame(0x63, b"\0\x01") => MALFORMED;
    pubcomp_flags_reserved: V5, frame(0x71, b"\0\x01") => MALFORMED;
    subscribe_flags_missing: V311, frame(0x80, b"\0\x01\0\x01a\0") => MALFORMED;
    suback_flags_reserved: V311, frame(0x92, b"\0\x01\0") => MALFORMED;
    unsubscribe_flags_missing: V311, frame(0xA0, b"\0\x01\0\x01a") => MALFORMED;
    unsuback_flags_reserved: V311, frame(0xB1, b"\0\x01") => MALFORMED;
    pingreq_flags_reserved: V311, frame(0xC1, b"") => MALFORMED;
    pingresp_flags_reserved: V311, frame(0xD8, b"") => MALFORMED;
    disconnect_flags_reserved: V5, frame(0xE2, b"") => MALFORMED;
    auth_flags_reserved: V5, frame(0xF1, b"") => MALFORMED;
    pingreq: V311, frame(0xC0, b"") => READ;
    pingresp: V5, frame(0xD0, b"") => READ;
    pingreq_with_a_body: V311, frame(0xC0, b"\0") => MALFORMED;
    pingresp_with_a_body: V5, frame(0xD0, b"\0") => MALFORMED;
    length_of_two_bytes_for_zero: V311, b"\xc0\x80\0" => MALFORMED;
    length_of_three_bytes_for_one: V311, b"\xc0\x81\x80\0\0" => MALFORMED;
    length_of_five_bytes: V5, b"\xc0\x80\x80\x80\x80\x01" => MALFORMED;
}

/// Garbage is refused before its length is even read, so that nothing is waited for.
#[test]
fn an_impossible_first_byte_is_refused_alone() {
    for first in 0..=u8::MAX {
        let possible = match first >> 4 {
            0 => false,
            3 => first & 0x06 != 0x06 && first & 0x0E != 0x08,
            6 | 8 | 10 => first & 0x0F == 2,
            _ => first & 0x0F == 0,
        };
        assert_eq!(frame_bytes(&[first], 100).is_ok(), possible, "{first:02x}");
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_body() {
    let declared = b"\x30\xff\xff\xff\x7f";
    assert_eq!(
        frame_bytes(declared, 65_536),
        Err(DecodeError::PacketTooLarge { declared: 268_435_460, max: 65_536 })
    );
    assert_eq!(frame_bytes(declared, u32::MAX), Ok(Some(268_435_460)));
    assert_eq!(decode(declared, Version::V311, u32::MAX), Ok(None));
    assert_eq!(decode_connect(b"\x10\xff\xff\x7f", 65_536).unwrap_err().reason(), 0x95);
}

#[test]
fn the_limit_counts_the_whole_packet() {
    let publish = frame(0x30, b"\0\x01apayload");
    let bytes = publish.len() as u32;
    assert!(decode(&publish, Version::V311, bytes).unwrap().is_some());
    assert_eq!(
        decode(&publish, Version::V311, bytes - 1),
        Err(DecodeError::PacketTooLarge { declared: bytes, max: bytes - 1 })
    );
}

#[test]
fn the_length_is_told_as_soon_as_it_is_there() {
    assert_eq!(frame_bytes(b"", 100), Ok(None));
    assert_eq!(frame_bytes(b"\x30", 100), Ok(None));
    assert_eq!(frame_bytes(b"\x30\x80", 1000), Ok(None));
    assert_eq!(frame_bytes(b"\x30\x80\x01", 1000), Ok(Some(131)));
}

#[test]
fn the_first_packet_must_be_connect() {
    for first in (0..=u8::MAX).filter(|first| *first != 0x10) {
        let refused = decode_connect(&[first], 100).unwrap_err();
        assert_eq!(refused, DecodeError::ExpectedConnect { first_byte: first });
        assert_eq!(refused.reason(), 0x82);
    }
    assert_eq!(decode_connect(b"", 100), Ok(None));
    assert_eq!(decode_connect(b"\x10", 100), Ok(None));
}

/// The operator who reads the log learns what really knocked.
#[test]
fn tls_and_http_are_recognised() {
    let words = |first: u8| decode_connect(&[first], 100).unwrap_err().to_string();
    assert!(words(0x16).contains("TLS"), "{}", words(0x16));
    assert!(words(b'G').contains("HTTP"), "{}", words(b'G'));
}

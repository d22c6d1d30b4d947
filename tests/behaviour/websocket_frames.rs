//! Frames that no client may send: told in a Close frame and closed, before the login and behind
//! it, and nobody else notices.

use std::io::Write;
use std::net::TcpStream;

use super::support::tls::Stream;
use super::support::websocket::{accepted, broker, closed_with, frame, raw, read_frame, request};
use super::support::{Broker, Connect};

/// What is sent, and the code that it is closed with.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let length = |second: u8, length: u64| {
        [&[0x82, 0x80 | second][..], &length.to_be_bytes(), &[0; 4]].concat()
    };
    vec![
        ("text", frame(0x81, b"hello"), 1003),
        ("without mask", vec![0x82, 0x02, 0xC0, 0x00], 1002),
        ("RSV1, as for compression", frame(0xC2, &[0xC0, 0]), 1002),
        ("RSV2", frame(0xA2, &[0xC0, 0]), 1002),
        ("RSV3", frame(0x92, &[0xC0, 0]), 1002),
        ("unknown kind 3", frame(0x83, &[]), 1002),
        ("unknown control 11", frame(0x8B, &[]), 1002),
        ("2^63 bytes", length(127, 1 << 63), 1002),
        ("2^64 - 1 bytes", length(127, u64::MAX), 1002),
        ("2^62 bytes", length(127, 1 << 62), 1009),
        ("a continuation of nothing", frame(0x80, &[0xC0, 0]), 1002),
        ("two beginnings", [frame(0x02, &[]), frame(0x82, &[])].concat(), 1002),
        ("a Ping in fragments", frame(0x09, b"x"), 1002),
        ("a long Ping", frame(0x89, &[0; 126]), 1002),
        ("a Close with half a code", frame(0x88, &[3]), 1002),
        ("a Close with a code that is none", frame(0x88, &1006u16.to_be_bytes()), 1002),
        ("a Close with noise as its reason", frame(0x88, &[3, 0xE8, 0xFF]), 1007),
    ]
}

fn connect(broker: &Broker) -> Stream {
    raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws())
}

fn logged_in(broker: &Broker) -> Stream {
    let mut stream = connect(broker);
    let connect = Connect::v311("alice", "phone").encode();
    stream.write_all(&frame(0x82, &connect)).expect("connect");
    assert_eq!(read_frame(&mut stream), Some((0x82, vec![0x20, 2, 0, 0])));
    stream
}

/// Threat W2.
#[test]
fn each_is_told_before_the_login() {
    let broker = broker();
    let mut bob = broker.device("bob", "desk");
    for (what, wire, code) in violations() {
        let mut stream = connect(&broker);
        stream.write_all(&wire).expect(what);
        assert_eq!(closed_with(&mut stream), code, "{what}");
    }
    broker.log.wait_for(&["connection refused", "a text frame"]);
    bob.ping();
}

/// Threat W2.
#[test]
fn each_is_told_behind_the_login() {
    let broker = broker();
    let mut bob = broker.device("bob", "desk");
    for (what, wire, code) in violations() {
        let mut stream = logged_in(&broker);
        stream.write_all(&wire).expect(what);
        assert_eq!(closed_with(&mut stream), code, "{what}");
    }
    broker.log.wait_for(&["a WebSocket connection is broken", "without mask"]);
    bob.ping();
}

/// Threat W10. Compression is never agreed on, so that nothing can be inflated.
#[test]
fn no_compression_is_agreed_on() {
    let broker = broker();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let request = request(broker.ws()).replacen("\r\n\r\n", &format!("\r\n{offer}\r\n\r\n"), 1);
    let mut stream = Stream::from(TcpStream::connect(broker.ws()).expect("connect"));
    stream.write_all(request.as_bytes()).expect("request");
    let head = accepted(&mut stream).to_lowercase();
    assert!(!head.contains("extensions"), "{head}");
    stream.write_all(&frame(0xC2, b"\x01\x02")).expect("a compressed frame");
    assert_eq!(closed_with(&mut stream), 1002);
}

/// What is no MQTT is refused as it is over TCP, and the WebSocket is closed in order.
#[test]
fn noise_in_frames_is_no_mqtt() {
    let broker = broker();
    let mut stream = connect(&broker);
    stream.write_all(&frame(0x82, b"GET / HTTP/1.1\r\n\r\n")).expect("noise");
    assert_eq!(closed_with(&mut stream), 1000);
    broker.log.wait_for(&["connection refused"]);
}

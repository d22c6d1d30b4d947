//! MQTT over WebSocket (MQTT 5 and 3.1.1, chapter 6).

use std::io::Write;
use std::net::TcpStream;

use crate::rig::{self, BOTH};
use crate::support::tls::Stream;
use crate::support::websocket::{LISTEN, accepted, closed_with, frame, read_mqtt, request};
use crate::support::{Broker, V5, Version, wire};

fn broker() -> Broker {
    rig::broker_with(&[LISTEN])
}

/// A WebSocket for which these subprotocols are offered, and what the server answered.
fn open(broker: &Broker, offered: &str) -> (Stream, String) {
    let mut stream: Stream = TcpStream::connect(broker.ws()).expect("connect").into();
    let line = format!("Sec-WebSocket-Protocol: {offered}\r\n");
    let request = request(broker.ws()).replace("Sec-WebSocket-Protocol: mqtt\r\n", &line);
    stream.write_all(request.as_bytes()).expect("request");
    let answer = accepted(&mut stream).to_lowercase();
    (stream, answer)
}

/// Up to CONNACK, which has a frame of its own.
fn log_in(stream: &mut Stream, version: Version) {
    let connect = rig::connect(version, "c").encode();
    stream.write_all(&frame(0x82, &connect)).expect("CONNECT");
    assert_eq!(read_mqtt(stream, 1)[0], 0x20);
}

#[test]
fn the_subprotocol_is_mqtt() {
    let broker = broker();
    for offered in ["mqtt", "mqtt, chat", "chat, mqtt", "mqttv3.1, mqtt"] {
        let (_, answer) = open(&broker, offered);
        assert!(answer.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{offered}: {answer}");
    }
}

#[test]
fn a_text_frame_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        let (mut stream, _) = open(&broker, "mqtt");
        log_in(&mut stream, version);
        stream.write_all(&frame(0x81, &[0xC0, 0])).expect("text");
        if version == V5 {
            // DISCONNECT, in a binary frame.
            assert_eq!(read_mqtt(&mut stream, 1)[0], 0xE0);
        }
        assert_eq!(closed_with(&mut stream), 1003);
    }
}

/// Both a packet in several frames and several packets in one.
#[test]
fn packets_and_frames_have_their_own_borders() {
    let broker = broker();
    for version in BOTH {
        let (mut stream, _) = open(&broker, "mqtt");
        log_in(&mut stream, version);
        let subscribe = wire::subscribe_to(version, 7, &[("t", 1)], &[]);
        let bytes = [&subscribe[..], &[0xC0, 0, 0xC0, 0]].concat();
        for piece in [&bytes[..1], &bytes[1..3], &[], &bytes[3..]] {
            stream.write_all(&frame(0x82, piece)).expect("a piece");
        }
        let suback: &[u8] =
            if version == V5 { &[0x90, 4, 0, 7, 0, 1] } else { &[0x90, 3, 0, 7, 1] };
        let expected = [suback, &[0xD0, 0, 0xD0, 0]].concat();
        assert_eq!(read_mqtt(&mut stream, expected.len()), expected);
    }
}

//! Frames as clients cut them, in any pieces of the wire: the same MQTT bytes come out, no noise
//! does harm, and what is sent is read by another implementation.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketContext};

use super::super::frame::Violation;
use super::super::{End, WebSocket};

/// A frame as a client sends it.
fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut out = match length {
        0..=125 => vec![first, 0x80 | length as u8],
        126..=0xFFFF => [&[first, 0xFE][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, 0xFF][..], &(length as u64).to_be_bytes()].concat(),
    };
    out.extend(mask);
    out.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// All that `wire` says when it comes in pieces of these lengths, over and over.
fn read(web: &mut WebSocket, wire: &[u8], pieces: &[usize]) -> Vec<u8> {
    let (mut mqtt, mut rest) = (Vec::new(), wire);
    for length in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(*length));
        let mut piece = piece.to_vec();
        let count = web.open(&mut piece);
        mqtt.extend_from_slice(&piece[..count]);
        rest = behind;
    }
    mqtt
}

/// What a client is sent now.
fn answer(web: &mut WebSocket) -> Vec<u8> {
    let mut out = Vec::new();
    web.frame(&mut out);
    web.left(0);
    out
}

#[derive(Clone, Debug)]
enum Sent {
    /// A message in these fragments.
    Message(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        3 => prop::collection::vec(bytes(300), 1..5).prop_map(Sent::Message),
        1 => bytes(126).prop_map(Sent::Ping),
        1 => bytes(126).prop_map(Sent::Pong),
    ]
}

/// The wire, the MQTT bytes in it and the last Ping. `between` stands between all fragments.
fn written(all: &[Sent], mask: [u8; 4], between: &[u8]) -> (Vec<u8>, Vec<u8>, Option<Vec<u8>>) {
    let (mut wire, mut mqtt, mut ping) = (Vec::new(), Vec::new(), None);
    for sent in all {
        match sent {
            Sent::Message(fragments) => {
                for (n, fragment) in fragments.iter().enumerate() {
                    let opcode = if n == 0 { 2 } else { 0 };
                    let last = if n + 1 == fragments.len() { 0x80 } else { 0 };
                    wire.extend(frame(opcode | last, mask, fragment));
                    mqtt.extend(fragment);
                    if last == 0 {
                        wire.extend(frame(0x89, mask, between));
                        ping = Some(between.to_vec());
                    }
                }
            }
            Sent::Ping(payload) => {
                wire.extend(frame(0x89, mask, payload));
                ping = Some(payload.clone());
            }
            Sent::Pong(payload) => wire.extend(frame(0x8A, mask, payload)),
        }
    }
    (wire, mqtt, ping)
}

proptest! {
    /// Threat W2. Cut at any byte, into any fragments, with Pings between them.
    #[test]
    fn mqtt_comes_out_as_it_went_in(
        all in prop::collection::vec(sent(), 0..8),
        mask: [u8; 4],
        between in prop::collection::vec(any::<u8>(), 0..126),
        pieces in prop::collection::vec(1usize..40, 1..8),
    ) {
        let (wire, mqtt, ping) = written(&all, mask, &between);
        let mut web = WebSocket::default();
        prop_assert_eq!(read(&mut web, &wire, &pieces), mqtt);
        prop_assert_eq!(web.end(), None);
        let pong = ping.map(|ping| [&[0x8A, ping.len() as u8][..], &ping].concat());
        prop_assert_eq!(answer(&mut web), pong.unwrap_or_default());
    }

    /// Threat W2. Noise reads the same in one piece and in many, and never panics.
    #[test]
    fn noise_is_noise_however_it_is_cut(
        starts in prop::collection::vec((any::<u8>(), any::<u8>()), 1..6),
        noise in prop::collection::vec(any::<u8>(), 0..200),
        pieces in prop::collection::vec(1usize..9, 1..5),
    ) {
        let masked = |(first, second): &(u8, u8)| [first & 0x8F, second | 0x80, 0, 0, 0, 0];
        let wire = [starts.iter().flat_map(masked).collect(), noise].concat();
        let (mut whole, mut cut) = (WebSocket::default(), WebSocket::default());
        let all = read(&mut whole, &wire, &[wire.len()]);
        prop_assert_eq!(all, read(&mut cut, &wire, &pieces));
        prop_assert_eq!(whole.end(), cut.end());
        prop_assert_eq!(answer(&mut whole), answer(&mut cut));
    }

    /// However little the socket takes at a time, and whatever the session says meanwhile.
    #[test]
    fn what_is_sent_is_read_by_another_implementation(
        turns in prop::collection::vec((0usize..70_000, 0usize..50_000, any::<bool>()), 1..6),
    ) {
        let (mut web, mut wire) = (WebSocket::default(), Vec::new());
        let (mut out, mut said, mut pings) = (Vec::new(), Vec::new(), 0);
        for (length, taken, ping) in turns {
            let packet = vec![length as u8; length];
            said.extend_from_slice(&packet);
            out.extend(packet);
            if ping {
                read(&mut web, &frame(0x89, [0; 4], b"there?"), &[1]);
                pings += 1;
            }
            web.frame(&mut out);
            wire.extend(out.drain(..taken.min(out.len())));
            web.left(out.len());
        }
        wire.append(&mut out);
        let (heard, pongs) = heard_by_tungstenite(wire);
        prop_assert!(heard == said);
        prop_assert_eq!(pongs, pings);
    }
}

/// The MQTT bytes, and how many Pongs came.
fn heard_by_tungstenite(wire: Vec<u8>) -> (Vec<u8>, usize) {
    struct Server(Cursor<Vec<u8>>);
    impl Read for Server {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }
    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut server = Server(Cursor::new(wire));
    let mut client = WebSocketContext::new(Role::Client, None);
    let (mut mqtt, mut pongs) = (Vec::new(), 0);
    loop {
        match client.read(&mut server) {
            Ok(Message::Binary(bytes)) => mqtt.extend_from_slice(&bytes),
            Ok(Message::Pong(payload)) => {
                assert_eq!(&payload[..], b"there?");
                pongs += 1;
            }
            Ok(other) => panic!("{other:?}"),
            // The wire ends here.
            Err(_) => return (mqtt, pongs),
        }
    }
}

/// How the connection ends, and the Close frame that is sent.
fn ends(wire: &[u8]) -> (Option<End>, Vec<u8>) {
    let mut web = WebSocket::default();
    read(&mut web, wire, &[wire.len()]);
    (web.end(), web.close_frame().unwrap_or_default())
}

#[test]
fn a_close_is_answered_with_its_code() {
    let close = |payload: &[u8]| ends(&frame(0x88, [7; 4], payload));
    assert_eq!(close(&[]), (Some(End::Closed(None)), vec![0x88, 0]));
    assert_eq!(close(&[3, 0xE9]), (Some(End::Closed(Some(1001))), vec![0x88, 2, 3, 0xE9]));
    assert_eq!(close(b"\x0F\xA0bye"), (Some(End::Closed(Some(4000))), vec![0x88, 2, 0x0F, 0xA0]));
    for (payload, wanted) in [
        (&[3][..], Violation::CloseCode),
        (&[3, 0xED], Violation::CloseCode),
        (&[0, 1], Violation::CloseCode),
        (&[3, 0xE8, 0xFF], Violation::CloseReason),
    ] {
        assert_eq!(close(payload).0, Some(End::Violated(wanted)));
    }
}

#[test]
fn fragments_come_in_their_order() {
    let (begin, go_on) = (frame(0x02, [1; 4], b"a"), frame(0x80, [1; 4], b"b"));
    let wrong = |wire: &[&[u8]]| ends(&wire.concat()).0;
    assert_eq!(wrong(&[&begin, &go_on]), None);
    assert_eq!(wrong(&[&go_on]), Some(End::Violated(Violation::NothingToContinue)));
    assert_eq!(wrong(&[&begin, &begin]), Some(End::Violated(Violation::NotContinued)));
}

#[test]
fn a_violation_is_told_in_a_close_frame_that_is_one() {
    let mut all = Vec::new();
    for wire in [[0x81, 0x80], [0xC2, 0x80], [0x82, 0x00], [0x09, 0x80], [0x8B, 0x80]] {
        let (end, close) = ends(&wire);
        let Some(End::Violated(violation)) = end else { panic!("{wire:?}") };
        assert_eq!(close[..2], [0x88, close.len() as u8 - 2]);
        assert!(close.len() <= 127, "{violation}");
        assert_eq!(close[2..4], violation.code().to_be_bytes());
        all.push(violation);
    }
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn nothing_is_said_into_a_frame_that_is_cut() {
    let mut web = WebSocket::default();
    let mut out = vec![1; 100];
    web.frame(&mut out);
    web.left(out.len() - 10);
    assert_eq!(web.close_frame(), None);
    web.left(0);
    assert_eq!(web.close_frame(), Some(vec![0x88, 2, 3, 0xE8]));
}

#[test]
fn behind_a_close_frame_nothing_is_heard() {
    let mut web = WebSocket::default();
    let wire =
        [frame(0x82, [9; 4], b"before"), frame(0x88, [9; 4], &[]), frame(0x82, [9; 4], b"x")];
    assert_eq!(read(&mut web, &wire.concat(), &[1000]), b"before");
}

/// Nothing is kept beside it: a Ping that is answered and a frame that is whole leave no buffer.
#[test]
fn an_idle_connection_keeps_a_few_numbers() {
    assert!(size_of::<WebSocket>() <= 160, "{} bytes", size_of::<WebSocket>());
}

/// Each frame in front of all that follows would be a gigabyte of copies here.
#[test]
fn a_large_message_is_cut_into_frames_in_one_pass() {
    const PART: usize = 32 * 1024;
    let (count, mut web) = (256, WebSocket::default());
    let cut = vec![9; 7];
    let mut out = cut.clone();
    web.left(cut.len());
    out.extend((0..count).flat_map(|n| vec![n as u8; PART]));
    web.frame(&mut out);
    assert_eq!(out[..7], cut);
    let frames = out[7..].chunks(4 + PART);
    assert_eq!(frames.len(), count);
    for (n, frame) in frames.enumerate() {
        assert_eq!(frame[..4], [0x82, 126, 0x80, 0x00]);
        assert_eq!((frame.len(), frame[4], frame[4 + PART - 1]), (4 + PART, n as u8, n as u8));
    }
}

//! The body of the fuzz target `websocket`: frames of a client, cut anywhere, read the same.

use homing::net::websocket::{End, WebSocket};

use super::source::Source;

/// Longer inputs are cut at every byte in no bearable time.
const CUT_BYTES_MAX: usize = 256;
/// How much the frames around an input's bytes may hold, one after the other.
const FRAME_BYTES: [usize; 8] = [0, 1, 2, 7, 125, 126, 300, 70_000];

/// What a client's bytes come to.
#[derive(Debug, PartialEq)]
struct Outcome {
    mqtt: Vec<u8>,
    end: Option<End>,
    /// What it is sent back.
    answer: Vec<u8>,
    close: Option<Vec<u8>>,
}

/// Reads the input as it is, and again as what stands inside frames.
pub fn fuzz_websocket(data: &[u8]) {
    noise_is_cut_anywhere(data);
    let mut source = Source::new(data);
    let (mask, frames) = ([source.byte(), source.byte(), source.byte(), source.byte()], source);
    mqtt_comes_out_as_it_went_in(mask, frames);
}

fn noise_is_cut_anywhere(data: &[u8]) {
    let whole = read(&[data]);
    assert!(whole.mqtt.len() <= data.len(), "more came out than went in");
    let single: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(read(&single), whole);
    for at in 0..data.len().min(CUT_BYTES_MAX) {
        let (before, behind) = data.split_at(at);
        assert_eq!(read(&[before, behind]), whole, "cut at {at}");
    }
}

fn read(pieces: &[&[u8]]) -> Outcome {
    let (mut web, mut mqtt) = (WebSocket::default(), Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let count = web.open(&mut piece);
        mqtt.extend_from_slice(&piece[..count]);
    }
    let mut answer = Vec::new();
    web.frame(&mut answer);
    web.left(0);
    Outcome { mqtt, end: web.end(), answer, close: web.close_frame() }
}

fn mqtt_comes_out_as_it_went_in(mask: [u8; 4], mut source: Source<'_>) {
    let (mut wire, mut mqtt, mut open) = (Vec::new(), Vec::new(), false);
    while !source.is_empty() {
        let (kind, count) = (source.byte(), source.pick(&FRAME_BYTES));
        let payload = source.take(count);
        if kind % 4 == 3 && payload.len() < 126 {
            frame(&mut wire, 0x89, mask, payload);
            continue;
        }
        let last = kind & 4 == 0;
        frame(&mut wire, u8::from(last) << 7 | if open { 0 } else { 2 }, mask, payload);
        mqtt.extend_from_slice(payload);
        open = !last;
    }
    let outcome = read(&[&wire]);
    assert_eq!(outcome.end, None);
    assert!(outcome.mqtt == mqtt, "{} bytes in, {} out", mqtt.len(), outcome.mqtt.len());
    assert_eq!(read(&wire.chunks(3).collect::<Vec<_>>()), outcome);
}

/// A frame as a client sends it (RFC 6455, section 5.2).
fn frame(wire: &mut Vec<u8>, first: u8, mask: [u8; 4], payload: &[u8]) {
    wire.push(first);
    match payload.len() {
        length @ 0..=125 => wire.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            wire.push(0xFE);
            wire.extend((length as u16).to_be_bytes());
        }
        length => {
            wire.push(0xFF);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    wire.extend(mask);
    wire.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

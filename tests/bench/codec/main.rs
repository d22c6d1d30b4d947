//! Decodes or encodes one PUBLISH over and over, for callgrind to count:
//! `codec-instructions decode|encode 3.1.1|5 TIMES [PROPERTIES]`. The frame is a QoS 1 PUBLISH of
//! 64 bytes to a topic of 10; in MQTT 5 with three user properties, or so many.

#![allow(dead_code, unused_imports)]

#[path = "../../../src/mqtt/mod.rs"]
mod mqtt;

use std::hint::black_box;

use mqtt::{Packet, PacketId, Property, PropertyBuffer, Publish, QoS, Version, decode, encode};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, what, version, times, more @ ..] = words.as_slice() else {
        return eprintln!("codec-instructions decode|encode 3.1.1|5 TIMES [PROPERTIES]");
    };
    let count = more.first().and_then(|count| count.parse().ok()).unwrap_or(3);
    let version = if version == "5" { Version::V5 } else { Version::V311 };
    let times: usize = times.parse().unwrap_or(1);
    let properties = properties(version, count);
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "chat/ut001",
        packet_id: PacketId::new(7),
        properties: properties.as_properties(),
        payload: &[b'x'; 64],
    });
    let mut frame = Vec::new();
    encode(&packet, version, &mut frame);
    let bytes = match what.as_str() {
        "decode" => decode_often(&frame, version, times),
        _ => encode_often(&packet, version, times),
    };
    println!("{} bytes each, {bytes} in all", frame.len());
}

fn properties(version: Version, count: usize) -> PropertyBuffer {
    let mut buffer = PropertyBuffer::new();
    if version == Version::V5 {
        (0..count).for_each(|_| buffer.push(Property::UserProperty("key0", "some value")));
    }
    buffer
}

#[inline(never)]
fn decode_often(frame: &[u8], version: Version, times: usize) -> usize {
    let mut bytes = 0;
    for _ in 0..times {
        if let Ok(Some((Packet::Publish(publish), taken))) =
            decode(black_box(frame), version, 1 << 20)
        {
            black_box(&publish);
            bytes += taken;
        }
    }
    bytes
}

#[inline(never)]
fn encode_often(packet: &Packet<'_>, version: Version, times: usize) -> usize {
    let mut out = Vec::with_capacity(4096);
    let mut bytes = 0;
    for _ in 0..times {
        out.clear();
        encode(black_box(packet), version, &mut out);
        bytes += black_box(&out).len();
    }
    bytes
}

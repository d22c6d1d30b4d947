//! Decoding and encoding allocate nothing per PUBLISH.

use homing::mqtt::{
    Packet, PacketId, Property, PropertyBuffer, Publish, QoS, Version, decode, encode,
    encoded_bytes,
};

use crate::{ALONE, Cost, cost};

const NOTHING: Cost = Cost { count: 0, kept_bytes: 0 };
const TIMES: usize = 1000;
const PAYLOAD: [u8; 200] = [b'x'; 200];

fn publish(qos: QoS, properties: &PropertyBuffer) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: "chat/ut001",
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: properties.as_properties(),
        payload: &PAYLOAD,
    })
}

/// What `TIMES` packets cost there and back, with a buffer that is there already.
fn there_and_back(packet: &Packet<'_>, version: Version) -> Cost {
    let mut wire = Vec::with_capacity(encoded_bytes(packet, version));
    cost(|| {
        for _ in 0..TIMES {
            wire.clear();
            encode(packet, version, &mut wire);
            let read = decode(&wire, version, u32::MAX).unwrap();
            assert!(read.is_some_and(|(read, taken)| read == *packet && taken == wire.len()));
        }
    })
}

#[test]
fn a_publish_costs_no_allocation_with_any_qos_in_any_version() {
    let _alone = ALONE.lock();
    let none = PropertyBuffer::new();
    for version in [Version::V311, Version::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let packet = publish(qos, &none);
            assert_eq!(there_and_back(&packet, version), NOTHING, "{version:?} {qos:?}");
        }
    }
}

/// They are read in place; to write them takes one buffer, which is kept for the next packet.
#[test]
fn properties_cost_no_allocation_once_their_buffer_is_there() {
    let _alone = ALONE.lock();
    let mut properties = PropertyBuffer::new();
    let fill = |properties: &mut PropertyBuffer| {
        properties.clear();
        properties.push(Property::MessageExpiryInterval(60));
        properties.push(Property::ContentType("text/plain"));
        (0..20).for_each(|_| properties.push(Property::UserProperty("name", "value")));
    };
    fill(&mut properties);
    assert_eq!(cost(|| fill(&mut properties)), NOTHING);
    let packet = publish(QoS::AtLeastOnce, &properties);
    assert_eq!(there_and_back(&packet, Version::V5), NOTHING);
    let Packet::Publish(publish) = packet else { unreachable!() };
    let read = cost(|| {
        assert_eq!(publish.properties.user_properties().count(), 20);
        assert_eq!(publish.properties.message_expiry_secs(), Some(60));
    });
    assert_eq!(read, NOTHING);
}

//! The exact bytes that are written, and the packets that no frame can express.

use homing::mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterBuffer, FilterFault, FilterNameBuffer, Packet,
    PacketId, Properties, Property, PropertyBuffer, Publish, QoS, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe, Version, encode, encoded_bytes, reason,
};

const ID: PacketId = PacketId::new(0x1234).unwrap();

fn written(packet: Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = b"before".to_vec();
    encode(&packet, version, &mut out);
    assert_eq!(encoded_bytes(&packet, version), out.len() - 6);
    out.strip_prefix(b"before").unwrap().to_vec()
}

fn none() -> Properties<'static> {
    Properties::default()
}

fn publish<'a>(topic: &'a str, payload: &'a [u8]) -> Publish<'a> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: none(),
        payload,
    }
}

#[test]
fn publish_in_both_versions() {
    let plain = publish("a/b", b"hi");
    assert_eq!(written(Packet::Publish(plain), Version::V311), b"\x30\x07\0\x03a/bhi");
    assert_eq!(written(Packet::Publish(plain), Version::V5), b"\x30\x08\0\x03a/b\0hi");
    let resent = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        packet_id: Some(ID),
        ..publish("a", b"")
    };
    assert_eq!(written(Packet::Publish(resent), Version::V311), b"\x3d\x05\0\x01a\x12\x34");
}

#[test]
fn acknowledgements_in_their_shortest_form() {
    let mut buffer = PropertyBuffer::new();
    buffer.push(Property::ReasonString("no"));
    let plain = Ack::ok(ID);
    let refused = Ack { reason: reason::QUOTA_EXCEEDED, ..plain };
    let explained = Ack { properties: buffer.as_properties(), ..refused };

    assert_eq!(written(Packet::PubAck(plain), Version::V5), b"\x40\x02\x12\x34");
    assert_eq!(written(Packet::PubRec(refused), Version::V5), b"\x50\x03\x12\x34\x97");
    assert_eq!(
        written(Packet::PubAck(explained), Version::V5),
        b"\x40\x09\x12\x34\x97\x05\x1f\0\x02no"
    );
    for packet in [Packet::PubAck(explained), Packet::PubAck(plain)] {
        assert_eq!(written(packet, Version::V311), b"\x40\x02\x12\x34");
    }
    assert_eq!(written(Packet::PubRel(plain), Version::V311), b"\x62\x02\x12\x34");
    assert_eq!(written(Packet::PubComp(plain), Version::V5), b"\x70\x02\x12\x34");
}

#[test]
fn disconnect_and_auth_in_their_shortest_form() {
    let down = Disconnect { reason: reason::SERVER_SHUTTING_DOWN, properties: none() };
    assert_eq!(written(Packet::Disconnect(Disconnect::default()), Version::V5), b"\xe0\0");
    assert_eq!(written(Packet::Disconnect(down), Version::V5), b"\xe0\x01\x8b");
    assert_eq!(written(Packet::Disconnect(down), Version::V311), b"\xe0\0");
    assert_eq!(written(Packet::Auth(Auth::default()), Version::V5), b"\xf0\0");
}

#[test]
fn connack_in_both_versions() {
    let connack = ConnAck { session_present: true, code: 0, properties: none() };
    assert_eq!(written(Packet::ConnAck(connack), Version::V311), b"\x20\x02\x01\0");
    assert_eq!(written(Packet::ConnAck(connack), Version::V5), b"\x20\x03\x01\0\0");
}

#[test]
fn acknowledged_subscriptions_in_both_versions() {
    let ack = SubAck { packet_id: ID, properties: none(), codes: &[1, 0x87] };
    assert_eq!(written(Packet::SubAck(ack), Version::V5), b"\x90\x05\x12\x34\0\x01\x87");
    // 3.1.1 knows one failure, and an UNSUBACK without codes.
    assert_eq!(written(Packet::SubAck(ack), Version::V311), b"\x90\x04\x12\x34\x01\x80");
    assert_eq!(written(Packet::UnsubAck(ack), Version::V311), b"\xb0\x02\x12\x34");
}

#[test]
fn subscribe_leaves_the_options_of_5_out_of_3_1_1() {
    let mut filters = FilterBuffer::new();
    let options = SubscribeOptions {
        no_local: true,
        retain_as_published: true,
        ..SubscribeOptions::plain(QoS::AtLeastOnce)
    };
    filters.push("a/#", options).unwrap();
    let subscribe = Subscribe { packet_id: ID, properties: none(), filters: filters.as_filters() };
    let packet = Packet::Subscribe(subscribe);
    assert_eq!(written(packet, Version::V5), b"\x82\x09\x12\x34\0\0\x03a/#\x0d");
    assert_eq!(written(packet, Version::V311), b"\x82\x08\x12\x34\0\x03a/#\x01");
}

#[test]
fn filters_that_cannot_be_asked_for_are_refused_when_pushed() {
    let plain = SubscribeOptions::plain(QoS::AtMostOnce);
    let mut filters = FilterBuffer::new();
    assert_eq!(filters.push("a#", plain), Err(FilterFault::Hash));
    let no_local = SubscribeOptions { no_local: true, ..plain };
    assert_eq!(filters.push("$share/g/a", no_local), Err(FilterFault::NoLocalOnShare));
    assert!(filters.as_filters().is_empty());
    assert_eq!(FilterNameBuffer::new().push(""), Err(FilterFault::Empty));
}

#[test]
fn a_property_buffer_is_used_again() {
    let mut buffer = PropertyBuffer::new();
    buffer.push(Property::TopicAlias(1));
    assert_eq!(buffer.as_properties().topic_alias(), Some(1));
    buffer.clear();
    buffer.push(Property::UserProperty("from", "ut003"));
    assert_eq!(buffer.as_properties().topic_alias(), None);
    assert_eq!(buffer.as_properties().user_property("from"), Some("ut003"));
}

fn cannot(packet: Packet<'_>, version: Version) {
    assert_eq!(encoded_bytes(&packet, version), usize::MAX, "{}", packet.name());
    let attempt = std::panic::catch_unwind(|| {
        let mut out = Vec::new();
        encode(&packet, version, &mut out);
        out
    });
    // A bug of the caller: loud while developing, and never a frame with a wrong length.
    let loud = cfg!(debug_assertions);
    let kept_out = attempt.map_or(loud, |out| !loud && out.is_empty());
    assert!(kept_out, "{}", packet.name());
}

#[test]
fn a_field_too_long_for_its_length_is_never_written() {
    let long = "x".repeat(65_536);
    cannot(Packet::Publish(publish(&long, b"")), Version::V311);
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive_secs: 0,
        client_id: &long,
        username: None,
        password: None,
        will: None,
        properties: none(),
    };
    cannot(Packet::Connect(connect), Version::V5);
    let named = Connect { client_id: "c", username: Some(&long), ..connect };
    cannot(Packet::Connect(named), Version::V5);
    let secret = Connect { client_id: "c", password: Some(long.as_bytes()), ..connect };
    cannot(Packet::Connect(secret), Version::V5);
}

#[test]
fn a_property_that_cannot_be_is_never_written() {
    let long = "x".repeat(65_536);
    let faults = [
        Property::ReasonString(&long),
        Property::UserProperty("k", "a\0b"),
        Property::UserProperty(&long, ""),
        Property::CorrelationData(long.as_bytes()),
        Property::ResponseTopic("a/+"),
        Property::ReceiveMaximum(0),
        Property::TopicAlias(0),
        Property::MaximumPacketSize(0),
        Property::SubscriptionIdentifier(0),
        Property::SubscriptionIdentifier(268_435_456),
        Property::PayloadFormatIndicator(2),
    ];
    for fault in faults {
        let mut buffer = PropertyBuffer::new();
        buffer.push(Property::ContentType("kept"));
        buffer.push(fault);
        let properties = buffer.as_properties();
        cannot(Packet::Publish(Publish { properties, ..publish("a", b"") }), Version::V5);
    }
}

#[test]
fn fields_that_contradict_are_never_written() {
    let plain = publish("a", b"");
    let numbered = Publish { packet_id: Some(ID), ..plain };
    let unnumbered = Publish { qos: QoS::AtLeastOnce, ..plain };
    let resent = Publish { dup: true, ..plain };
    for publish in [numbered, unnumbered, resent] {
        cannot(Packet::Publish(publish), Version::V311);
    }
    let (filters, names) = (FilterBuffer::new(), FilterNameBuffer::new());
    let (packet_id, properties) = (ID, none());
    let subscribe = Subscribe { packet_id, properties, filters: filters.as_filters() };
    cannot(Packet::Subscribe(subscribe), Version::V5);
    let unsubscribe = Unsubscribe { packet_id, properties, filters: names.as_filters() };
    cannot(Packet::Unsubscribe(unsubscribe), Version::V311);
    cannot(Packet::SubAck(SubAck { packet_id, properties, codes: &[] }), Version::V5);
    cannot(Packet::Auth(Auth::default()), Version::V311);
}

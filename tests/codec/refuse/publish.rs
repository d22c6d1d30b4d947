//! PUBLISH (3.3).

use homing::mqtt::{Packet, PacketId, QoS, Version};

use super::*;

const TOPIC_NAME_INVALID: Verdict = Verdict::Refused(0x90);
const TOPIC_ALIAS_INVALID: Verdict = Verdict::Refused(0x94);

cases! {
    publish_qos_0: V311, frame(0x30, b"\0\x01apayload") => READ;
    publish_qos_1_resent: V311, frame(0x3A, b"\0\x01a\0\x01payload") => READ;
    publish_qos_2_retained: V311, frame(0x35, b"\0\x01a\xff\xff") => READ;
    publish_5: V5, frame(0x32, b"\0\x01a\0\x01\0payload") => READ;
    publish_without_payload: V311, frame(0x31, b"\0\x01a") => READ;
    publish_to_a_topic_of_all_languages: V311,
        frame(0x30, &[b"\0\x12", "сообщение".as_bytes()].concat()) => READ;
    publish_payload_declared_text_is_not_looked_into: V5,
        frame(0x30, b"\0\x01a\x02\x01\x01\xff\xfe") => READ;

    publish_qos_3: V311, frame(0x36, b"\0\x01a\0\x01") => MALFORMED;
    publish_qos_3_resent: V5, frame(0x3E, b"\0\x01a\0\x01\0") => MALFORMED;
    publish_dup_at_qos_0: V311, frame(0x38, b"\0\x01a") => PROTOCOL_ERROR;
    publish_dup_at_qos_0_in_5: V5, frame(0x38, b"\0\x01a\0") => PROTOCOL_ERROR;
    publish_packet_id_0: V311, frame(0x32, b"\0\x01a\0\0") => PROTOCOL_ERROR;
    publish_packet_id_missing: V311, frame(0x32, b"\0\x01a") => MALFORMED;
    publish_packet_id_cut: V5, frame(0x34, b"\0\x01a\0") => MALFORMED;
    publish_empty: V311, frame(0x30, b"") => MALFORMED;
    publish_topic_cut: V311, frame(0x30, b"\0\x05a") => MALFORMED;
    publish_topic_empty_3_1_1: V311, frame(0x30, b"\0\0payload") => PROTOCOL_ERROR;
    publish_topic_empty_5: V5, frame(0x30, b"\0\0\0payload") => PROTOCOL_ERROR;
    publish_topic_empty_with_alias: V5, frame(0x30, b"\0\0\x03\x23\0\x01payload") => READ;
    publish_topic_with_plus: V311, frame(0x30, b"\0\x03a/+") => TOPIC_NAME_INVALID;
    publish_topic_with_hash: V5, frame(0x30, b"\0\x01#\0") => TOPIC_NAME_INVALID;
    publish_topic_with_nul: V311, frame(0x30, b"\0\x03a\0b") => MALFORMED;
    publish_topic_with_nul_and_wildcard: V311, frame(0x30, b"\0\x03#\0b") => MALFORMED;
    publish_topic_not_utf8: V311, frame(0x30, b"\0\x02a\x80") => MALFORMED;
    publish_5_without_property_length: V5, frame(0x30, b"\0\x01a") => MALFORMED;
    publish_5_properties_cut: V5, frame(0x30, b"\0\x01a\x05\x01\x01") => MALFORMED;
    publish_topic_alias_0: V5, frame(0x30, b"\0\x01a\x03\x23\0\0") => TOPIC_ALIAS_INVALID;
}

#[test]
fn every_field_is_where_it_belongs() {
    let bytes = frame(0x3D, b"\0\x03a/b\x12\x34\x05\x02\0\0\0\x3cpayload");
    let packet = decode(&bytes, Version::V5, 100).unwrap().unwrap().0;
    let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
    assert_eq!((publish.dup, publish.qos, publish.retain), (true, QoS::ExactlyOnce, true));
    assert_eq!((publish.topic, publish.payload), ("a/b", &b"payload"[..]));
    assert_eq!(publish.packet_id, PacketId::new(0x1234));
    assert_eq!(publish.properties.message_expiry_secs(), Some(60));
}

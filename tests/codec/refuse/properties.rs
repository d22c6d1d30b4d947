//! The property block (2.2.2): known, allowed, once, in range, and text that is text.

use homing::mqtt::{Properties, Scope};

use super::*;

const TOPIC_NAME_INVALID: Verdict = Verdict::Refused(0x90);

fn connect(properties: &[u8]) -> Vec<u8> {
    let length = [properties.len() as u8];
    frame(0x10, &[b"\0\x04MQTT\x05\x02\0\0", &length[..], properties, b"\0\x01c"].concat())
}

fn publish(properties: &[u8]) -> Vec<u8> {
    frame(0x30, &[b"\0\x01a", &[properties.len() as u8][..], properties].concat())
}

fn subscribe(properties: &[u8]) -> Vec<u8> {
    frame(0x82, &[b"\0\x01", &[properties.len() as u8][..], properties, b"\0\x01a\0"].concat())
}

cases! {
    property_unknown: V5, publish(b"\x04\0") => MALFORMED;
    property_unknown_wide: V5, publish(b"\x80\x01\0") => MALFORMED;
    property_in_the_wrong_packet: V5, publish(b"\x21\0\x01") => PROTOCOL_ERROR;
    property_of_the_server_in_connect: V5, connect(b"\x25\x01") => PROTOCOL_ERROR;
    property_of_the_will_in_connect: V5, connect(b"\x18\0\0\0\x01") => PROTOCOL_ERROR;
    property_of_connect_in_the_will: V5,
        frame(0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\x01c\x03\x21\0\x01\0\x01w\0\0") => PROTOCOL_ERROR;
    property_twice: V5, connect(b"\x21\0\x01\x21\0\x01") => PROTOCOL_ERROR;
    property_cut: V5, publish(b"\x02\0\0") => MALFORMED;
    property_text_beyond_the_block: V5, frame(0x30, b"\0\x01a\x04\x03\0\x02tt") => MALFORMED;
    property_text_cut: V5, publish(b"\x03\0\x05ab") => MALFORMED;
    property_text_with_nul: V5, publish(b"\x03\0\x01\0") => MALFORMED;
    property_text_not_utf8: V5, publish(b"\x03\0\x01\xff") => MALFORMED;
    property_length_wide: V5, frame(0x30, b"\0\x01a\x80\0") => MALFORMED;
    property_length_of_five_bytes: V5, frame(0x30, b"\0\x01a\x80\x80\x80\x80\x01") => MALFORMED;
    property_length_cut: V5, frame(0x30, b"\0\x01a\x80") => MALFORMED;

    user_property_twice: V5, publish(b"\x26\0\x01k\0\x01v\x26\0\x01k\0\x01w") => READ;
    user_property_empty: V5, publish(b"\x26\0\0\0\0") => READ;
    user_property_value_missing: V5, publish(b"\x26\0\x01k") => MALFORMED;
    user_property_with_nul: V5, publish(b"\x26\0\x01k\0\x01\0") => MALFORMED;

    receive_maximum_0: V5, connect(b"\x21\0\0") => PROTOCOL_ERROR;
    maximum_packet_size_0: V5, connect(b"\x27\0\0\0\0") => PROTOCOL_ERROR;
    topic_alias_maximum_0: V5, connect(b"\x22\0\0") => READ;
    session_expiry_never: V5, connect(b"\x11\xff\xff\xff\xff") => READ;
    request_problem_information_0: V5, connect(b"\x17\0") => READ;
    request_problem_information_2: V5, connect(b"\x17\x02") => PROTOCOL_ERROR;
    request_response_information_2: V5, connect(b"\x19\x02") => PROTOCOL_ERROR;
    authentication_method: V5, connect(b"\x15\0\x02me\x16\0\x01\0") => READ;
    authentication_data_first: V5, connect(b"\x16\0\x01\0\x15\0\x02me") => READ;
    authentication_data_without_method: V5, connect(b"\x16\0\x01\0") => PROTOCOL_ERROR;

    payload_format_2: V5, publish(b"\x01\x02") => PROTOCOL_ERROR;
    response_topic: V5, publish(b"\x08\0\x01r\x09\0\x02\0\xff") => READ;
    response_topic_empty: V5, publish(b"\x08\0\0") => PROTOCOL_ERROR;
    response_topic_with_wildcard: V5, publish(b"\x08\0\x03r/#") => TOPIC_NAME_INVALID;
    subscription_id_0: V5, subscribe(b"\x0b\0") => PROTOCOL_ERROR;
    subscription_id_largest: V5, subscribe(b"\x0b\xff\xff\xff\x7f") => READ;
    subscription_id_too_wide: V5, subscribe(b"\x0b\xff\xff\xff\xff\x01") => MALFORMED;
    subscription_id_not_shortest: V5, subscribe(b"\x0b\x81\0") => MALFORMED;
    subscription_id_twice_in_subscribe: V5, subscribe(b"\x0b\x01\x0b\x02") => PROTOCOL_ERROR;
    subscription_id_then_unknown: V5, frame(0x82, b"\0\x01\x03\x0b\x01\0\x01a\0") => MALFORMED;
    subscription_ids_before_another: V5, publish(b"\x0b\x01\x0b\x02\x01\x01") => READ;
    subscription_id_twice_in_publish: V5, publish(b"\x0b\x01\x0b\x02") => READ;
    maximum_qos_2: V5, frame(0x20, b"\0\0\x02\x24\x02") => PROTOCOL_ERROR;
    retain_available_2: V5, frame(0x20, b"\0\0\x02\x25\x02") => PROTOCOL_ERROR;
    wildcard_available_2: V5, frame(0x20, b"\0\0\x02\x28\x02") => PROTOCOL_ERROR;
    server_keep_alive_in_connect: V5, connect(b"\x13\0\x01") => PROTOCOL_ERROR;
}

/// Table 2-4, written down a second time: every identifier in every scope.
#[test]
fn each_property_stands_where_the_standard_lets_it() {
    for scope in crate::generate::SCOPES {
        for id in 0..=u8::MAX {
            let value = crate::generate::value_bytes(id);
            let block = [&[id][..], &value].concat();
            let found = Properties::parse(&block, scope).is_ok();
            let allowed = crate::generate::allowed(scope).contains(&id);
            // Authentication data needs its method beside it.
            assert_eq!(found, allowed && id != 0x16, "{scope:?} {id:02x}");
        }
    }
}

/// 64 KiB of the smallest properties are read in one pass, not in one per property.
#[test]
fn thirteen_thousand_user_properties() {
    let block = b"\x26\0\0\0\0".repeat(13_107);
    let properties = Properties::parse(&block, Scope::Publish).unwrap();
    assert_eq!(properties.user_properties().count(), 13_107);
    assert_eq!(properties.user_property("absent"), None);
    assert_eq!(properties.topic_alias(), None);
}

//! CONNECT and CONNACK (3.1, 3.2).

use homing::mqtt::{QoS, Version, decode_connect};

use super::*;

const UNSUPPORTED_VERSION: Verdict = Verdict::Refused(0x84);
const TOPIC_NAME_INVALID: Verdict = Verdict::Refused(0x90);

fn v311(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x10, &[b"\0\x04MQTT\x04", &[flags][..], b"\0\x3c", payload].concat())
}

/// MQTT 5, without properties.
fn v5(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x10, &[b"\0\x04MQTT\x05", &[flags][..], b"\0\x3c\0", payload].concat())
}

cases! {
    connect_3_1_1: V311, v311(0x02, b"\0\x01c") => READ;
    connect_5: V5, v5(0x02, b"\0\x01c") => READ;
    connect_without_client_id: V311, v311(0x02, b"\0\0") => READ;
    connect_with_everything_3_1_1: V311,
        v311(0xEE, b"\0\x01c\0\x04will\0\x03bye\0\x04name\0\x06secret") => READ;
    connect_with_everything_5: V5,
        v5(0xF6, b"\0\x01c\0\0\x04will\0\x03bye\0\x04name\0\x06secret") => READ;
    password_that_is_not_text: V311, v311(0xC2, b"\0\x01c\0\x01u\0\x03\xff\0\xfe") => READ;
    password_that_is_not_text_in_5: V5, v5(0xC2, b"\0\x01c\0\x01u\0\x01\xff") => READ;
    no_client_id_and_a_durable_session: V311, v311(0x00, b"\0\0") => READ;
    no_client_id_and_a_durable_session_in_5: V5, v5(0x00, b"\0\0") => READ;
    password_without_user_name_in_5: V5, v5(0x42, b"\0\x01c\0\x01p") => READ;
    password_without_user_name_in_3_1_1: V311, v311(0x42, b"\0\x01c\0\x01p") => MALFORMED;

    protocol_name_unknown: V311, frame(0x10, b"\0\x04MQXX\x04\x02\0\x3c\0\x01c") => MALFORMED;
    protocol_name_in_lower_case: V5, frame(0x10, b"\0\x04mqtt\x05\x02\0\x3c\0\0\x01c") => MALFORMED;
    protocol_level_6: V5, frame(0x10, b"\0\x04MQTT\x06\x02\0\x3c\0\x01c") => UNSUPPORTED_VERSION;
    protocol_level_of_a_bridge: V311,
        frame(0x10, b"\0\x04MQTT\x84\x02\0\x3c\0\x01c") => UNSUPPORTED_VERSION;
    protocol_3_1: V311, frame(0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01c") => READ;
    protocol_3_1_by_its_new_name: V311,
        frame(0x10, b"\0\x04MQTT\x03\x02\0\x3c\0\x01c") => UNSUPPORTED_VERSION;

    connect_flag_reserved: V311, v311(0x03, b"\0\x01c") => MALFORMED;
    connect_flag_reserved_in_5: V5, v5(0x03, b"\0\x01c") => MALFORMED;
    will_qos_without_will: V311, v311(0x0A, b"\0\x01c") => MALFORMED;
    will_retain_without_will: V5, v5(0x22, b"\0\x01c") => MALFORMED;
    will_qos_3: V5, v5(0x1E, b"\0\x01c\0\0\x01w\0\x01m") => MALFORMED;
    will_topic_empty: V311, v311(0x06, b"\0\x01c\0\0\0\x01m") => PROTOCOL_ERROR;
    will_topic_with_wildcard: V311, v311(0x06, b"\0\x01c\0\x03w/#\0\x01m") => TOPIC_NAME_INVALID;
    will_topic_with_nul: V311, v311(0x06, b"\0\x01c\0\x02w\0\0\x01m") => MALFORMED;
    will_topic_empty_in_5: V5, v5(0x06, b"\0\x01c\0\0\0\0\x01m") => PROTOCOL_ERROR;
    will_topic_with_wildcard_in_5: V5, v5(0x06, b"\0\x01c\0\0\x03w/#\0\x01m") => TOPIC_NAME_INVALID;
    will_missing: V311, v311(0x06, b"\0\x01c") => MALFORMED;
    will_payload_is_any_bytes: V311, v311(0x06, b"\0\x01c\0\x01w\0\x02\0\xff") => READ;

    client_id_with_nul: V311, v311(0x02, b"\0\x02c\0") => MALFORMED;
    client_id_not_utf8: V5, v5(0x02, b"\0\x02c\xff") => MALFORMED;
    client_id_with_a_surrogate: V5, v5(0x02, b"\0\x03\xed\xa0\x80") => MALFORMED;
    client_id_overlong_utf8: V5, v5(0x02, b"\0\x02\xc1\x81") => MALFORMED;
    client_id_with_controls_and_noncharacters: V5, v5(0x02, b"\0\x05\x01\x7f\xef\xbf\xbf") => READ;
    client_id_with_bom: V5, v5(0x02, b"\0\x04\xef\xbb\xbfc") => READ;
    client_id_cut_short: V311, v311(0x02, b"\0\x05c") => MALFORMED;
    user_name_not_utf8: V311, v311(0x82, b"\0\x01c\0\x02\xc3\x28") => MALFORMED;
    user_name_missing: V311, v311(0x82, b"\0\x01c") => MALFORMED;
    connect_with_bytes_behind: V311, v311(0x02, b"\0\x01c\0") => MALFORMED;
    connect_without_body: V311, frame(0x10, b"") => MALFORMED;
    connect_5_without_property_length: V5, frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c") => MALFORMED;

    connack_3_1_1: V311, frame(0x20, b"\x01\0") => READ;
    connack_3_1_1_refused: V311, frame(0x20, b"\0\x05") => READ;
    connack_3_1_1_code_6: V311, frame(0x20, b"\0\x06") => PROTOCOL_ERROR;
    connack_5: V5, frame(0x20, b"\0\0\x03\x21\0\x0a") => READ;
    connack_5_code_of_3_1_1: V5, frame(0x20, b"\0\x05\0") => PROTOCOL_ERROR;
    connack_5_without_property_length: V5, frame(0x20, b"\0\0") => MALFORMED;
    connack_flags_unknown_3_1_1: V311, frame(0x20, b"\x02\0") => MALFORMED;
    connack_session_present_on_refusal_3_1_1: V311, frame(0x20, b"\x01\x05") => PROTOCOL_ERROR;
    connack_flags_unknown: V5, frame(0x20, b"\x02\0\0") => MALFORMED;
    connack_session_present_on_refusal: V5, frame(0x20, b"\x01\x87\0") => PROTOCOL_ERROR;
    connack_empty: V5, frame(0x20, b"\x01") => MALFORMED;
    connack_with_bytes_behind: V311, frame(0x20, b"\0\0\0") => MALFORMED;
}

#[test]
fn every_field_is_where_it_belongs() {
    let bytes = v5(0xF6, b"\0\x01c\0\0\x04will\0\x03bye\0\x04name\0\x06secret");
    let (connect, taken) = decode_connect(&bytes, 100).unwrap().unwrap();
    assert_eq!(taken, bytes.len());
    assert_eq!((connect.version, connect.clean_start), (Version::V5, true));
    assert_eq!((connect.keep_alive_secs, connect.client_id), (60, "c"));
    assert_eq!((connect.username, connect.password), (Some("name"), Some(&b"secret"[..])));
    let will = connect.will.unwrap();
    assert_eq!((will.topic, will.payload), ("will", &b"bye"[..]));
    assert_eq!((will.qos, will.retain), (QoS::ExactlyOnce, true));
}

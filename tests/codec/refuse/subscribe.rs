//! SUBSCRIBE, UNSUBSCRIBE and their acknowledgements (3.8 to 3.11, 4.7, 4.8).

use homing::mqtt::{Packet, QoS, RetainHandling, Version};

use super::*;

const FILTER_INVALID: Verdict = Verdict::Refused(0x8F);

fn v311(filter: &str, options: u8) -> Vec<u8> {
    let length = (filter.len() as u16).to_be_bytes();
    frame(0x82, &[b"\0\x01", &length[..], filter.as_bytes(), &[options]].concat())
}

fn v5(filter: &str, options: u8) -> Vec<u8> {
    let length = (filter.len() as u16).to_be_bytes();
    frame(0x82, &[b"\0\x01\0", &length[..], filter.as_bytes(), &[options]].concat())
}

cases! {
    subscribe_3_1_1: V311, v311("a/b", 2) => READ;
    subscribe_5: V5, v5("a/b", 0x2D) => READ;
    subscribe_to_all: V311, v311("#", 0) => READ;
    subscribe_with_plus: V311, v311("+/a/+", 0) => READ;
    subscribe_with_hash_behind: V5, v5("/+/#", 0) => READ;
    subscribe_with_empty_levels: V5, v5("//", 0) => READ;
    subscribe_shared: V5, v5("$share/g/a/#", 1) => READ;
    subscribe_share_without_slash_is_a_topic: V5, v5("$share", 0) => READ;
    subscribe_share_means_nothing_in_3_1_1: V311, v311("$share/g", 0) => READ;
    subscribe_two_filters: V311, frame(0x82, b"\0\x01\0\x01a\0\0\x01b\x01") => READ;

    subscribe_packet_id_0: V311, frame(0x82, b"\0\0\0\x01a\0") => PROTOCOL_ERROR;
    subscribe_without_filter: V311, frame(0x82, b"\0\x01") => PROTOCOL_ERROR;
    subscribe_without_filter_5: V5, frame(0x82, b"\0\x01\0") => PROTOCOL_ERROR;
    subscribe_without_body: V5, frame(0x82, b"") => MALFORMED;
    subscribe_without_options: V311, frame(0x82, b"\0\x01\0\x01a") => MALFORMED;
    subscribe_filter_empty: V311, v311("", 0) => FILTER_INVALID;
    subscribe_filter_empty_in_5: V5, v5("", 0) => FILTER_INVALID;
    subscribe_filter_with_nul: V311, v311("a\0", 0) => MALFORMED;
    subscribe_filter_not_utf8: V5, frame(0x82, b"\0\x01\0\0\x01\xff\0") => MALFORMED;
    subscribe_filter_hash_in_level: V311, v311("a#", 0) => FILTER_INVALID;
    subscribe_filter_hash_before_end: V311, v311("a/#/b", 0) => FILTER_INVALID;
    subscribe_filter_hash_and_slash: V5, v5("a/#/", 0) => FILTER_INVALID;
    subscribe_filter_two_hashes: V5, v5("##", 0) => FILTER_INVALID;
    subscribe_filter_plus_in_level: V311, v311("a+", 0) => FILTER_INVALID;
    subscribe_filter_plus_before_text: V5, v5("a/+b/c", 0) => FILTER_INVALID;
    subscribe_filter_two_pluses: V5, v5("++", 0) => FILTER_INVALID;
    subscribe_second_filter_is_checked: V311,
        frame(0x82, b"\0\x01\0\x01a\0\0\x02b#\x01") => FILTER_INVALID;
    subscribe_share_without_name: V5, v5("$share//a", 0) => FILTER_INVALID;
    subscribe_share_without_filter: V5, v5("$share/g", 0) => FILTER_INVALID;
    subscribe_share_with_empty_filter: V5, v5("$share/g/", 0) => FILTER_INVALID;
    subscribe_share_name_with_plus: V5, v5("$share/+/a", 0) => FILTER_INVALID;
    subscribe_share_name_with_hash: V5, v5("$share/g#/a", 0) => FILTER_INVALID;
    subscribe_share_filter_is_checked: V5, v5("$share/g/a#", 0) => FILTER_INVALID;
    subscribe_share_with_no_local: V5, v5("$share/g/a", 0x04) => PROTOCOL_ERROR;

    subscribe_qos_3: V311, v311("a", 3) => MALFORMED;
    subscribe_qos_3_in_5: V5, v5("a", 3) => MALFORMED;
    subscribe_options_of_5_in_3_1_1: V311, v311("a", 0x04) => MALFORMED;
    subscribe_options_reserved: V5, v5("a", 0x40) => MALFORMED;
    subscribe_options_reserved_high: V5, v5("a", 0x81) => MALFORMED;
    subscribe_retain_handling_3: V5, v5("a", 0x30) => PROTOCOL_ERROR;

    unsubscribe_3_1_1: V311, frame(0xA2, b"\0\x01\0\x01a\0\x03b/#") => READ;
    unsubscribe_5: V5, frame(0xA2, b"\0\x01\0\0\x01a") => READ;
    unsubscribe_without_filter: V311, frame(0xA2, b"\0\x01") => PROTOCOL_ERROR;
    unsubscribe_filter_invalid: V5, frame(0xA2, b"\0\x01\0\0\x02a#") => FILTER_INVALID;
    unsubscribe_filter_cut: V311, frame(0xA2, b"\0\x01\0\x03a") => MALFORMED;
    unsubscribe_packet_id_0: V5, frame(0xA2, b"\0\0\0\0\x01a") => PROTOCOL_ERROR;

    suback_3_1_1: V311, frame(0x90, b"\0\x01\0\x01\x02\x80") => READ;
    suback_3_1_1_with_a_code_of_5: V311, frame(0x90, b"\0\x01\x87") => PROTOCOL_ERROR;
    suback_5: V5, frame(0x90, b"\0\x01\0\x02\x87") => READ;
    suback_5_code_invalid: V5, frame(0x90, b"\0\x01\0\x03") => PROTOCOL_ERROR;
    suback_3_1_1_without_code: V311, frame(0x90, b"\0\x01") => PROTOCOL_ERROR;
    suback_without_code: V5, frame(0x90, b"\0\x01\0") => PROTOCOL_ERROR;
    unsuback_3_1_1: V311, frame(0xB0, b"\0\x01") => READ;
    unsuback_3_1_1_with_a_code: V311, frame(0xB0, b"\0\x01\0") => MALFORMED;
    unsuback_5: V5, frame(0xB0, b"\0\x01\0\0\x11") => READ;
    unsuback_5_code_invalid: V5, frame(0xB0, b"\0\x01\0\x01") => PROTOCOL_ERROR;
    unsuback_5_without_code: V5, frame(0xB0, b"\0\x01\0") => PROTOCOL_ERROR;
}

#[test]
fn every_option_is_where_it_belongs() {
    let bytes = frame(0x82, b"\0\x01\0\0\x01a\x2d\0\x01b\x12");
    let packet = decode(&bytes, Version::V5, 100).unwrap().unwrap().0;
    let Packet::Subscribe(subscribe) = packet else { panic!("{packet:?}") };
    let filters: Vec<_> = subscribe.filters.iter().collect();
    assert_eq!(subscribe.filters.len(), filters.len());
    let (name, options) = filters[0];
    assert_eq!((name, options.qos), ("a", QoS::AtLeastOnce));
    assert!(options.no_local && options.retain_as_published);
    assert_eq!(options.retain_handling, RetainHandling::DoNotSend);
    let (name, options) = filters[1];
    assert_eq!((name, options.qos), ("b", QoS::ExactlyOnce));
    assert!(!options.no_local && !options.retain_as_published);
    assert_eq!(options.retain_handling, RetainHandling::SendIfNew);
}

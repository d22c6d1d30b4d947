//! PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT and AUTH (3.4 to 3.7, 3.14, 3.15).

use super::*;

cases! {
    puback: V311, frame(0x40, b"\0\x01") => READ;
    puback_with_a_reason_in_3_1_1: V311, frame(0x40, b"\0\x01\0") => MALFORMED;
    puback_packet_id_0: V311, frame(0x40, b"\0\0") => PROTOCOL_ERROR;
    puback_cut: V311, frame(0x40, b"\0") => MALFORMED;
    puback_empty: V5, frame(0x40, b"") => MALFORMED;
    puback_short: V5, frame(0x40, b"\0\x01") => READ;
    puback_with_reason: V5, frame(0x40, b"\0\x01\x10") => READ;
    puback_with_empty_properties: V5, frame(0x40, b"\0\x01\0\0") => READ;
    puback_with_reason_string: V5, frame(0x40, b"\0\x01\x97\x05\x1f\0\x02no") => READ;
    puback_reason_invalid: V5, frame(0x40, b"\0\x01\x92") => PROTOCOL_ERROR;
    puback_with_bytes_behind: V5, frame(0x40, b"\0\x01\0\0\0") => MALFORMED;
    puback_properties_cut: V5, frame(0x40, b"\0\x01\0\x05\x1f") => MALFORMED;
    pubrec: V311, frame(0x50, b"\x12\x34") => READ;
    pubrec_with_reason: V5, frame(0x50, b"\0\x01\x87") => READ;
    pubrec_reason_invalid: V5, frame(0x50, b"\0\x01\x81") => PROTOCOL_ERROR;
    pubrel: V311, frame(0x62, b"\0\x01") => READ;
    pubrel_not_found: V5, frame(0x62, b"\0\x01\x92") => READ;
    pubrel_reason_invalid: V5, frame(0x62, b"\0\x01\x10") => PROTOCOL_ERROR;
    pubrel_packet_id_0: V5, frame(0x62, b"\0\0") => PROTOCOL_ERROR;
    pubcomp: V311, frame(0x70, b"\0\x01") => READ;
    pubcomp_not_found: V5, frame(0x70, b"\0\x01\x92\0") => READ;
    pubcomp_reason_invalid: V5, frame(0x70, b"\0\x01\x80") => PROTOCOL_ERROR;

    disconnect_3_1_1: V311, frame(0xE0, b"") => READ;
    disconnect_3_1_1_with_a_reason: V311, frame(0xE0, b"\0") => MALFORMED;
    disconnect_short: V5, frame(0xE0, b"") => READ;
    disconnect_with_reason: V5, frame(0xE0, b"\x04") => READ;
    disconnect_with_properties: V5, frame(0xE0, b"\0\x05\x11\0\0\0\x3c") => READ;
    disconnect_reason_invalid: V5, frame(0xE0, b"\x01") => PROTOCOL_ERROR;
    disconnect_bad_authentication_method: V5, frame(0xE0, b"\x8c") => READ;
    disconnect_with_bytes_behind: V5, frame(0xE0, b"\0\0\0") => MALFORMED;

    auth_short: V5, frame(0xF0, b"") => READ;
    auth_continued: V5, frame(0xF0, b"\x18\x05\x15\0\x02me") => READ;
    auth_with_data: V5, frame(0xF0, b"\x19\x09\x15\0\x02me\x16\0\x01\xff") => READ;
    auth_reason_invalid: V5, frame(0xF0, b"\x80\0") => PROTOCOL_ERROR;
    auth_without_method: V5, frame(0xF0, b"\x18\0") => PROTOCOL_ERROR;
    auth_data_without_method: V5, frame(0xF0, b"\x18\x04\x16\0\x01\xff") => PROTOCOL_ERROR;
    auth_without_property_length: V5, frame(0xF0, b"\0") => MALFORMED;
    auth_with_bytes_behind: V5, frame(0xF0, b"\0\0\0") => MALFORMED;
}

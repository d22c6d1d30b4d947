//! A reason in one packet: the code that this packet may carry, and words of bounded length.

use crate::model::Reason;
use crate::mqtt::reason::{
    ADMINISTRATIVE_ACTION, IMPLEMENTATION_SPECIFIC_ERROR, IN_CONNACK, IN_DISCONNECT, IN_PUBACK,
    IN_SUBACK, SERVER_UNAVAILABLE,
};
use crate::mqtt::{Property, PropertyBuffer, Version};

/// Bytes of a Reason String; a name that a client sent may be longer than a packet takes.
const WORDS_BYTES_MAX: usize = 256;
/// A client that accepts only smaller packets gets no words [MQTT-3.2.2-19].
const PACKET_WITH_WORDS_BYTES_MIN: u32 = 1024;

pub fn in_connack(version: Version, reason: Reason) -> u8 {
    match version {
        Version::V5 => allowed(reason, IN_CONNACK, SERVER_UNAVAILABLE),
        Version::V311 => reason.connack311(),
    }
}

pub fn in_disconnect(reason: Reason) -> u8 {
    // 0x8A is for CONNACK alone (MQTT 5, section 2.4).
    if reason == Reason::Banned {
        return ADMINISTRATIVE_ACTION;
    }
    allowed(reason, IN_DISCONNECT, IMPLEMENTATION_SPECIFIC_ERROR)
}

/// PUBACK and PUBREC.
pub fn in_puback(reason: Reason) -> u8 {
    allowed(reason, IN_PUBACK, IMPLEMENTATION_SPECIFIC_ERROR)
}

pub fn in_suback(reason: Reason) -> u8 {
    allowed(reason, IN_SUBACK, IMPLEMENTATION_SPECIFIC_ERROR)
}

fn allowed(reason: Reason, codes: &[u8], otherwise: u8) -> u8 {
    let code = reason.mqtt5();
    if codes.contains(&code) { code } else { otherwise }
}

/// Leaves a Reason String in `properties`, if there are words and room for them.
pub fn put_words(words: &str, packet_bytes_max: u32, properties: &mut PropertyBuffer) {
    if !words.is_empty() && packet_bytes_max >= PACKET_WITH_WORDS_BYTES_MIN {
        properties.push(Property::ReasonString(clip(words)));
    }
}

/// Where to go instead; a client that accepts only small packets is just told to go.
pub fn put_reference(
    reference: Option<&str>,
    packet_bytes_max: u32,
    properties: &mut PropertyBuffer,
) {
    if let Some(reference) = reference.filter(|_| packet_bytes_max >= PACKET_WITH_WORDS_BYTES_MIN) {
        properties.push(Property::ServerReference(reference));
    }
}

/// At most [`WORDS_BYTES_MAX`], cut between characters.
pub fn clip(words: &str) -> &str {
    &words[..words.floor_char_boundary(WORDS_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_that_its_packet_may_carry() {
        for reason in Reason::ALL {
            assert!(IN_CONNACK.contains(&in_connack(Version::V5, reason)), "{reason:?}");
            assert!(IN_DISCONNECT.contains(&in_disconnect(reason)), "{reason:?}");
            assert!(IN_PUBACK.contains(&in_puback(reason)), "{reason:?}");
            assert!(IN_SUBACK.contains(&in_suback(reason)), "{reason:?}");
        }
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(clip("short"), "short");
        let long = "ж".repeat(WORDS_BYTES_MAX);
        assert_eq!(clip(&format!("x{long}")).len(), WORDS_BYTES_MAX - 1);
    }
}

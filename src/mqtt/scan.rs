//! Looking for forbidden bytes in text, eight at a time: half of decoding a PUBLISH is this.

/// Whether U+0000 occurs, which no text of the protocol may contain ([MQTT-1.5.4-2]).
#[inline]
pub fn has_nul(bytes: &[u8]) -> bool {
    any_word(bytes, has_zero_byte)
}

/// Whether `+`, `#` or U+0000 occurs, which no topic name may contain ([MQTT-4.7.1-1]).
#[inline]
pub fn has_wildcard_or_nul(bytes: &[u8]) -> bool {
    any_word(bytes, |word| has_zero_byte(word) | has_zero_byte((word | BIT_3) ^ PLUS))
}

/// `#` is `+` without this bit, so setting it makes both the same.
const BIT_3: u64 = u64::from_ne_bytes([b'+' ^ b'#'; 8]);
const PLUS: u64 = u64::from_ne_bytes([b'+'; 8]);
const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Subtracting 1 from every byte borrows into the high bit exactly where a byte was 0, or above
/// one that was.
#[inline]
fn has_zero_byte(word: u64) -> bool {
    word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS != 0
}

/// Asks `hit` about words that cover all bytes; the last may overlap the one before.
#[inline]
fn any_word(bytes: &[u8], hit: impl Fn(u64) -> bool) -> bool {
    let Some(last) = bytes.last_chunk() else {
        let spaces = u64::from_ne_bytes([b' '; 8]);
        return hit(bytes.iter().fold(spaces, |word, &byte| word << 8 | u64::from(byte)));
    };
    let (words, _) = bytes.as_chunks();
    hit(u64::from_ne_bytes(*last)) || words.iter().any(|&word| hit(u64::from_ne_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8], wanted: &[u8]) -> bool {
        bytes.iter().any(|byte| wanted.contains(byte))
    }

    proptest! {
        #[test]
        fn finds_what_a_loop_finds(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(has_nul(&bytes), naive(&bytes, b"\0"));
            prop_assert_eq!(has_wildcard_or_nul(&bytes), naive(&bytes, b"\0+#"));
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for length in 1..=24 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(has_nul(&bytes), byte == 0);
                    assert_eq!(has_wildcard_or_nul(&bytes), b"\0+#".contains(&byte));
                }
            }
        }
    }
}

//! Two codecs by other hands, asked about the same bytes: mqttbytes 0.6 and rmqtt-codec 0.3.
//!
//! Where they and we differ, the difference stands in `divergences` with its reason.

mod compare;
mod divergences;
mod mqttbytes_v4;
mod mqttbytes_v5;
mod mqttbytes_v5_codes;
mod rmqtt_v3;
mod rmqtt_v5;

use std::fmt::Debug;

use homing::mqtt::{Packet, Version};

/// What a codec makes of the bytes at its input.
#[derive(Debug, PartialEq)]
pub enum Read<P> {
    /// A packet, and how many bytes it took.
    Packet(P, usize),
    Incomplete,
    /// Why not, as the codec says it.
    Refused(String),
}

/// Another codec.
pub trait Oracle {
    /// Crate and protocol version.
    const NAME: &'static str;
    const VERSION: Version;
    /// Its packet type.
    type Packet: Debug + PartialEq + Clone;

    fn read(input: &[u8]) -> Read<Self::Packet>;

    fn write(packet: &Self::Packet) -> Vec<u8>;

    /// Our packet in its terms, or why it has no terms for it (a line of `divergences::LIMITS`).
    fn of(packet: &Packet<'_>) -> Result<Self::Packet, &'static str>;
}

/// The variant whose number is `code`.
fn by_code<T: Copy>(all: &[T], code: u8, number: impl Fn(T) -> u8) -> Result<T, &'static str> {
    all.iter().copied().find(|one| number(*one) == code).ok_or("no such reason code")
}

//! The checksum of a record (xxh3): over everything a reader gets, and over where it belongs.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::model::{Delivery, Message, Seq};

/// The message's part; computed once however many logs it goes to.
pub(super) fn message_hash(message: &Message) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&message.id.0.to_be_bytes());
    hash.update(&[message.kind as u8, u8::from(message.retain), message.qos as u8]);
    hash.update(&message.ts.0.to_be_bytes());
    let expires_at = message.expires_at.map_or(i64::MIN, |at| at.0);
    hash.update(&expires_at.to_be_bytes());
    let texts = [message.from.uid.as_str(), message.from.client_id.as_str(), &message.topic];
    for part in texts.map(str::as_bytes).into_iter().chain([message.attributes.as_bytes()]) {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(&message.body);
    hash.digest()
}

/// The record's own: the message's part, whose log, at which place.
pub(super) fn record_checksum(recipient: i64, seq: Seq, delivery: Delivery, message: u64) -> u64 {
    let mut bytes = [0; 34];
    // What a session left to others is below zero, and is checked as it was written.
    bytes[..8].copy_from_slice(&recipient.unsigned_abs().to_be_bytes());
    bytes[8..16].copy_from_slice(&seq.0.to_be_bytes());
    bytes[16..24].copy_from_slice(&message.to_be_bytes());
    bytes[24] = delivery.qos as u8;
    bytes[25] = u8::from(delivery.retain);
    match delivery.share {
        None => xxh3_64(&bytes[..26]),
        Some(share) => {
            bytes[26..].copy_from_slice(&share.number().to_be_bytes());
            xxh3_64(&bytes)
        }
    }
}

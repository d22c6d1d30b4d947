//! Between the model and the columns of a database: names, flags, whole records with their check.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::checksum::{message_hash, record_checksum};
use super::packed::unpack;
use crate::model::{
    Attributes, Ban, BanReason, BanTarget, ClientId, Delivery, Entry, Filter, Kind, Message,
    MessageId, QoS, Recipient, Role, Roles, Sender, Seq, SessionKey, ShareId, Stamp, Uid,
};
use crate::store::{StoreError, Subscription};

const RETAIN_FLAG: i64 = 4;
/// A delivery's share id stands above its flags.
const SHARE_SHIFT: u32 = 8;
const FLAGS: i64 = (1 << SHARE_SHIFT) - 1;
const KIND_INBOX: i64 = 0;
const KIND_SESSION: i64 = 1;
const KIND_FEED: i64 = 2;

/// A recipient's columns: kind, uid, client id (of a feed: its name).
pub(super) fn columns(recipient: &Recipient) -> (i64, &str, &str) {
    match recipient {
        Recipient::Inbox(uid) => (KIND_INBOX, uid.as_str(), ""),
        Recipient::Session(key) => (KIND_SESSION, key.uid.as_str(), key.client_id.as_str()),
        Recipient::Feed(name) => (KIND_FEED, "", name),
    }
}

pub(super) fn recipient(kind: i64, uid: &str, client_id: &str) -> Result<Recipient, StoreError> {
    match kind {
        KIND_INBOX => Ok(Recipient::Inbox(self::uid(uid)?)),
        KIND_SESSION => Ok(Recipient::Session(session_key(uid, client_id)?)),
        KIND_FEED => Ok(Recipient::Feed(client_id.into())),
        _ => Err(corrupt(format!("a recipient has the unknown kind {kind}"))),
    }
}

pub(super) fn uid(text: &str) -> Result<Uid, StoreError> {
    Uid::from_store(text).map_err(|error| corrupt(format!("a stored uid is none: {error}")))
}

pub(super) fn client_id(text: &str) -> Result<ClientId, StoreError> {
    ClientId::parse(text).map_err(|error| corrupt(format!("a stored client id is none: {error}")))
}

pub(super) fn session_key(uid: &str, client_id: &str) -> Result<SessionKey, StoreError> {
    Ok(SessionKey { uid: self::uid(uid)?, client_id: self::client_id(client_id)? })
}

pub(super) fn message_id(bytes: &[u8]) -> Result<MessageId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| corrupt("a stored message id has a wrong length"))?;
    Ok(MessageId(u128::from_be_bytes(bytes)))
}

pub(super) fn subscription(
    filter: &str,
    options: i64,
    id: i64,
) -> Result<Subscription, StoreError> {
    let wrong = || corrupt(format!("the stored subscription '{filter}' is none"));
    Ok(Subscription {
        filter: Filter::parse(filter).ok_or_else(wrong)?,
        options: u8::try_from(options).map_err(|_| wrong())?,
        id: u32::try_from(id).map_err(|_| wrong())?,
    })
}

/// Roles as one column: separated by blanks, which no role has.
pub(super) fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(" ")
}

pub(super) fn roles(text: &str) -> Result<Roles, StoreError> {
    text.split_whitespace().map(|role| Role::parse(role).map_err(corrupt)).collect()
}

/// A ban from its uid, client id and network, its two times and its reason.
pub(super) fn ban(
    [uid, client_id, net]: [&str; 3],
    made_at: i64,
    until: i64,
    reason: &str,
) -> Result<Ban, StoreError> {
    let target = BanTarget::from_columns(uid, client_id, net);
    let target =
        target.ok_or_else(|| corrupt(format!("a ban of {uid:?} {client_id:?} {net:?}")))?;
    let reason = BanReason::parse(reason).map_err(corrupt)?;
    Ok(Ban { target, made_at: Stamp(made_at), until: Stamp(until), reason })
}

pub(super) fn seq(number: i64) -> Seq {
    Seq(number.max(0) as u64)
}

pub(super) fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.max(0) as u64)
}

/// QoS and RETAIN in one number.
pub(super) fn flags(qos: QoS, retain: bool) -> i64 {
    qos as i64 + if retain { RETAIN_FLAG } else { 0 }
}

/// The whole delivery in one number: what is at least 256 is shared.
pub(super) fn delivery_number(delivery: Delivery) -> i64 {
    let share = delivery.share.map_or(0, |share| share.number() as i64);
    flags(delivery.qos, delivery.retain) | share << SHARE_SHIFT
}

pub(super) fn delivery(number: i64) -> Option<Delivery> {
    let flags = number & FLAGS;
    let qos = QoS::from_u8(u8::try_from(flags & !RETAIN_FLAG).ok()?)?;
    let share = match u64::try_from(number >> SHARE_SHIFT).ok()? {
        0 => None,
        share => Some(ShareId::from_number(share)?),
    };
    Some(Delivery { qos, retain: flags & RETAIN_FLAG != 0, share })
}

/// A record as its columns hold it.
pub(super) struct RawRecord {
    pub(super) recipient: i64,
    pub(super) seq: i64,
    pub(super) delivery: i64,
    pub(super) ts: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) checksum: i64,
    pub(super) message: Option<Vec<u8>>,
}

impl RawRecord {
    /// The record, if it is what was written.
    pub(super) fn check(self, of: &Recipient) -> Result<Entry, StoreError> {
        let place = format!("record {} of {of:?}", self.seq);
        let (checksum, recipient) = (self.checksum as u64, self.recipient);
        let entry = self.entry().ok_or_else(|| corrupt(format!("{place} cannot be read")))?;
        let hash = message_hash(&entry.message);
        if record_checksum(recipient, entry.seq, entry.delivery, hash) != checksum {
            return Err(corrupt(format!("{place} does not match its checksum")));
        }
        Ok(entry)
    }

    fn entry(self) -> Option<Entry> {
        let (seq, delivery) = (seq(self.seq), delivery(self.delivery)?);
        let (ts, expires_at) = (Stamp(self.ts), self.expires_at.map(Stamp));
        let message = unpack(self.message?.into(), ts, expires_at)?;
        Some(Entry { seq, delivery, message: Arc::new(message) })
    }
}

/// A message as its columns hold it.
pub(super) struct RawMessage {
    pub(super) message_id: Vec<u8>,
    pub(super) from_uid: String,
    pub(super) from_client: String,
    pub(super) kind: i64,
    pub(super) topic: String,
    pub(super) flags: i64,
    pub(super) ts: i64,
    pub(super) expires_at: Option<i64>,
    /// Of a retained message its own; of one that waits that of all of it.
    pub(super) checksum: i64,
    pub(super) attributes: Option<Vec<u8>>,
    pub(super) body: Option<Vec<u8>>,
}

impl RawMessage {
    /// The retained message, if it is what was written.
    pub(super) fn check(self) -> Result<Message, StoreError> {
        let place = format!("the retained message of {:?}", self.topic);
        let checksum = self.checksum as u64;
        let message = self.message().ok_or_else(|| corrupt(format!("{place} cannot be read")))?;
        match message_hash(&message) == checksum {
            true => Ok(message),
            false => Err(corrupt(format!("{place} does not match its checksum"))),
        }
    }

    pub(super) fn message(self) -> Option<Message> {
        let published = delivery(self.flags)?;
        Some(Message {
            id: message_id(&self.message_id).ok()?,
            from: Sender {
                uid: Uid::from_store(&self.from_uid).ok()?,
                client_id: ClientId::parse(&self.from_client).ok()?,
            },
            kind: Kind::from_u8(u8::try_from(self.kind).ok()?)?,
            ts: Stamp(self.ts),
            expires_at: self.expires_at.map(Stamp),
            topic: self.topic.into(),
            retain: published.retain,
            qos: published.qos,
            body: Bytes::from(self.body?),
            attributes: Attributes::from_bytes(self.attributes.unwrap_or_default().into())?,
        })
    }
}

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}; keep a copy of the store and restore a backup"))
}

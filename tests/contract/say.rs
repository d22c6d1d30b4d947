//! Short words for the tests: names, messages, writes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use homing::model::{
    Attribute, Attributes, ClientId, DedupeKey, Delivery, Filter, Kind, Message, MessageId,
    Published, QoS, Recipient, Role, Sender, Seq, SessionKey, Stamp, Step, Uid,
};
use homing::store::{Account, Append, Log, Subscription, Sweep, Write};

pub const T0: Stamp = Stamp(1_700_000_000_000);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn uid(name: &str) -> Uid {
    Uid::parse(name).unwrap()
}

/// An account with one role.
pub fn put_account(uid: Uid, password_hash: &str) -> Write {
    let roles = [Role::Operator].into();
    Write::PutAccount { uid, account: Account { password_hash: password_hash.into(), roles } }
}

pub fn key(uid: &str, client_id: &str) -> SessionKey {
    SessionKey { uid: self::uid(uid), client_id: ClientId::parse(client_id).unwrap() }
}

pub fn inbox(name: &str) -> Recipient {
    Recipient::Inbox(uid(name))
}

pub fn queue(uid: &str, client_id: &str) -> Recipient {
    Recipient::Session(key(uid, client_id))
}

pub fn message(number: u128) -> Message {
    let attributes = [Attribute::ContentType("text/plain"), Attribute::User("n", "1")];
    Message {
        id: MessageId(number),
        from: Sender { uid: uid("ann"), client_id: ClientId::parse("laptop").unwrap() },
        kind: Kind::Chat,
        ts: T0,
        expires_at: None,
        topic: "bob".into(),
        retain: false,
        qos: QoS::AtLeastOnce,
        body: Bytes::from(format!("body {number}")),
        attributes: if number.is_multiple_of(2) {
            Attributes::collect(attributes)
        } else {
            Attributes::default()
        },
    }
}

pub fn to(recipients: &[Recipient], message: Message) -> Append {
    let delivery = Delivery { qos: QoS::AtLeastOnce, retain: false };
    let addressees = recipients.iter().map(|recipient| (recipient.clone(), delivery)).collect();
    Append {
        message: Arc::new(message),
        addressees,
        dedupe: None,
        step: None,
        retain: None,
        fires: false,
    }
}

/// One message to one recipient.
pub fn append(recipient: Recipient, number: u128) -> Write {
    Write::Append(to(&[recipient], message(number)))
}

pub fn append_key(recipient: Recipient, number: u128, key: &str) -> Write {
    let dedupe = Some(DedupeKey(key.into()));
    Write::Append(Append { dedupe, ..to(&[recipient], message(number)) })
}

pub fn publish(packet_id: u16, hold: bool) -> Step {
    let hash = u64::from(packet_id) << 32;
    let id = MessageId(u128::from(packet_id));
    Step::Publish { publish: Published { packet_id, hash, id }, hold }
}

pub fn open(key: &SessionKey, clean_start: bool, keep: bool) -> Write {
    Write::OpenSession { key: key.clone(), clean_start, keep }
}

pub fn end(key: &SessionKey, expiry: Duration) -> Write {
    Write::EndSession { key: key.clone(), expiry }
}

pub fn know(key: &SessionKey) -> Write {
    Write::KnowDevice { key: key.clone(), devices_max: 32 }
}

pub fn advance(key: &SessionKey, log: Log, cursor: u64, sent: u64) -> Write {
    Write::Advance { key: key.clone(), log, cursor: Seq(cursor), sent: Seq(sent) }
}

pub fn subscription(filter: &str, options: u8) -> Subscription {
    Subscription { filter: Filter::parse(filter).unwrap(), options, id: 7 }
}

pub fn subscribe(key: &SessionKey, filters: &[&str]) -> Write {
    let subscriptions = filters.iter().map(|filter| subscription(filter, 1)).collect();
    Write::Subscribe { key: key.clone(), subscriptions }
}

/// Limits that remove nothing by themselves.
pub fn sweep() -> Sweep {
    Sweep {
        after: 0,
        recipients_max: 1000,
        retention: 365 * DAY,
        messages_max: 1_000_000,
        device_ttl: 365 * DAY,
    }
}

//! A message as one block of bytes, as records keep it: what SQL asks for (when it was taken, when
//! it expires) has columns of its own, all else is in here.
//!
//! Layout: version, kind, flags, id (16 bytes); the lengths of uid, client id, topic (two bytes
//! each) and attributes (four); then these four; what is left is the body. Numbers are big-endian.
//! The migrations to schema 5 write the same in SQL.

use bytes::{Buf, Bytes};

use super::record::{delivery, flags};
use crate::model::{Attributes, ClientId, Kind, Message, MessageId, Sender, Stamp, Uid};

/// First byte of every block; a later layout gets another number.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 29;

pub(super) fn pack(message: &Message) -> Vec<u8> {
    let (uid, client_id) = (message.from.uid.as_str(), message.from.client_id.as_str());
    let (topic, attributes) = (message.topic.as_bytes(), message.attributes.as_bytes());
    let parts = [uid.as_bytes(), client_id.as_bytes(), topic, attributes, &message.body];
    let bytes = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(HEADER_BYTES + bytes);
    out.extend([VERSION, message.kind as u8, flags(message.qos, message.retain) as u8]);
    out.extend(message.id.0.to_be_bytes());
    for short in &parts[..3] {
        out.extend((short.len() as u16).to_be_bytes());
    }
    out.extend((attributes.len() as u32).to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// `None` if the bytes are no whole message of a known version.
pub(super) fn unpack(mut bytes: Bytes, ts: Stamp, expires_at: Option<Stamp>) -> Option<Message> {
    if bytes.try_get_u8().ok()? != VERSION {
        return None;
    }
    let kind = Kind::from_u8(bytes.try_get_u8().ok()?)?;
    let published = delivery(bytes.try_get_u8().ok()?.into())?;
    let id = MessageId(bytes.try_get_u128().ok()?);
    let mut short = || bytes.try_get_u16().ok().map(usize::from);
    let (uid, client_id, topic) = (short()?, short()?, short()?);
    let attributes = bytes.try_get_u32().ok()? as usize;
    let uid = Uid::from_store(text(&take(&mut bytes, uid)?)?).ok()?;
    let client_id = ClientId::parse(text(&take(&mut bytes, client_id)?)?).ok()?;
    let topic = text(&take(&mut bytes, topic)?)?.into();
    let attributes = Attributes::from_bytes(take(&mut bytes, attributes)?)?;
    let (retain, qos) = (published.retain, published.qos);
    let from = Sender { uid, client_id };
    Some(Message { id, from, kind, ts, expires_at, topic, retain, qos, body: bytes, attributes })
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (count <= bytes.len()).then(|| bytes.split_to(count))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Attribute, QoS};

    fn message(topic: &str, body: Vec<u8>, attributes: Attributes) -> Message {
        Message {
            id: MessageId(u128::MAX / 3),
            from: Sender {
                uid: Uid::parse("Ж").unwrap(),
                client_id: ClientId::parse("phone").unwrap(),
            },
            kind: Kind::Chat,
            ts: Stamp(7),
            expires_at: Some(Stamp(9)),
            topic: topic.into(),
            retain: true,
            qos: QoS::ExactlyOnce,
            body: body.into(),
            attributes,
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(topic in "\\PC{0,40}", body: Vec<u8>, value in "\\PC{0,40}") {
            let attributes = Attributes::collect([Attribute::User("k", &value)]);
            for message in [
                message(&topic, body.clone(), attributes),
                message(&topic, body, Attributes::default()),
            ] {
                let unpacked = unpack(pack(&message).into(), message.ts, message.expires_at);
                prop_assert_eq!(unpacked, Some(message));
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes: Vec<u8>) {
            let mut bytes = bytes;
            bytes.insert(0, VERSION);
            if let Some(message) = unpack(bytes.clone().into(), Stamp(1), None) {
                prop_assert_eq!(pack(&message).len(), bytes.len());
            }
        }
    }

    #[test]
    fn a_cut_block_and_another_version_are_none() {
        let packed = pack(&message("a/b", Vec::new(), Attributes::default()));
        for length in 0..packed.len() {
            assert_eq!(unpack(packed[..length].to_vec().into(), Stamp(7), None), None);
        }
        let mut other = packed;
        other[0] = VERSION + 1;
        assert_eq!(unpack(other.into(), Stamp(7), None), None);
    }
}

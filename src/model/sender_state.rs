//! What must survive a crash about one session's packet ids: the ring of publishes that may be
//! resent (ruling 5) and the QoS 2 steps of both directions. Changed only by [`Step`]s, each of
//! which is committed in the transaction of the message it belongs to.

use std::collections::VecDeque;

use super::limit::{PUBLISH_RING_COUNT_MAX, UNRELEASED_COUNT_MAX};
use super::{MessageId, Seq};

/// First byte of the stored form; a later layout gets another number.
const VERSION: u8 = 1;

/// One QoS 1 or 2 publish of this client, as it would look when it is resent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub packet_id: u16,
    /// Over topic and payload.
    pub hash: u64,
    pub id: MessageId,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The client published; with `hold` (QoS 2) the packet id stays taken until it is released.
    Publish { publish: Published, hold: bool },
    /// The client released a QoS 2 packet id (PUBREL).
    Release { packet_id: u16 },
    /// The client has a QoS 2 message of its queue (PUBREC): it must never be sent again.
    Received { seq: Seq },
    /// The client is done with it (PUBCOMP).
    Completed { seq: Seq },
    /// Clean start: the QoS 2 steps of both directions are forgotten, the ring stays.
    CleanStart,
    /// The connection ended cleanly: nothing will be resent.
    CleanEnd,
}

/// The state itself; empty for most sessions, and then it is not stored at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderState {
    /// The last publishes, oldest first.
    pub ring: VecDeque<Published>,
    /// QoS 2 from the client: received, not yet released.
    pub unreleased: Vec<(u16, MessageId)>,
    /// QoS 2 to the client: received there, not yet completed.
    pub received: Vec<Seq>,
}

impl SenderState {
    pub fn apply(&mut self, step: Step) {
        match step {
            Step::Publish { publish, hold } => self.publish(publish, hold),
            Step::Release { packet_id } => self.unreleased.retain(|(id, _)| *id != packet_id),
            Step::Received { seq } if self.received.contains(&seq) => {}
            Step::Received { seq } => self.received.push(seq),
            Step::Completed { seq } => self.received.retain(|other| *other != seq),
            Step::CleanStart => {
                self.unreleased.clear();
                self.received.clear();
            }
            Step::CleanEnd => self.ring.clear(),
        }
    }

    fn publish(&mut self, publish: Published, hold: bool) {
        // A packet id stands there once at the most.
        if let Some(place) = self.ring.iter().position(|old| old.packet_id == publish.packet_id) {
            self.ring.remove(place);
        }
        if self.ring.len() == PUBLISH_RING_COUNT_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(publish);
        if hold && self.unreleased.len() < UNRELEASED_COUNT_MAX {
            self.unreleased.push((publish.packet_id, publish.id));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.unreleased.is_empty() && self.received.is_empty()
    }

    /// Layout: version; then three lists, each a two-byte count and fixed-size items.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        count(&mut out, self.ring.len());
        for publish in &self.ring {
            out.extend_from_slice(&publish.packet_id.to_be_bytes());
            out.extend_from_slice(&publish.hash.to_be_bytes());
            out.extend_from_slice(&publish.id.0.to_be_bytes());
        }
        count(&mut out, self.unreleased.len());
        for (packet_id, id) in &self.unreleased {
            out.extend_from_slice(&packet_id.to_be_bytes());
            out.extend_from_slice(&id.0.to_be_bytes());
        }
        count(&mut out, self.received.len());
        for seq in &self.received {
            out.extend_from_slice(&seq.0.to_be_bytes());
        }
        out
    }

    /// `None` if the bytes are not a whole state of a known version.
    pub fn decode(bytes: &[u8]) -> Option<SenderState> {
        let (&VERSION, mut rest) = bytes.split_first()? else { return None };
        let mut state = SenderState::default();
        for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
            let packet_id = u16::from_be_bytes(take(&mut rest)?);
            let hash = u64::from_be_bytes(take(&mut rest)?);
            let id = MessageId(u128::from_be_bytes(take(&mut rest)?));
            state.ring.push_back(Published { packet_id, hash, id });
        }
        for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
            let packet_id = u16::from_be_bytes(take(&mut rest)?);
            state.unreleased.push((packet_id, MessageId(u128::from_be_bytes(take(&mut rest)?))));
        }
        for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
            state.received.push(Seq(u64::from_be_bytes(take(&mut rest)?)));
        }
        rest.is_empty().then_some(state)
    }
}

fn count(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u16).to_be_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..100u16, any::<u64>(), any::<u128>(), any::<bool>()).prop_map(
                |(packet_id, hash, id, hold)| Step::Publish {
                    publish: Published { packet_id, hash, id: MessageId(id) },
                    hold
                }
            ),
            (1..100u16).prop_map(|packet_id| Step::Release { packet_id }),
            (1..100u64).prop_map(|seq| Step::Received { seq: Seq(seq) }),
            (1..100u64).prop_map(|seq| Step::Completed { seq: Seq(seq) }),
            Just(Step::CleanStart),
            Just(Step::CleanEnd),
        ]
    }

    proptest! {
        #[test]
        fn any_state_survives_its_bytes_and_stays_bounded(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let mut state = SenderState::default();
            steps.into_iter().for_each(|step| state.apply(step));
            prop_assert!(state.ring.len() <= PUBLISH_RING_COUNT_MAX);
            prop_assert_eq!(SenderState::decode(&state.encode()), Some(state));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = SenderState::decode(&bytes);
        }
    }
}

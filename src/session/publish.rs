//! From the client: PUBLISH with QoS 0, 1 and 2, answered only when the broker says that the
//! message is committed, in publish order (rulings 1, 2, 5, 7; MQTT 5, section 4.3).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::limit::{DEDUPE_KEY_BYTES_MAX, UNRELEASED_COUNT_MAX};
use crate::model::{
    DedupeKey, Kind, Message, MessageId, Published, QoS, Reason, Sender, SenderState, Step,
    Submission, Target, Timing,
};
use crate::mqtt::{self, Ack, Packet, PacketId, Properties, Publish};

use super::code::in_puback;
use super::delayed::{Destination, destination};
use super::will::attributes;
use super::{Answer, Ctx, Phase, Request, Session, Ticket};

/// A longer topic is not remembered: it would be kept by each connection.
const LAST_TOPIC_BYTES_MAX: usize = 256;
/// User property with the publisher's own message id.
const MESSAGE_ID: &str = "message-id";

/// What a client that publishes needs; a silent client has none.
#[derive(Debug, Default)]
pub struct Publishing {
    /// Publishes of a connection that ended uncleanly: each may be resent once (ruling 5).
    stale: Vec<Published>,
    /// QoS 2 packet ids that are received and not released.
    unreleased: Vec<(u16, MessageId)>,
    /// Publishes whose answer is not written yet, in order.
    pending: VecDeque<Pending>,
    /// Number of the first of `pending`.
    first: u64,
    /// Where the last publish went, if it went at once.
    last: Option<Destination>,
    /// This connection has entries in the stored ring.
    pub(super) has_ring: bool,
}

/// With QoS 1 or 2: nobody waits for the answer to QoS 0.
#[derive(Debug)]
struct Pending {
    packet_id: PacketId,
    qos: QoS,
    answer: Option<Answer>,
}

impl Publishing {
    pub fn resume(state: SenderState) -> Option<Box<Publishing>> {
        if state.ring.is_empty() && state.unreleased.is_empty() {
            return None;
        }
        Some(Box::new(Publishing {
            stale: state.ring.into(),
            unreleased: state.unreleased,
            has_ring: true,
            ..Default::default()
        }))
    }

    pub fn has_room(&self, max: usize) -> bool {
        self.pending.len() < max
    }

    pub fn shrink(&mut self) {
        self.last = None;
        self.pending.shrink_to_fit();
        self.unreleased.shrink_to_fit();
    }

    /// QoS 1 not answered and QoS 2 not released.
    fn in_flight(&self) -> usize {
        let unanswered = self.pending.iter().filter(|pending| pending.qos == QoS::AtLeastOnce);
        unanswered.count() + self.unreleased.len()
    }

    fn holds(&self, packet_id: u16) -> bool {
        self.unreleased.iter().any(|(id, _)| *id == packet_id)
    }

    fn is_pending(&self, packet_id: PacketId) -> bool {
        self.pending.iter().any(|pending| pending.packet_id == packet_id)
    }

    /// The first use of a packet id settles whether it was a resend; afterwards it is new.
    fn is_resend(&mut self, packet_id: u16, publish: &Publish<'_>) -> bool {
        let place = self.stale.iter().position(|stale| stale.packet_id == packet_id);
        let stale = place.map(|place| self.stale.swap_remove(place));
        stale.is_some_and(|stale| publish.dup && stale.hash == publish_hash(publish))
    }

    fn push(&mut self, packet_id: PacketId, qos: QoS, answer: Option<Answer>) -> u64 {
        self.pending.push_back(Pending { packet_id, qos, answer });
        self.first + self.pending.len() as u64 - 1
    }
}

impl Session {
    pub(super) fn publish(&mut self, publish: &Publish<'_>, ctx: &mut Ctx<'_>) {
        ctx.tally.received[publish.qos as usize] += 1;
        ctx.tally.traffic.payload_received += publish.payload.len() as u64;
        self.settle_stir(ctx);
        if publish.properties.subscription_id().is_some() {
            let words = "a subscription identifier, which only a server may send [MQTT-3.3.4-6]";
            return self.end(Reason::ProtocolError, words.into(), ctx);
        }
        match publish.properties.topic_alias() {
            Some(alias) => self.publish_by_alias(publish, alias, ctx),
            None => self.publish_to(publish, ctx),
        }
    }

    /// A PUBLISH whose topic is known.
    pub(super) fn publish_to(&mut self, publish: &Publish<'_>, ctx: &mut Ctx<'_>) {
        let known = publish.packet_id.and_then(|id| self.known_publish(id, publish));
        match known {
            Some(Known::Running) if publish.dup => {}
            Some(Known::Running) => {
                let words = "the packet identifier of a publish that is not answered yet";
                self.end(Reason::ProtocolError, words.into(), ctx);
            }
            Some(Known::Answer) => self.queue_answer(publish, Answer::Duplicate, ctx),
            None => self.submit(publish, ctx),
        }
    }

    fn known_publish(&mut self, id: PacketId, publish: &Publish<'_>) -> Option<Known> {
        let publishing = self.publishing.as_mut()?;
        if publishing.is_pending(id) {
            return Some(Known::Running);
        }
        let held = publish.qos == mqtt::QoS::ExactlyOnce && publishing.holds(id.get());
        let resend = publishing.is_resend(id.get(), publish);
        (held || resend).then_some(Known::Answer)
    }

    fn submit(&mut self, publish: &Publish<'_>, ctx: &mut Ctx<'_>) {
        let max = match self.version {
            mqtt::Version::V5 => usize::from(self.promised.receive_maximum),
            _ => UNRELEASED_COUNT_MAX,
        };
        if publish.packet_id.is_some()
            && self.publishing.as_ref().is_some_and(|publishing| publishing.in_flight() >= max)
        {
            let words = format!("{max} messages are in flight already [MQTT-3.3.4-9]");
            return self.end(Reason::ReceiveMaximum, words.into(), ctx);
        }
        let Destination { topic, target, timing } = match self.destination(publish, ctx) {
            Ok(destination) => destination,
            Err((reason, words)) => {
                return self.queue_answer(publish, Answer::Refused(reason, words), ctx);
            }
        };
        if !is_payload_as_announced(publish.properties, publish.payload) {
            let reason = Reason::PayloadInvalid;
            let words = "it is announced as UTF-8 text and is none [MQTT-3.3.2-4]";
            return self.queue_answer(publish, Answer::Refused(reason, words.into()), ctx);
        }
        let dedupe = match self.dedupe_key(publish) {
            Ok(dedupe) => dedupe,
            Err(words) => {
                let answer = Answer::Refused(Reason::QuotaExceeded, words.into());
                return self.queue_answer(publish, answer, ctx);
            }
        };
        let message = Arc::new(self.message(publish, topic, &target, ctx));
        let step = self.step(publish, message.id);
        let ticket = publish.packet_id.map(|packet_id| {
            let publishing = self.publishing.get_or_insert_default();
            if publish.qos == mqtt::QoS::ExactlyOnce {
                publishing.unreleased.push((packet_id.get(), message.id));
            }
            publishing.has_ring |= step.is_some();
            Ticket::Publish(publishing.push(packet_id, model_qos(publish.qos), None))
        });
        let submission = Submission { target, message, dedupe, timing };
        ctx.ask(Request::Submit { ticket, submission, step });
    }

    /// Clients publish to one topic again and again: what it means is read once. That does not
    /// change while the process lives; who may do what is asked for each message.
    fn destination(
        &mut self,
        publish: &Publish<'_>,
        ctx: &Ctx<'_>,
    ) -> Result<Destination, (Reason, Box<str>)> {
        let last = self.publishing.as_ref().and_then(|publishing| publishing.last.as_ref());
        if let Some(last) = last.filter(|last| *last.topic == *publish.topic) {
            return Ok(last.clone());
        }
        let destination = destination(publish, ctx)?;
        if destination.timing == Timing::Now && publish.topic.len() <= LAST_TOPIC_BYTES_MAX {
            let publishing = self.publishing.get_or_insert_default();
            publishing.last = Some(destination.clone());
        }
        Ok(destination)
    }

    /// The publisher's own id counts per topic: the same id to somebody else is another message;
    /// and of clients without a login, which share one uid, per client. One that is too long is
    /// refused: cut, two of them could become one.
    fn dedupe_key(&self, publish: &Publish<'_>) -> Result<Option<DedupeKey>, String> {
        let Some(key) = publish.properties.user_property(MESSAGE_ID) else { return Ok(None) };
        if key.len() > DEDUPE_KEY_BYTES_MAX {
            return Err(format!("a {MESSAGE_ID} has at most {DEDUPE_KEY_BYTES_MAX} bytes"));
        }
        let seed = match self.key.uid.is_anonymous() {
            true => xxhash_rust::xxh3::xxh3_64(self.key.client_id.as_str().as_bytes()),
            false => 0,
        };
        let place = xxhash_rust::xxh3::xxh3_128_with_seed(publish.topic.as_bytes(), seed);
        Ok((!key.is_empty()).then(|| DedupeKey(format!("{place:032x} {key}").into())))
    }

    fn message(
        &self,
        publish: &Publish<'_>,
        topic: Arc<str>,
        target: &Target,
        ctx: &mut Ctx<'_>,
    ) -> Message {
        let expiry = publish.properties.message_expiry_secs();
        Message {
            id: ctx.ids.next(ctx.stamp),
            from: self.sender(),
            kind: Kind::Chat,
            ts: ctx.stamp,
            expires_at: expiry.map(|s| ctx.stamp.after(std::time::Duration::from_secs(s.into()))),
            topic,
            retain: publish.retain,
            qos: model_qos(publish.qos),
            body: Bytes::copy_from_slice(publish.payload),
            attributes: attributes(publish.properties, target),
        }
    }

    pub(super) fn sender(&self) -> Sender {
        Sender { uid: self.key.uid.clone(), client_id: self.key.client_id.clone() }
    }

    /// A connection that can't come back leaves no steps.
    fn step(&self, publish: &Publish<'_>, id: MessageId) -> Option<Step> {
        let packet_id = publish.packet_id.filter(|_| self.can_return())?.get();
        let (hold, hash) = (publish.qos == mqtt::QoS::ExactlyOnce, publish_hash(publish));
        Some(Step::Publish { publish: Published { packet_id, hash, id }, hold })
    }

    fn queue_answer(&mut self, publish: &Publish<'_>, answer: Answer, ctx: &mut Ctx<'_>) {
        let qos = model_qos(publish.qos);
        match publish.packet_id {
            Some(packet_id) => {
                let publishing = self.publishing.get_or_insert_default();
                publishing.push(packet_id, qos, Some(answer));
                self.write_answers(ctx);
            }
            None => drop_refused(answer, ctx),
        }
    }

    pub(super) fn publish_answered(&mut self, number: u64, answer: Answer, ctx: &mut Ctx<'_>) {
        self.settle_stir(ctx);
        let pending = self.publishing.as_mut().and_then(|publishing| {
            let index = number.wrapping_sub(publishing.first) as usize;
            publishing.pending.get_mut(index)
        });
        match pending {
            Some(pending) => {
                pending.answer = Some(answer);
                self.write_answers(ctx);
            }
            None => drop_refused(answer, ctx),
        }
    }

    /// Acknowledgements leave in publish order: an answer waits for those before it.
    fn write_answers(&mut self, ctx: &mut Ctx<'_>) {
        while self.phase == Phase::Active
            && let Some(publishing) = &mut self.publishing
            && publishing.pending.front().is_some_and(|pending| pending.answer.is_some())
            && let Some(Pending { packet_id, qos, answer: Some(answer) }) =
                publishing.pending.pop_front()
        {
            publishing.first += 1;
            match answer {
                Answer::Refused(reason, words) => self.refuse(packet_id, qos, reason, words, ctx),
                _ => self.write_ack(packet_id, qos, 0, "", ctx),
            }
        }
    }

    /// Ruling 7: MQTT 5 by reason code; 3.1.1 closes, for an acknowledgement would lie.
    fn refuse(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        reason: Reason,
        words: Box<str>,
        ctx: &mut Ctx<'_>,
    ) {
        ctx.tally.refused.push(reason);
        if let Some(publishing) = &mut self.publishing {
            publishing.unreleased.retain(|(id, _)| *id != packet_id.get());
        }
        match self.version {
            mqtt::Version::V5 => self.write_ack(packet_id, qos, in_puback(reason), &words, ctx),
            _ => self.end(reason, words, ctx),
        }
    }

    /// PUBACK or PUBREC.
    fn write_ack(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        reason: u8,
        words: &str,
        ctx: &mut Ctx<'_>,
    ) {
        self.reason_string(words, ctx);
        let ack = Ack { packet_id, reason, properties: ctx.properties.as_properties() };
        let packet = match qos {
            QoS::ExactlyOnce => Packet::PubRec(ack),
            _ => Packet::PubAck(ack),
        };
        ctx.wire.write(&packet, self.version);
    }

    /// PUBREL: the id is free once that is committed (ruling 2); only then PUBCOMP.
    pub(super) fn pubrel(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        self.settle_stir(ctx);
        let packet_id = ack.packet_id.get();
        let held = self.publishing.as_ref().is_some_and(|publishing| publishing.holds(packet_id));
        match (held, self.can_return()) {
            (true, true) => ctx.ask(Request::Step {
                ticket: Some(Ticket::Release(packet_id)),
                step: Step::Release { packet_id },
            }),
            (true, false) => self.released(packet_id, Answer::Done, ctx),
            (false, _) => {
                self.write_pubcomp(ack.packet_id, mqtt::reason::PACKET_IDENTIFIER_NOT_FOUND, ctx)
            }
        }
    }

    pub(super) fn released(&mut self, packet_id: u16, answer: Answer, ctx: &mut Ctx<'_>) {
        if let Answer::Refused(reason, words) = answer {
            return self.end(reason, words, ctx);
        }
        if let Some(publishing) = &mut self.publishing {
            publishing.unreleased.retain(|(id, _)| *id != packet_id);
        }
        if let Some(packet_id) = PacketId::new(packet_id) {
            self.write_pubcomp(packet_id, 0, ctx);
        }
    }

    fn write_pubcomp(&mut self, packet_id: PacketId, reason: u8, ctx: &mut Ctx<'_>) {
        let ack = Ack { packet_id, reason, properties: Default::default() };
        ctx.wire.write(&Packet::PubComp(ack), self.version);
    }
}

/// A publish that is not new.
enum Known {
    /// Its answer is on the way.
    Running,
    /// It is stored: answer again.
    Answer,
}

/// A payload that its sender announced as text is UTF-8 (MQTT 5, section 3.3.2.3.2).
pub fn is_payload_as_announced(properties: Properties<'_>, payload: &[u8]) -> bool {
    !properties.payload_is_text() || std::str::from_utf8(payload).is_ok()
}

/// Ruling 7: a refused publish with QoS 0 is dropped and counted.
fn drop_refused(answer: Answer, ctx: &mut Ctx<'_>) {
    if let Answer::Refused(reason, _) = answer {
        ctx.tally.dropped.push(reason);
    }
}

fn publish_hash(publish: &Publish<'_>) -> u64 {
    let seed = xxhash_rust::xxh3::xxh3_64(publish.topic.as_bytes());
    xxhash_rust::xxh3::xxh3_64_with_seed(publish.payload, seed)
}

pub fn wire_qos(qos: QoS) -> mqtt::QoS {
    match qos {
        QoS::AtMostOnce => mqtt::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqtt::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqtt::QoS::ExactlyOnce,
    }
}

pub fn model_qos(qos: mqtt::QoS) -> QoS {
    match qos {
        mqtt::QoS::AtMostOnce => QoS::AtMostOnce,
        mqtt::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqtt::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

//! The client's answers to what was delivered: PUBACK, PUBREC, PUBCOMP.

use crate::model::{Reason, Seq, Step};
use crate::mqtt::{Ack, reason};

use super::reader::WrongAnswer;
use super::{Answer, Ctx, LogName, Reader, Request, Session, Ticket};

type Moved = Result<bool, WrongAnswer>;

impl Session {
    pub(super) fn puback(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        self.answered(ack.packet_id.get(), Reader::acknowledged, ctx);
    }

    /// The client has a QoS 2 message. That is committed before PUBREL goes out: otherwise a crash
    /// could send the message again under an id that the client has already forgotten.
    pub(super) fn pubrec(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        let packet_id = ack.packet_id.get();
        if reason::is_failure(ack.reason) {
            return self.answered(packet_id, Reader::refused, ctx);
        }
        let Some((log, seq)) = self.seq_of(packet_id) else {
            let known = self.live.as_ref().is_some_and(|live| live.received(packet_id));
            let code = if known { 0 } else { reason::PACKET_IDENTIFIER_NOT_FOUND };
            return self.write_pubrel(packet_id, code, ctx);
        };
        match self.reader(log).map(|reader| reader.received(seq)) {
            Some(Ok(true)) => {
                let ticket = Some(Ticket::Receive(seq));
                ctx.ask(Request::Step { ticket, step: Step::Received { seq } });
            }
            Some(Err(WrongAnswer)) => self.wrong_answer(packet_id, ctx),
            _ => {}
        }
    }

    pub(super) fn received(&mut self, seq: Seq, answer: Answer, ctx: &mut Ctx<'_>) {
        match answer {
            Answer::Refused(reason, words) => self.end(reason, words, ctx),
            _ => self.write_pubrel(LogName::Queue.packet_id(seq), 0, ctx),
        }
    }

    pub(super) fn pubcomp(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        self.answered(ack.packet_id.get(), Reader::completed, ctx);
    }

    /// An unknown id is not worth a connection: it may be of a session that a clean start ended.
    fn answered(
        &mut self,
        packet_id: u16,
        settle: fn(&mut Reader, Seq) -> Moved,
        ctx: &mut Ctx<'_>,
    ) {
        match self.seq_of(packet_id) {
            Some((log, seq)) => match self.reader(log).map(|reader| settle(reader, seq)) {
                Some(Ok(true)) => self.ask_advance(log, ctx),
                Some(Err(WrongAnswer)) => return self.wrong_answer(packet_id, ctx),
                _ => {}
            },
            None => {
                if let Some(live) = &mut self.live {
                    live.done(packet_id);
                }
            }
        }
        self.deliver(ctx);
    }

    /// Taking it would mix up which messages the client has (MQTT 5, section 4.3).
    fn wrong_answer(&mut self, packet_id: u16, ctx: &mut Ctx<'_>) {
        let words = format!("the answer to message {packet_id} does not belong to its QoS");
        self.end(Reason::ProtocolError, words.into(), ctx);
    }
}

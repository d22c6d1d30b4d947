//! The client's answers to what was delivered: PUBACK, PUBREC, PUBCOMP.

use crate::model::{Reason, Seq, Step};
use crate::mqtt::{Ack, reason};

use super::live::How;
use super::reader::WrongAnswer;
use super::{Answer, Ctx, LogName, Reader, Request, Session, Ticket};

/// True if the cursor has moved.
fn settle(reader: &mut Reader, seq: Seq, how: How) -> Result<bool, WrongAnswer> {
    match how {
        How::PubAck => reader.acknowledged(seq),
        How::PubComp => reader.completed(seq),
        How::Refused => reader.refused(seq),
    }
}

impl Session {
    pub(super) fn puback(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        self.answered(ack.packet_id.get(), How::PubAck, ctx);
    }

    /// The client has a QoS 2 message. That is committed before PUBREL goes out: otherwise a crash
    /// could send the message again under an id that the client has already forgotten.
    pub(super) fn pubrec(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        let packet_id = ack.packet_id.get();
        if reason::is_failure(ack.reason) {
            return self.answered(packet_id, How::Refused, ctx);
        }
        let Some((log, seq)) = self.seq_of(packet_id) else {
            return match self.live.as_mut().map_or(Ok(false), |live| live.received(packet_id)) {
                Ok(true) => self.write_pubrel(packet_id, 0, ctx),
                Ok(false) => {
                    self.write_pubrel(packet_id, reason::PACKET_IDENTIFIER_NOT_FOUND, ctx);
                }
                Err(WrongAnswer) => self.wrong_answer(packet_id, ctx),
            };
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
        self.answered(ack.packet_id.get(), How::PubComp, ctx);
    }

    /// An unknown id is not worth a connection: it may be of a session that a clean start ended.
    fn answered(&mut self, packet_id: u16, how: How, ctx: &mut Ctx<'_>) {
        let moved = match self.seq_of(packet_id) {
            Some((log, seq)) => {
                let moved = self.reader(log).map_or(Ok(false), |reader| settle(reader, seq, how));
                moved.map(|moved| moved.then_some(log))
            }
            None => {
                let live = self.live.as_mut();
                live.map_or(Ok(()), |live| live.answered(packet_id, how)).map(|()| None)
            }
        };
        match moved {
            Err(WrongAnswer) => return self.wrong_answer(packet_id, ctx),
            Ok(Some(log)) => self.ask_advance(log, ctx),
            Ok(None) => {}
        }
        self.deliver(ctx);
    }

    /// Taking it would mix up which messages the client has (MQTT 5, section 4.3).
    fn wrong_answer(&mut self, packet_id: u16, ctx: &mut Ctx<'_>) {
        let words = format!("the answer to message {packet_id} does not belong to its QoS");
        self.end(Reason::ProtocolError, words.into(), ctx);
    }
}

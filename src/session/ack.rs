//! The client's answers to what was delivered: PUBACK, PUBREC, PUBCOMP.

use crate::model::{Seq, Step};
use crate::mqtt::Ack;

use super::{Answer, Ctx, LogName, Request, Session, Ticket};

/// PUBREC codes from here on say that the client refused (MQTT 5, section 3.5.2.1).
const REFUSED: u8 = 0x80;

impl Session {
    pub(super) fn puback(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        self.acknowledged(ack.packet_id.get(), ctx);
    }

    /// The client has a QoS 2 message. That is committed before PUBREL goes out: otherwise a crash
    /// could send the message again under an id that the client has already forgotten.
    pub(super) fn pubrec(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        let packet_id = ack.packet_id.get();
        if ack.reason >= REFUSED {
            return self.acknowledged(packet_id, ctx);
        }
        match self.seq_of(packet_id) {
            Some((log, seq)) => {
                if self.reader(log).is_some_and(|reader| reader.received(seq)) {
                    let ticket = Some(Ticket::Receive(seq));
                    ctx.ask(Request::Step { ticket, step: Step::Received { seq } });
                }
            }
            None => {
                if let Some(live) = &mut self.live {
                    live.received(packet_id);
                }
                self.write_pubrel(packet_id, ctx);
            }
        }
    }

    pub(super) fn received(&mut self, seq: Seq, answer: Answer, ctx: &mut Ctx<'_>) {
        match answer {
            Answer::Refused(reason, words) => self.end(reason, words, ctx),
            _ => self.write_pubrel(LogName::Queue.packet_id(seq), ctx),
        }
    }

    pub(super) fn pubcomp(&mut self, ack: Ack<'_>, ctx: &mut Ctx<'_>) {
        let packet_id = ack.packet_id.get();
        if let Some((_, seq)) = self.seq_of(packet_id) {
            ctx.ask(Request::Step { ticket: None, step: Step::Completed { seq } });
        }
        self.acknowledged(packet_id, ctx);
    }

    /// An unknown id is not worth a connection: it may be of a session that a clean start ended.
    fn acknowledged(&mut self, packet_id: u16, ctx: &mut Ctx<'_>) {
        match self.seq_of(packet_id) {
            Some((log, seq)) => {
                if self.reader(log).is_some_and(|reader| reader.done(seq)) {
                    self.ask_advance(log, ctx);
                }
            }
            None => {
                if let Some(live) = &mut self.live {
                    live.done(packet_id);
                }
            }
        }
        self.deliver(ctx);
    }
}

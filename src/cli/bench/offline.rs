//! Mail for devices that are away, and then all of them come back.

use super::engine::{Engine, Scenario, Step};
use super::gather::{Gather, acknowledge};
use super::measure::Arrivals;
use super::report::grouped;
use super::sender::Sender;
use super::wires::Wires;
use crate::cli::exit::{Failure, TIMEOUT};
use crate::mqtt::{Ack, ConnAck, Packet};

/// One connection publishes to everybody who is away.
pub struct Fill {
    pub senders: Vec<Sender>,
    pub messages_each: u64,
    pub window: u64,
    pub payload: Vec<u8>,
    sent: u64,
    acked: u64,
}

impl Fill {
    pub fn new(
        senders: Vec<Sender>,
        messages_each: u64,
        window: u64,
        payload_bytes: usize,
    ) -> Fill {
        let payload = vec![b'.'; payload_bytes];
        Fill { senders, messages_each, window, payload, sent: 0, acked: 0 }
    }

    fn total(&self) -> u64 {
        self.senders.len() as u64 * self.messages_each
    }
}

impl Scenario for Fill {
    fn welcome(&mut self, _: usize, _: &ConnAck<'_>, _: u64, _: &mut Wires) {}

    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        _at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        // One connection, one order of packet ids: whose message is acknowledged does not matter.
        if let Some(first) = self.senders.first_mut()
            && first.answer(packet, wires)?
        {
            self.acked += 1;
        }
        if let Packet::Publish(publish) = packet {
            acknowledge(id, publish, wires);
        }
        Ok(())
    }

    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure> {
        let devices = self.senders.len() as u64;
        while self.sent < self.total() && self.sent - self.acked < self.window {
            let device = (self.sent % devices) as usize;
            self.senders[device].send_as(self.sent, at, &mut self.payload, &mut engine.wires);
            self.sent += 1;
        }
        Ok(if self.acked >= self.total() { Step::Done } else { Step::Wait })
    }

    fn moved(&self) -> u64 {
        self.acked
    }

    fn stalled(&mut self) -> Result<(), Failure> {
        let (acked, total) = (self.acked, self.total());
        let words = format!("the broker acknowledged {acked} of {total} messages, then no more");
        Err(Failure::new(TIMEOUT, words))
    }

    fn progress(&self) -> String {
        format!("stored {} of {}", grouped(self.acked), grouped(self.total()))
    }
}

/// All devices come back and get their mail.
pub struct Return<'a> {
    pub gather: Gather<'a>,
    pub arrivals: Arrivals,
    pub expected: u64,
}

impl Scenario for Return<'_> {
    fn welcome(&mut self, id: usize, connack: &ConnAck<'_>, at: u64, wires: &mut Wires) {
        self.gather.welcome(id, connack, at, wires);
    }

    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        match packet {
            Packet::Publish(publish) => {
                self.arrivals.take((id, id as u32), publish, at, (id, wires));
                Ok(())
            }
            Packet::PubRel(ack) => {
                wires.send(id, &Packet::PubComp(Ack::ok(ack.packet_id)));
                Ok(())
            }
            other => self.gather.packet(id, other, at, wires),
        }
    }

    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure> {
        match self.gather.pass(engine, at)? {
            Step::Done if self.arrivals.delivered < self.expected => Ok(Step::Wait),
            step => Ok(step),
        }
    }

    fn moved(&self) -> u64 {
        self.gather.moved() + self.arrivals.delivered
    }

    /// What is missing is counted as lost.
    fn stalled(&mut self) -> Result<(), Failure> {
        if self.gather.all_ready() { Ok(()) } else { self.gather.stalled() }
    }

    fn progress(&self) -> String {
        let (came, all) = (grouped(self.arrivals.delivered), grouped(self.expected));
        format!("{}, delivered {came} of {all}", self.gather.progress())
    }
}

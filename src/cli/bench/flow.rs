//! Messages from publishers to receivers, closed loop by windows or open loop at a rate: what
//! `pairs` and `fanout` have in common.

use super::engine::{Engine, Scenario, Step};
use super::gather::acknowledge;
use super::measure::{Arrivals, Measure, verdict};
use super::pace::Pace;
use super::report::{Report, grouped};
use super::sender::Sender;
use super::wires::Wires;
use crate::cli::exit::Failure;
use crate::mqtt::{Ack, ConnAck, Packet, QoS};

/// Which publisher each receiver hears. Receivers are the connections from 0 on, publishers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Receiver n hears publisher n.
    Pairs,
    /// All receivers hear the one publisher.
    Fanout,
}

impl Shape {
    fn publisher_of(self, receiver: usize) -> usize {
        match self {
            Shape::Pairs => receiver,
            Shape::Fanout => 0,
        }
    }
}

pub struct Flow {
    pub shape: Shape,
    pub receivers: usize,
    pub senders: Vec<Sender>,
    pub arrivals: Arrivals,
    pub pace: Pace,
    /// Messages of a publisher that are not delivered or not acknowledged yet.
    pub window: u64,
    /// Room for one payload.
    pub payload: Vec<u8>,
    pub pid: Option<u32>,
    start: Option<u64>,
    measure: Option<Measure>,
    /// Publishers whose window may have got room.
    wakened: Vec<usize>,
    sent: u64,
}

impl Flow {
    pub fn new(
        shape: Shape,
        receivers: usize,
        senders: Vec<Sender>,
        run: u64,
        (pace, window): (Pace, u64),
        (payload_bytes, pid): (usize, Option<u32>),
    ) -> Flow {
        Flow {
            shape,
            receivers,
            wakened: (0..senders.len()).collect(),
            senders,
            arrivals: Arrivals::new(run, receivers),
            pace,
            window,
            payload: vec![b'.'; payload_bytes],
            pid,
            start: None,
            measure: None,
            sent: 0,
        }
    }

    /// Messages of this publisher that are under way.
    fn under_way(&self, publisher: usize) -> u64 {
        let Sender { sent, acked, .. } = self.senders[publisher];
        let delivered = match self.shape {
            Shape::Pairs => self.arrivals.of(publisher),
            Shape::Fanout => self.arrivals.delivered / self.receivers as u64,
        };
        sent - acked.min(delivered)
    }

    fn send(&mut self, publisher: usize, stamp: u64, wires: &mut Wires) {
        self.senders[publisher].send(stamp, &mut self.payload, wires);
        self.sent += 1;
    }

    /// Fills the windows that got room.
    fn send_by_window(&mut self, at: u64, since: u64, wires: &mut Wires) {
        while let Some(publisher) = self.wakened.pop() {
            let room = self.window.saturating_sub(self.under_way(publisher));
            for _ in 0..room {
                if self.pace.enough(since, self.sent) {
                    return;
                }
                self.send(publisher, at, wires);
            }
        }
    }

    /// Sends what is due. The stamp is when it was due, so that a broker that makes the generator
    /// wait does not look fast. When the next is due, unless windows are full.
    fn send_by_rate(&mut self, start: u64, since: u64, wires: &mut Wires) -> Option<u64> {
        loop {
            let due = self.pace.due(self.sent);
            if due > since || self.pace.enough(since, self.sent) {
                return Some(start + due);
            }
            let publisher = (self.sent % self.senders.len() as u64) as usize;
            if self.under_way(publisher) >= self.window {
                return None;
            }
            self.send(publisher, start + due, wires);
        }
    }

    fn finished(&self, since: u64) -> bool {
        let copies = match self.shape {
            Shape::Pairs => 1,
            Shape::Fanout => self.receivers as u64,
        };
        self.pace.enough(since, self.sent)
            && self.arrivals.delivered >= self.sent * copies
            && self.senders.iter().all(|sender| sender.acked == sender.sent)
    }

    /// Writes the result; then the judgement on it.
    ///
    /// # Errors
    /// Of the first: the broker is gone. Of the second: what the broker broke.
    pub fn report(&self, report: &mut Report, qos: QoS) -> Result<Result<(), Failure>, Failure> {
        let sent = |receiver: usize| self.senders[self.shape.publisher_of(receiver)].sent;
        let faults = self.arrivals.faults(sent);
        report.count("sent", self.sent);
        if let Some(measure) = &self.measure {
            measure.report(&self.arrivals, faults, report)?;
        }
        Ok(verdict(faults, self.arrivals.strays(), qos))
    }
}

impl Scenario for Flow {
    fn welcome(&mut self, _: usize, _: &ConnAck<'_>, _: u64, _: &mut Wires) {}

    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        match packet {
            Packet::Publish(publish) if id < self.receivers => {
                let publisher = self.shape.publisher_of(id);
                self.arrivals.take((id, publisher as u32), publish, at, (id, wires));
                self.wakened.push(publisher);
            }
            Packet::Publish(publish) => acknowledge(id, publish, wires),
            Packet::PubRel(ack) => wires.send(id, &Packet::PubComp(Ack::ok(ack.packet_id))),
            packet if id >= self.receivers => {
                let publisher = id - self.receivers;
                if self.senders[publisher].answer(packet, wires)? {
                    self.wakened.push(publisher);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure> {
        let start = *self.start.get_or_insert(at);
        let since = at - start;
        if self.measure.is_none() && self.pace.counts(since) {
            self.measure = Some(Measure::begin(self.pid, at)?);
            self.arrivals.begin();
        }
        if self.finished(since) {
            return Ok(Step::Done);
        }
        if self.pace.rate.is_none() {
            self.send_by_window(at, since, &mut engine.wires);
            return Ok(Step::Wait);
        }
        let next = self.send_by_rate(start, since, &mut engine.wires);
        self.wakened.clear();
        Ok(next.filter(|_| !self.pace.enough(since, self.sent)).map_or(Step::Wait, Step::Until))
    }

    fn moved(&self) -> u64 {
        self.sent + self.arrivals.delivered
    }

    /// What is missing is counted as lost.
    fn stalled(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn progress(&self) -> String {
        let (sent, delivered) = (grouped(self.sent), grouped(self.arrivals.delivered));
        let phase = if self.measure.is_some() { "" } else { "warming up, " };
        format!("{phase}sent {sent}, delivered {delivered}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Version;
    use std::time::Duration;

    fn flow(window: u64, pace: Pace) -> (Flow, Wires) {
        let sender = |n: usize| Sender {
            id: 2 + n,
            topics: vec!["t".into()],
            qos: QoS::AtLeastOnce,
            run: 1,
            publisher: n as u32,
            sent: 0,
            acked: 0,
        };
        let mut wires = Wires::new(Version::V311);
        (0..4).for_each(|_| wires.add());
        let senders = (0..2).map(sender).collect();
        (Flow::new(Shape::Pairs, 2, senders, 1, (pace, window), (40, None)), wires)
    }

    const PACE: Pace =
        Pace { count: Some(100), duration: Duration::ZERO, warmup: Duration::ZERO, rate: None };

    #[test]
    fn a_window_bounds_what_is_under_way() {
        let (mut flow, mut wires) = flow(3, PACE);
        flow.send_by_window(0, 0, &mut wires);
        assert_eq!((flow.sent, flow.under_way(0), flow.under_way(1)), (6, 3, 3));
        flow.wakened.push(0);
        flow.send_by_window(0, 0, &mut wires);
        assert_eq!(flow.sent, 6, "neither delivered nor acknowledged");
        flow.senders[0].acked = 2;
        flow.wakened.push(0);
        flow.send_by_window(0, 0, &mut wires);
        assert_eq!(flow.sent, 6, "acknowledged, but not delivered");
    }

    #[test]
    fn a_rate_sends_what_is_due_and_no_more() {
        let (mut flow, mut wires) = flow(50, Pace { rate: Some(10), ..PACE });
        assert_eq!(flow.send_by_rate(7, 0, &mut wires), Some(100_000_007));
        assert_eq!(flow.sent, 1);
        assert_eq!(flow.send_by_rate(7, 1_050_000_000, &mut wires), Some(1_100_000_007));
        assert_eq!((flow.sent, flow.senders[0].sent, flow.senders[1].sent), (11, 6, 5));
        flow.window = 5;
        assert_eq!(flow.send_by_rate(7, 2_000_000_000, &mut wires), None, "windows are full");
    }

    #[test]
    fn the_count_ends_it() {
        let (mut flow, mut wires) = flow(50, Pace { count: Some(4), ..PACE });
        flow.send_by_window(0, 0, &mut wires);
        assert_eq!(flow.sent, 4);
        assert!(!flow.finished(0));
    }
}

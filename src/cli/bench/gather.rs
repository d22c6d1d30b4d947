//! Connects all clients, at a rate if one is wanted, and lets each say what it came for.

use super::engine::{Engine, Scenario, Step};
use super::histogram::Histogram;
use super::visitor::{Connecting, Visitor};
use super::wires::Wires;
use crate::cli::exit::{Failure, REFUSED, TIMEOUT};
use crate::mqtt::{
    Ack, ConnAck, FilterBuffer, Packet, PacketId, Properties, Publish, QoS, Subscribe,
    SubscribeOptions, reason,
};

/// Connections that are on their way at a time: a listener's queue is short.
const UNDER_WAY_MAX: usize = 64;

/// Brokers bound what one packet may ask for.
const FILTERS_PER_PACKET_COUNT: usize = 200;

/// What a client does when it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Nothing: it publishes, or it is just there.
    None,
    /// Subscribes to filters.
    Subscribe(Vec<String>, QoS),
    /// Pings, and its mail comes by itself.
    Mail,
}

/// A client and its errand.
#[derive(Clone, Debug)]
pub struct Guest {
    pub visitor: Visitor,
    pub errand: Errand,
}

/// Connects guests; the id of each connection is its place in the list.
pub struct Gather<'a> {
    connecting: &'a Connecting,
    guests: Vec<Guest>,
    /// Connections per second; 0 is as fast as it goes.
    rate: u64,
    begun: Option<u64>,
    opened_at: Vec<u64>,
    welcomed: usize,
    /// SUBACKs that came to each.
    subacks: Vec<usize>,
    ready: usize,
    /// From the first packet of TCP to CONNACK, in nanoseconds.
    pub latency: Histogram,
    /// From the first connection to the last errand, in nanoseconds.
    pub took: u64,
}

impl<'a> Gather<'a> {
    pub fn new(connecting: &'a Connecting, guests: Vec<Guest>, rate: u64) -> Gather<'a> {
        Gather {
            connecting,
            guests,
            rate,
            begun: None,
            opened_at: Vec::new(),
            welcomed: 0,
            subacks: Vec::new(),
            ready: 0,
            latency: Histogram::default(),
            took: 0,
        }
    }

    pub fn all_ready(&self) -> bool {
        self.ready == self.guests.len()
    }

    /// When the next may come; `None` if all did.
    fn next_due(&self, begun: u64) -> Option<u64> {
        let opened = self.opened_at.len();
        (opened < self.guests.len()).then(|| match self.rate {
            0 => begun,
            rate => begun + (opened as u64 * 1_000_000_000) / rate,
        })
    }
}

impl Scenario for Gather<'_> {
    fn welcome(&mut self, id: usize, _: &ConnAck<'_>, at: u64, wires: &mut Wires) {
        self.welcomed += 1;
        self.latency.add(at.saturating_sub(self.opened_at[id]));
        match &self.guests[id].errand {
            Errand::None => self.ready += 1,
            Errand::Mail => wires.send(id, &Packet::PingReq),
            Errand::Subscribe(filters, qos) => subscribe(id, filters, *qos, wires),
        }
    }

    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        _at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        match (packet, &self.guests[id].errand) {
            (Packet::PingResp, Errand::Mail) => self.ready += 1,
            (Packet::SubAck(suback), Errand::Subscribe(filters, _)) => {
                let asked = filters.chunks(FILTERS_PER_PACKET_COUNT);
                let which = usize::from(suback.packet_id.get()) - 1;
                self.subacks[id] += 1;
                self.ready += usize::from(self.subacks[id] == asked.len());
                granted(suback.codes, asked.clone().nth(which).unwrap_or_default())?;
            }
            (Packet::Publish(publish), _) => acknowledge(id, publish, wires),
            (Packet::PubRel(ack), _) => wires.send(id, &Packet::PubComp(Ack::ok(ack.packet_id))),
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure> {
        let begun = *self.begun.get_or_insert(at);
        self.took = at - begun;
        if self.all_ready() {
            return Ok(Step::Done);
        }
        while let Some(due) = self.next_due(begun) {
            let opened = self.opened_at.len();
            if due > at {
                return Ok(Step::Until(due));
            }
            if opened - self.welcomed >= UNDER_WAY_MAX {
                break;
            }
            engine.open(&self.guests[opened].visitor, self.connecting)?;
            self.opened_at.push(at);
            self.subacks.push(0);
        }
        Ok(Step::Wait)
    }

    fn moved(&self) -> u64 {
        (self.opened_at.len() + self.welcomed + self.ready) as u64
    }

    fn stalled(&mut self) -> Result<(), Failure> {
        let words = format!(
            "{} of {} clients are connected and the broker says nothing more",
            self.ready,
            self.guests.len()
        );
        Err(Failure::new(TIMEOUT, words))
    }

    fn progress(&self) -> String {
        format!("connected: {} of {}", self.ready, self.guests.len())
    }
}

fn subscribe(id: usize, topics: &[String], qos: QoS, wires: &mut Wires) {
    for (packet_id, topics) in (1..).zip(topics.chunks(FILTERS_PER_PACKET_COUNT)) {
        let mut filters = FilterBuffer::new();
        // The command line was checked, so that each is one.
        let pushed = |topic: &String| filters.push(topic, SubscribeOptions::plain(qos)).is_ok();
        if let (true, Some(packet_id)) = (topics.iter().all(pushed), PacketId::new(packet_id)) {
            let (properties, filters) = (Properties::default(), filters.as_filters());
            wires.send(id, &Packet::Subscribe(Subscribe { packet_id, properties, filters }));
        }
    }
}

/// # Errors
/// The first filter that the broker refuses.
fn granted(codes: &[u8], filters: &[String]) -> Result<(), Failure> {
    let mut answers = codes.iter().zip(filters);
    let refused = answers.find(|(code, _)| reason::is_failure(**code));
    refused.map_or(Ok(()), |(code, filter)| {
        let name = reason::name(*code);
        let words = format!("the broker refuses to subscribe to '{filter}': {name}");
        Err(Failure::new(REFUSED, words))
    })
}

/// Answers a message as its QoS demands.
pub fn acknowledge(id: usize, publish: &Publish<'_>, wires: &mut Wires) {
    let Some(packet_id) = publish.packet_id else { return };
    let ack = Ack::ok(packet_id);
    wires.send(
        id,
        &match publish.qos {
            QoS::ExactlyOnce => Packet::PubRec(ack),
            _ => Packet::PubAck(ack),
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::visitor::Names;

    #[test]
    fn connections_are_due_at_their_rate() {
        let names = Names { users: "u{n}".into(), id_prefix: "b".into() };
        let guest = |n| Guest { visitor: names.visitor("c", n), errand: Errand::None };
        let connecting = Connecting::new(None, 0);
        let mut gather = Gather::new(&connecting, (0..3).map(guest).collect(), 10);
        assert_eq!(gather.next_due(5), Some(5));
        gather.opened_at.push(5);
        assert_eq!(gather.next_due(5), Some(100_000_005));
        gather.rate = 0;
        assert_eq!(gather.next_due(5), Some(5));
        gather.opened_at.extend([6, 7]);
        assert_eq!(gather.next_due(5), None);
    }
}

//! What a session works with for the time of one input: the time, the settings, where its bytes
//! and its requests go.

use std::sync::Arc;

use crate::model::{
    Delivery, Filter, Identity, Message, MessageId, Moment, Reason, Seq, Stamp, Step, Submission,
    limit::PACKET_IDS_PER_LOG,
};

use crate::mqtt::{
    Packet, PropertyBuffer, Publish, Version, encode, encode_publish_within, encode_within,
};

use super::will::Will;
use super::{Ask, Settings, SubscriptionId};

/// Whether this identity may get a message of this plain topic now.
pub type MayReceive<'a> = &'a dyn Fn(&Identity, &str) -> bool;

/// The surroundings of one [`super::Session::handle`].
pub struct Ctx<'a> {
    pub now: Moment,
    pub stamp: Stamp,
    pub settings: &'a Settings,
    /// `None`: whatever was subscribed to may be delivered.
    pub may_receive: Option<MayReceive<'a>>,
    pub ids: &'a mut IdSource,
    /// Scratch for the properties of one packet.
    pub properties: &'a mut PropertyBuffer,
    /// Packets for this client, in order.
    pub wire: Wire<'a>,
    pub requests: &'a mut Vec<Request>,
    pub tally: &'a mut Tally,
}

impl Ctx<'_> {
    pub fn ask(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub fn has_room(&self) -> bool {
        self.wire.bytes.len() < self.wire.bytes_max
    }
}

/// Where the packets for one client are written, and counted.
pub struct Wire<'a> {
    pub bytes: &'a mut Vec<u8>,
    /// Length of `bytes` beyond which nothing more is delivered until it has drained.
    pub bytes_max: usize,
    /// How many packets were written.
    pub packets: u64,
}

impl Wire<'_> {
    pub fn write(&mut self, packet: &Packet<'_>, version: Version) {
        encode(packet, version, self.bytes);
        self.packets += 1;
    }

    /// False, and nothing is written, if the packet is larger than so many bytes.
    #[must_use]
    pub fn write_within(&mut self, packet: &Packet<'_>, version: Version, max: u32) -> bool {
        let fits = encode_within(packet, version, max as usize, self.bytes);
        self.packets += u64::from(fits);
        fits
    }

    /// The same for a PUBLISH.
    #[must_use]
    pub fn write_publish(&mut self, publish: &Publish<'_>, version: Version, max: u32) -> bool {
        let fits = encode_publish_within(publish, version, max as usize, self.bytes);
        self.packets += u64::from(fits);
        fits
    }
}

/// What a session asks of the broker.
#[derive(Debug)]
pub enum Request {
    /// Take this message. With a ticket, the answer comes back as [`super::Input::Answer`]; QoS 0
    /// has none, and a refusal is counted.
    Submit {
        ticket: Option<Ticket>,
        submission: Submission,
        step: Option<Step>,
    },
    /// Commit one QoS 2 step.
    Step {
        ticket: Option<Ticket>,
        step: Step,
    },
    /// The settle time is over: this is a device now.
    KnowDevice,
    Subscribe {
        packet_id: u16,
        asks: Vec<Ask>,
        id: Option<SubscriptionId>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<Box<str>>,
    },
    /// Read on after this position.
    Read {
        log: LogName,
        after: Seq,
    },
    /// Read the retained messages of a filter, after this topic.
    ReadRetained {
        filter: Filter,
        after: Option<Box<str>>,
    },
    /// Append to the queue of this durable session; the answer has [`Ticket::Retained`].
    Enqueue {
        message: Arc<Message>,
        delivery: Delivery,
    },
    /// A message of a shared subscription that this client leaves: for another member.
    HandOn {
        message: Arc<Message>,
        delivery: Delivery,
    },
    /// The cursor moved; it may be stored late.
    Advance {
        log: LogName,
        cursor: Seq,
        sent: Seq,
    },
    /// The connection ended without DISCONNECT: publish its will after the will's delay.
    Will(Box<Will>),
    /// The session has said its last; flush what is in `wire` and close.
    Close(Closing),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client sent DISCONNECT.
    Client,
    /// The network connection went away.
    Network,
    /// The server ended it, for this reason and in these words.
    Server(Reason, Box<str>),
}

/// Which of the two logs that a session reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogName {
    Inbox,
    Queue,
}

impl LogName {
    /// Packet ids tell the log (ruling 21), so that no table of them is kept for clients away.
    pub fn of_packet_id(packet_id: u16) -> LogName {
        if u64::from(packet_id) <= PACKET_IDS_PER_LOG { LogName::Queue } else { LogName::Inbox }
    }

    /// The lowest packet id of this log.
    pub fn first_packet_id(self) -> u16 {
        match self {
            LogName::Queue => 1,
            LogName::Inbox => PACKET_IDS_PER_LOG as u16 + 1,
        }
    }

    pub fn packet_id(self, seq: Seq) -> u16 {
        self.first_packet_id() + (seq.0.wrapping_sub(1) % PACKET_IDS_PER_LOG) as u16
    }
}

/// Names the write that an [`super::Input::Answer`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Open,
    Know,
    /// Number of a publish on this connection.
    Publish(u64),
    /// Packet id of a PUBREL.
    Release(u16),
    /// Position of a PUBREC in the session's queue.
    Receive(Seq),
    /// Packet id of a SUBSCRIBE or UNSUBSCRIBE.
    Filters(u16),
    /// A retained message on its way into the session's queue.
    Retained,
}

impl Ticket {
    /// As one number, for the store's tags: the kind in the top byte.
    pub fn pack(self) -> u64 {
        let (kind, value) = match self {
            Ticket::Open => (0, 0),
            Ticket::Know => (1, 0),
            Ticket::Publish(number) => (2, number),
            Ticket::Release(packet_id) => (3, packet_id.into()),
            Ticket::Receive(seq) => (4, seq.0),
            Ticket::Filters(packet_id) => (5, packet_id.into()),
            Ticket::Retained => (6, 0),
        };
        kind << 56 | value & VALUE
    }

    pub fn unpack(number: u64) -> Option<Ticket> {
        let value = number & VALUE;
        match number >> 56 {
            0 => Some(Ticket::Open),
            1 => Some(Ticket::Know),
            2 => Some(Ticket::Publish(value)),
            3 => Some(Ticket::Release(value as u16)),
            4 => Some(Ticket::Receive(Seq(value))),
            5 => Some(Ticket::Filters(value as u16)),
            6 => Some(Ticket::Retained),
            _ => None,
        }
    }
}

const VALUE: u64 = (1 << 56) - 1;

/// Makes message ids, each greater than the one before. Its seed is the only randomness, injected
/// once per worker.
pub struct IdSource {
    seed: u64,
    last: MessageId,
    at: Stamp,
}

impl IdSource {
    pub fn new(seed: u64) -> IdSource {
        IdSource { seed, last: MessageId(0), at: Stamp(0) }
    }

    /// Within one millisecond, and when the clock goes back, ids count up.
    pub fn next(&mut self, stamp: Stamp) -> MessageId {
        self.last = match stamp > self.at {
            true => {
                self.at = stamp;
                let bytes = stamp.0.to_le_bytes();
                MessageId::new(stamp, xxhash_rust::xxh3::xxh3_128_with_seed(&bytes, self.seed))
            }
            false => MessageId(self.last.0.wrapping_add(1)),
        };
        self.last
    }
}

/// What happened, by number; the worker adds it to the metrics once per turn.
#[derive(Default)]
pub struct Tally {
    /// PUBLISH packets from clients, by QoS.
    pub received: [u64; 3],
    /// PUBLISH packets to clients, by QoS.
    pub delivered: [u64; 3],
    /// Messages that a reader skipped because their expiry had passed.
    pub expired: u64,
    pub dropped: Vec<Reason>,
    pub refused: Vec<Reason>,
    pub traffic: Traffic,
}

/// Packets and bytes of MQTT, as the metrics have them.
#[derive(Clone, Copy, Default)]
pub struct Traffic {
    pub packets_received: u64,
    pub packets_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub payload_received: u64,
    pub payload_sent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_survive_being_a_number() {
        let all = [
            Ticket::Open,
            Ticket::Know,
            Ticket::Publish(7),
            Ticket::Release(65_535),
            Ticket::Receive(Seq(1 << 40)),
            Ticket::Filters(1),
            Ticket::Retained,
        ];
        for ticket in all {
            assert_eq!(Ticket::unpack(ticket.pack()), Some(ticket));
        }
    }

    #[test]
    fn packet_ids_of_the_two_logs_never_meet() {
        for seq in [0, 1, 32_766, 32_767, 65_535, u64::MAX] {
            let inbox = LogName::Inbox.packet_id(Seq(seq));
            let queue = LogName::Queue.packet_id(Seq(seq));
            assert_eq!(LogName::of_packet_id(inbox), LogName::Inbox);
            assert_eq!(LogName::of_packet_id(queue), LogName::Queue);
            assert!(queue >= 1);
        }
    }
}

//! Deliveries that live in memory only: plain subscriptions of a clean session, and the live mail
//! of a nameless connection. They are owed to this connection alone and end with it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::limit::{LIVE_WAITING_BYTES_MAX, LIVE_WAITING_COUNT_MAX, PACKET_IDS_PER_LOG};
use crate::model::{Delivery, Message, QoS, Seq, ShareId};

use super::LogName;
use super::reader::WrongAnswer;

/// What was sent and is not answered yet.
#[derive(Debug)]
struct Flight {
    packet_id: u16,
    stage: Stage,
    /// What another member gets if this one leaves: with QoS 1 only [MQTT-4.8.2-5].
    shared: Option<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sent(QoS),
    /// By PUBREC.
    Received,
}

/// How a client answers what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    PubAck,
    PubComp,
    /// PUBREC that says why it was not taken.
    Refused,
}

/// A message that is not sent yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub message: Arc<Message>,
    pub delivery: Delivery,
    /// Its place in the inbox, for live mail.
    pub seq: Option<Seq>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Live {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Packet ids in use, oldest first.
    flights: VecDeque<Flight>,
    count: u64,
}

impl Live {
    /// False if there is no room: the caller drops and counts it.
    #[must_use]
    pub fn push(&mut self, waiting: Waiting) -> bool {
        let bytes = self.waiting_bytes + waiting.message.body.len();
        let fits = self.waiting.len() < LIVE_WAITING_COUNT_MAX && bytes <= LIVE_WAITING_BYTES_MAX;
        let room = fits || self.waiting.is_empty();
        if room {
            self.waiting_bytes = bytes;
            self.waiting.push_back(waiting);
        }
        room
    }

    /// The next message and its packet id (none for QoS 0), which is one of those of `log`: that
    /// log has no reader in this session.
    pub fn next(&mut self, window: u16, log: LogName) -> Option<(Waiting, Option<u16>)> {
        let qos = self.waiting.front()?.delivery.qos;
        if qos != QoS::AtMostOnce && self.flights.len() >= window.into() {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.message.body.len();
        if qos == QoS::AtMostOnce {
            return Some((waiting, None));
        }
        let packet_id = self.take_packet_id(log);
        let shared =
            (qos == QoS::AtLeastOnce && waiting.delivery.share.is_some()).then(|| waiting.clone());
        self.flights.push_back(Flight { packet_id, stage: Stage::Sent(qos), shared });
        Some((waiting, Some(packet_id)))
    }

    /// The window is far smaller than the range, so the search ends soon.
    fn take_packet_id(&mut self, log: LogName) -> u16 {
        loop {
            let id = log.first_packet_id() + (self.count % PACKET_IDS_PER_LOG) as u16;
            self.count += 1;
            if !self.flights.iter().any(|flight| flight.packet_id == id) {
                return id;
            }
        }
    }

    /// The client has done with this packet id. One that is not in flight is passed over.
    ///
    /// # Errors
    /// [`WrongAnswer`]
    pub fn answered(&mut self, packet_id: u16, how: How) -> Result<(), WrongAnswer> {
        use {QoS::*, Stage::*};
        let flight = self.flights.iter().find(|flight| flight.packet_id == packet_id);
        match (flight.map(|flight| flight.stage), how) {
            (None, _)
            | (Some(Sent(AtLeastOnce)), How::PubAck)
            | (Some(Received), How::PubComp)
            | (Some(Sent(ExactlyOnce) | Received), How::Refused) => self.forget(packet_id),
            _ => return Err(WrongAnswer),
        }
        Ok(())
    }

    /// The packet id is free.
    pub fn forget(&mut self, packet_id: u16) {
        let place = self.flights.iter().position(|flight| flight.packet_id == packet_id);
        if let Some(place) = place {
            self.flights.remove(place);
        }
        if self.is_idle() {
            self.flights.shrink_to(0);
            self.waiting.shrink_to(0);
        }
    }

    /// PUBREC. False for an id that is not in flight.
    ///
    /// # Errors
    /// [`WrongAnswer`]
    pub fn received(&mut self, packet_id: u16) -> Result<bool, WrongAnswer> {
        match self.flights.iter_mut().find(|flight| flight.packet_id == packet_id) {
            None => Ok(false),
            Some(Flight { stage: Stage::Sent(QoS::AtLeastOnce), .. }) => Err(WrongAnswer),
            Some(flight) => {
                flight.stage = Stage::Received;
                Ok(true)
            }
        }
    }

    /// The client leaves this share, or all: what was picked for it with QoS 1 or 2 and not sent.
    pub fn take_waiting(&mut self, share: Option<ShareId>) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let Delivery { qos, share: own, .. } = waiting.delivery;
            let leaves = own.is_some() && (share.is_none() || own == share);
            if leaves && qos != QoS::AtMostOnce {
                self.waiting_bytes -= waiting.message.body.len();
                taken.push(waiting);
            } else {
                self.waiting.push_back(waiting);
            }
        }
        taken
    }

    /// The client is gone: what it has not acknowledged of its shares and others may have.
    pub fn take_shared(&mut self) -> Vec<Waiting> {
        let in_flight = self.flights.iter_mut().filter_map(|flight| flight.shared.take());
        let mut taken: Vec<Waiting> = in_flight.collect();
        taken.append(&mut self.take_waiting(None));
        taken
    }

    /// How many packet ids are in use.
    pub fn open(&self) -> u16 {
        self.flights.len() as u16
    }

    pub fn is_all_sent(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flights.is_empty()
    }
}

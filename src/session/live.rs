//! Deliveries that live in memory only: plain subscriptions of a clean session, and the live mail
//! of a nameless connection. They are owed to this connection alone and end with it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::limit::{LIVE_WAITING_BYTES_MAX, LIVE_WAITING_COUNT_MAX, PACKET_IDS_PER_LOG};
use crate::model::{Delivery, Message, QoS, Seq};

use super::LogName;
use super::reader::WrongAnswer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
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
#[derive(Debug)]
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
    flights: VecDeque<(u16, Flight)>,
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

    /// The next message and its packet id (none for QoS 0).
    pub fn next(&mut self, window: u16) -> Option<(Waiting, Option<u16>)> {
        let qos = self.waiting.front()?.delivery.qos;
        if qos != QoS::AtMostOnce && self.flights.len() >= window.into() {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.message.body.len();
        let packet_id = (qos != QoS::AtMostOnce).then(|| self.take_packet_id(qos));
        Some((waiting, packet_id))
    }

    /// The window is far smaller than the range, so the search ends soon.
    fn take_packet_id(&mut self, qos: QoS) -> u16 {
        loop {
            let id = LogName::Queue.first_packet_id() + (self.count % PACKET_IDS_PER_LOG) as u16;
            self.count += 1;
            if !self.flights.iter().any(|(used, _)| *used == id) {
                self.flights.push_back((id, Flight::Sent(qos)));
                return id;
            }
        }
    }

    /// The client has done with this packet id. One that is not in flight is passed over.
    ///
    /// # Errors
    /// [`WrongAnswer`]
    pub fn answered(&mut self, packet_id: u16, how: How) -> Result<(), WrongAnswer> {
        use {Flight::*, QoS::*};
        match (self.flight(packet_id), how) {
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
        let place = self.flights.iter().position(|(id, _)| *id == packet_id);
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
        match self.flights.iter_mut().find(|(id, _)| *id == packet_id) {
            None => Ok(false),
            Some((_, Flight::Sent(QoS::AtLeastOnce))) => Err(WrongAnswer),
            Some((_, flight)) => {
                *flight = Flight::Received;
                Ok(true)
            }
        }
    }

    fn flight(&self, packet_id: u16) -> Option<Flight> {
        self.flights.iter().find(|(id, _)| *id == packet_id).map(|(_, flight)| *flight)
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

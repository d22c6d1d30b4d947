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
    /// How many packet ids were given before its own.
    number: u64,
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
    /// Packet ids given so far.
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
        if !self.may_fly(qos, window) {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.message.body.len();
        let packet_id = self.depart(&waiting.message, waiting.delivery, log);
        Some((waiting, packet_id))
    }

    /// Nothing waits before it, and the window is open for it: it need not wait.
    pub fn lets_through(&self, qos: QoS, window: u16) -> bool {
        self.waiting.is_empty() && self.may_fly(qos, window)
    }

    fn may_fly(&self, qos: QoS, window: u16) -> bool {
        qos == QoS::AtMostOnce || self.flights.len() < window.into()
    }

    /// A message is sent: under this packet id, none for QoS 0.
    pub fn depart(
        &mut self,
        message: &Arc<Message>,
        delivery: Delivery,
        log: LogName,
    ) -> Option<u16> {
        let Delivery { qos, share, .. } = delivery;
        if qos == QoS::AtMostOnce {
            return None;
        }
        let (packet_id, number) = self.take_packet_id(log);
        let shared = (qos == QoS::AtLeastOnce && share.is_some()).then(|| Waiting {
            message: message.clone(),
            delivery,
            seq: None,
        });
        self.flights.push_back(Flight { packet_id, number, stage: Stage::Sent(qos), shared });
        Some(packet_id)
    }

    /// The next one that is free. Ids repeat after a whole round, so as long as the oldest flight
    /// is younger than that, none has to be looked for.
    fn take_packet_id(&mut self, log: LogName) -> (u16, u64) {
        loop {
            let number = self.count;
            self.count += 1;
            let id = log.first_packet_id() + (number % PACKET_IDS_PER_LOG) as u16;
            let oldest = self.flights.front().map_or(number, |flight| flight.number);
            let is_used = number - oldest >= PACKET_IDS_PER_LOG
                && self.flights.iter().any(|flight| flight.packet_id == id);
            if !is_used {
                return (id, number);
            }
        }
    }

    /// The client has done with this packet id. One that is not in flight is passed over.
    ///
    /// # Errors
    /// [`WrongAnswer`]
    pub fn answered(&mut self, packet_id: u16, how: How) -> Result<(), WrongAnswer> {
        use {QoS::*, Stage::*};
        let Some(place) = self.place(packet_id) else { return Ok(()) };
        match (self.flights[place].stage, how) {
            (Sent(AtLeastOnce), How::PubAck)
            | (Received, How::PubComp)
            | (Sent(ExactlyOnce) | Received, How::Refused) => _ = self.flights.remove(place),
            _ => return Err(WrongAnswer),
        }
        Ok(())
    }

    /// The packet id is free.
    pub fn forget(&mut self, packet_id: u16) {
        if let Some(place) = self.place(packet_id) {
            self.flights.remove(place);
        }
    }

    /// Clients answer in order, so it is mostly the first.
    fn place(&self, packet_id: u16) -> Option<usize> {
        self.flights.iter().position(|flight| flight.packet_id == packet_id)
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{Attributes, ClientId, Kind, MessageId, Sender, Stamp, Uid};

    fn message() -> Arc<Message> {
        Arc::new(Message {
            id: MessageId(1),
            from: Sender { uid: Uid::broker(), client_id: ClientId::default() },
            kind: Kind::Chat,
            ts: Stamp(1),
            expires_at: None,
            topic: "a/b".into(),
            retain: false,
            qos: QoS::AtLeastOnce,
            body: Bytes::new(),
            attributes: Attributes::default(),
        })
    }

    /// The client never answers the first two messages, while the others go round twice.
    #[test]
    fn a_packet_id_that_is_in_use_is_not_given_again() {
        let (mut live, message) = (Live::default(), message());
        let delivery = Delivery::plain(QoS::AtLeastOnce, false);
        let send = |live: &mut Live| live.depart(&message, delivery, LogName::Queue).unwrap();
        assert_eq!([send(&mut live), send(&mut live)], [1, 2]);
        for _ in 0..2 * PACKET_IDS_PER_LOG {
            let id = send(&mut live);
            assert!(id > 2, "{id} is in use");
            assert_eq!(live.answered(id, How::PubAck), Ok(()));
        }
        assert_eq!(live.answered(1, How::PubAck), Ok(()));
        let given: Vec<u16> = (0..PACKET_IDS_PER_LOG)
            .map(|_| {
                let id = send(&mut live);
                live.forget(id);
                id
            })
            .collect();
        assert!(given.contains(&1) && !given.contains(&2));
    }
}

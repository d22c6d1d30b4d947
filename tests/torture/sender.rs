//! A sender that never gives up: it keeps a window of QoS 1 and 2 messages in flight, and after
//! each crash resends what is unacknowledged, in order, with DUP and the same packet ids.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::client::{Client, Gone, duplicate, message};
use super::support::history::{Event, Key};
use super::support::random::Random;
use super::support::wire::{self, Packet, Version};
use super::support::{Connect, HANG};

/// Messages in flight; below the server's receive maximum and its memory for resends.
const WINDOW: usize = 32;
/// One in so many messages is followed by a cut of the sender's own connection.
const CUT_ONE_IN: usize = 3000;

pub struct Sender {
    number: u32,
    version: Version,
    messages: u32,
    recipients: Vec<&'static str>,
    random: Random,
    flights: VecDeque<Flight>,
    next: u32,
    last_id: u16,
    was_connected: bool,
    events: Vec<Event>,
}

/// A message between its first PUBLISH and its PUBACK or PUBCOMP.
struct Flight {
    key: Key,
    id: u16,
    qos: u8,
    topic: &'static str,
    /// QoS 2: PUBREC came, so PUBREL is what is resent.
    received: bool,
}

impl Flight {
    fn bytes(&self, version: Version, dup: bool) -> Vec<u8> {
        if self.received {
            return wire::acknowledgement(0x62, self.id);
        }
        let payload = format!("{} {}", self.key.sender, self.key.number);
        let build = if dup { duplicate } else { message };
        wire::publish(version, &build(self.topic, &payload, self.qos, self.id), &[])
    }
}

impl Sender {
    pub fn new(
        number: u32,
        version: Version,
        messages: u32,
        recipients: Vec<&'static str>,
        random: Random,
    ) -> Sender {
        Sender {
            number,
            version,
            messages,
            recipients,
            random,
            flights: VecDeque::new(),
            next: 0,
            last_id: 0,
            was_connected: false,
            events: Vec::new(),
        }
    }

    /// Sends all of its messages; returns when the last one is acknowledged to the end.
    pub fn run(mut self, addr: SocketAddr, acked: &AtomicU64) -> Vec<Event> {
        loop {
            match self.session(addr, acked) {
                Ok(()) => return self.events,
                Err(Gone::Closed) => std::thread::sleep(Duration::from_millis(2)),
                Err(gone) => panic!("sender {}: {gone}", self.number),
            }
        }
    }

    fn session(&mut self, addr: SocketAddr, acked: &AtomicU64) -> Result<(), Gone> {
        let connect = Connect::new(self.version, "carol", &format!("sender-{}", self.number));
        let (mut client, ack) = connect.durable().try_open(addr)?;
        assert_eq!(ack.code, 0, "sender {} is refused", self.number);
        assert_eq!(ack.session_present, self.was_connected, "sender {}: session", self.number);
        self.was_connected = true;
        for flight in &self.flights {
            client.try_send(&flight.bytes(self.version, true))?;
        }
        while self.next < self.messages || !self.flights.is_empty() {
            self.fill(&mut client)?;
            let packet = client.try_recv(HANG)?;
            self.answer(&mut client, packet, acked)?;
            if self.random.below(CUT_ONE_IN) == 0 {
                client.cut();
                return Err(Gone::Closed);
            }
        }
        // All is acknowledged: a crash at this moment takes nothing away.
        let _ = client.try_send(&[0xE0, 0]);
        Ok(())
    }

    fn fill(&mut self, client: &mut Client) -> Result<(), Gone> {
        while self.flights.len() < WINDOW && self.next < self.messages {
            let to = self.random.below(self.recipients.len());
            let key = Key { sender: self.number, number: self.next };
            let qos = 1 + self.random.below(2) as u8;
            let topic = self.recipients[to];
            let flight = Flight { key, id: self.free_id(), qos, topic, received: false };
            let bytes = flight.bytes(self.version, false);
            self.next += 1;
            self.flights.push_back(flight);
            self.events.push(Event::Submit { key, recipient: to as u32 });
            client.try_send(&bytes)?;
        }
        Ok(())
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % u16::MAX + 1;
            if self.flights.iter().all(|flight| flight.id != self.last_id) {
                return self.last_id;
            }
        }
    }

    fn answer(
        &mut self,
        client: &mut Client,
        packet: Packet,
        acked: &AtomicU64,
    ) -> Result<(), Gone> {
        match packet {
            Packet::PubAck { id, reason, .. } => {
                let flight = self.finish(id, 1);
                self.judge(flight.key, reason, acked);
            }
            Packet::PubRec { id, reason } => return self.received(client, id, reason, acked),
            Packet::PubComp { id, .. } => assert!(self.finish(id, 2).received, "PUBCOMP {id}"),
            Packet::Disconnect { .. } => return Err(Gone::Closed),
            other => panic!("sender {} got {other:?}", self.number),
        }
        Ok(())
    }

    fn received(
        &mut self,
        client: &mut Client,
        id: u16,
        reason: u8,
        acked: &AtomicU64,
    ) -> Result<(), Gone> {
        let at = self.position(id, 2);
        let (key, before) = (self.flights[at].key, self.flights[at].received);
        if reason >= 0x80 {
            self.flights.remove(at);
            self.judge(key, reason, acked);
            return Ok(());
        }
        self.flights[at].received = true;
        if !before {
            self.judge(key, reason, acked);
        }
        client.try_send(&wire::acknowledgement(0x62, id))
    }

    fn judge(&mut self, key: Key, reason: u8, acked: &AtomicU64) {
        if reason >= 0x80 {
            self.events.push(Event::Refused { key });
        } else {
            self.events.push(Event::Acked { key });
            acked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn position(&self, id: u16, qos: u8) -> usize {
        let found = self.flights.iter().position(|flight| flight.id == id && flight.qos == qos);
        found.unwrap_or_else(|| panic!("sender {}: nothing in flight with id {id}", self.number))
    }

    fn finish(&mut self, id: u16, qos: u8) -> Flight {
        let at = self.position(id, qos);
        self.flights.remove(at).expect("a position")
    }
}

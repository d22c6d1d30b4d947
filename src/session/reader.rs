//! The reader of one durable log: what was sent, what is acknowledged, where the cursor stands.
//!
//! The cursor is the contiguous acknowledged prefix (ruling 13). A live record is taken only if it
//! is the very next one; otherwise the reader goes back to the store, which closes the gap between
//! catching up and live.

use std::collections::VecDeque;

use crate::model::limit::{LIVE_ENTRIES_BYTES_MAX, LIVE_ENTRIES_COUNT_MAX, PACKET_IDS_PER_LOG};
use crate::model::{Entry, QoS, Seq};

use super::LogName;

/// Where a reader starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Everything up to here is acknowledged.
    pub cursor: Seq,
    /// Everything up to here may have been sent before: it goes out again with DUP.
    pub sent: Seq,
    /// The newest record.
    pub head: Seq,
    /// QoS 2 records that the client has (PUBREC) but has not completed.
    pub received: Vec<Seq>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    /// PUBLISH was sent with QoS 1.
    Sent,
    /// PUBLISH was sent with QoS 2.
    SentExactly,
    /// QoS 2: the client has it (PUBREC); PUBREL was sent or waits for its commit.
    Received,
    /// QoS 2: the client is done (PUBCOMP). The store must know that it was received until the
    /// cursor has passed it, or a crash would send it again.
    Completed,
    /// Acknowledged, skipped or removed.
    Done,
}

/// What the session should send next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Publish {
        entry: Entry,
        dup: bool,
    },
    /// A QoS 2 record that the client already has.
    Release(Seq),
}

/// The client answered with a packet that does not belong to the QoS of the message.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongAnswer;

#[derive(Debug)]
pub struct Reader {
    log: LogName,
    /// The contiguous acknowledged prefix.
    cursor: Seq,
    /// One state per position from `cursor + 1` up to what was sent.
    flights: VecDeque<Flight>,
    /// How many of `flights` are not done.
    open: u16,
    /// Records right behind what was sent, without gaps other than removed ones.
    ready: VecDeque<Entry>,
    ready_bytes: usize,
    /// Position up to which `ready` or removed records reach.
    reached: Seq,
    head: Seq,
    reading: bool,
    /// The head when the last read was asked for.
    head_then: Seq,
    sent_before: Seq,
    exact: Option<Box<Exact>>,
}

/// What QoS 2 needs beside the flights; few readers ever have any.
#[derive(Debug, Default)]
struct Exact {
    /// The client had them before this connection.
    received_before: Vec<Seq>,
    /// The cursor has passed them: the store may forget that they were received.
    completed: Vec<Seq>,
}

impl Exact {
    fn is_empty(&self) -> bool {
        self.received_before.is_empty() && self.completed.is_empty()
    }
}

impl Reader {
    pub fn new(log: LogName, position: Position) -> Reader {
        let Position { cursor, sent, head, received } = position;
        let exact = (!received.is_empty()).then(|| {
            let passed = |seq: &Seq| *seq <= cursor;
            let (completed, received_before) = received.into_iter().partition(passed);
            Box::new(Exact { received_before, completed })
        });
        Reader {
            log,
            cursor,
            flights: VecDeque::new(),
            open: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            reached: cursor,
            head: head.max(cursor),
            reading: false,
            head_then: Seq(0),
            sent_before: sent,
            exact,
        }
    }

    /// Everything has been sent at least once.
    pub fn is_at_end(&self) -> bool {
        self.ready.is_empty() && self.reached >= self.head
    }

    /// A record was committed just now.
    pub fn committed(&mut self, entry: Entry) {
        let is_next = self.reached == self.head && entry.seq == self.head.next();
        self.head = self.head.max(entry.seq);
        let bytes = self.ready_bytes + entry.message.body.len();
        let fits = self.ready.len() < LIVE_ENTRIES_COUNT_MAX && bytes <= LIVE_ENTRIES_BYTES_MAX;
        if is_next && (fits || self.ready.is_empty()) {
            self.push_ready(entry);
        }
    }

    fn push_ready(&mut self, entry: Entry) {
        self.reached = entry.seq;
        self.ready_bytes += entry.message.body.len();
        self.ready.push_back(entry);
    }

    /// The position to read after, if there is something to read and nothing is ready. The answer
    /// must come to [`Reader::read`].
    pub fn wants_read(&mut self) -> Option<Seq> {
        if self.reading || !self.ready.is_empty() || self.reached >= self.head {
            return None;
        }
        (self.reading, self.head_then) = (true, self.head);
        Some(self.reached)
    }

    /// What the store has after the position asked for; empty if all of it was removed.
    pub fn read(&mut self, entries: Vec<Entry>) {
        self.reading = false;
        if entries.is_empty() {
            self.reached = self.reached.max(self.head_then);
        }
        for entry in entries {
            if entry.seq > self.reached {
                self.push_ready(entry);
            }
        }
        self.head = self.head.max(self.reached);
        self.skip_removed();
    }

    /// The next record, if fewer than `window` are in flight.
    pub fn next(&mut self, window: u16) -> Option<Next> {
        let release = self.release_due();
        let seq = release.or(self.ready.front().map(|entry| entry.seq))?;
        if self.flights.is_empty() {
            // All before it is acknowledged or removed.
            self.cursor = Seq(seq.0 - 1);
        }
        // Two records in flight must not share a packet id, however many were removed between.
        if self.open >= window || seq.0 - self.cursor.0 >= PACKET_IDS_PER_LOG {
            return None;
        }
        let entry = self.ready.pop_front_if(|entry| entry.seq == seq);
        self.ready_bytes -= entry.as_ref().map_or(0, |entry| entry.message.body.len());
        if release.is_some() {
            self.exact.get_or_insert_default().received_before.retain(|other| *other != seq);
            self.fly_to(seq, Flight::Received);
            return Some(Next::Release(seq));
        }
        let entry = entry?;
        let exactly = self.log == LogName::Queue && entry.delivery.qos == QoS::ExactlyOnce;
        self.fly_to(seq, if exactly { Flight::SentExactly } else { Flight::Sent });
        let dup = seq <= self.sent_before;
        Some(Next::Publish { entry, dup })
    }

    /// The oldest record that the client has and that is not behind the next one to send. It is
    /// released even if the record itself was removed: the client holds its packet id.
    fn release_due(&self) -> Option<Seq> {
        let oldest = self.exact.as_ref()?.received_before.iter().min().copied()?;
        let limit = self.ready.front().map_or(self.reached, |entry| entry.seq);
        (oldest <= limit).then_some(oldest)
    }

    /// Adds flights up to `seq`; positions between that were removed count as done.
    fn fly_to(&mut self, seq: Seq, flight: Flight) {
        while self.sent().next() < seq {
            self.flights.push_back(Flight::Done);
        }
        self.flights.push_back(flight);
        self.open += 1;
        self.advance();
    }

    /// When nothing is ready or in flight and the log has nothing up to `reached`, the cursor goes
    /// there: what was removed needs no acknowledgement.
    fn skip_removed(&mut self) {
        if self.ready.is_empty() && self.flights.is_empty() && self.release_due().is_none() {
            self.cursor = self.reached;
        }
    }

    /// The record was not sent after all.
    pub fn skip(&mut self, seq: Seq) {
        self.mark_done(seq);
    }

    /// PUBACK. True if the cursor moved.
    pub fn acknowledged(&mut self, seq: Seq) -> Result<bool, WrongAnswer> {
        match self.flight(seq) {
            Some(Flight::Sent) => Ok(self.mark_done(seq)),
            Some(Flight::SentExactly | Flight::Received) => Err(WrongAnswer),
            Some(Flight::Completed | Flight::Done) | None => Ok(false),
        }
    }

    /// PUBREC: the client has a QoS 2 record. True if PUBREL is due, however often it says so
    /// [MQTT-4.3.3-4].
    pub fn received(&mut self, seq: Seq) -> Result<bool, WrongAnswer> {
        match self.flight(seq) {
            Some(Flight::SentExactly | Flight::Received) => {
                self.mark(seq, Flight::Received);
                Ok(true)
            }
            Some(Flight::Sent) => Err(WrongAnswer),
            _ => Ok(false),
        }
    }

    /// PUBREC that says the client does not take it. True if the cursor moved.
    pub fn refused(&mut self, seq: Seq) -> Result<bool, WrongAnswer> {
        match self.flight(seq) {
            Some(Flight::SentExactly) => Ok(self.mark_done(seq)),
            _ => self.completed(seq),
        }
    }

    /// PUBCOMP. True if the cursor moved.
    pub fn completed(&mut self, seq: Seq) -> Result<bool, WrongAnswer> {
        match self.flight(seq) {
            Some(Flight::Received) => {
                self.mark(seq, Flight::Completed);
                Ok(self.advance())
            }
            Some(Flight::Sent | Flight::SentExactly) => Err(WrongAnswer),
            Some(Flight::Completed | Flight::Done) | None => Ok(false),
        }
    }

    /// QoS 2 records whose steps the store may forget, once it has the cursor.
    pub fn take_completed(&mut self) -> Vec<Seq> {
        self.exact.as_mut().map(|exact| std::mem::take(&mut exact.completed)).unwrap_or_default()
    }

    fn mark_done(&mut self, seq: Seq) -> bool {
        self.mark(seq, Flight::Done);
        self.open -= 1;
        self.advance()
    }

    /// A completed record is in flight until the cursor passes it: so the number of those that the
    /// store must remember stays within the window.
    fn advance(&mut self) -> bool {
        let before = self.cursor;
        while let Some(flight @ (Flight::Done | Flight::Completed)) = self.flights.front() {
            let completed = *flight == Flight::Completed;
            self.flights.pop_front();
            self.cursor = self.cursor.next();
            if completed {
                self.open -= 1;
                self.exact.get_or_insert_default().completed.push(self.cursor);
            }
        }
        self.cursor > before
    }

    fn flight(&self, seq: Seq) -> Option<Flight> {
        let index = seq.0.checked_sub(self.cursor.0 + 1)?;
        self.flights.get(usize::try_from(index).ok()?).copied()
    }

    fn mark(&mut self, seq: Seq, flight: Flight) {
        let index = seq.0.wrapping_sub(self.cursor.0 + 1) as usize;
        if let Some(slot) = self.flights.get_mut(index) {
            *slot = flight;
        }
    }

    /// The position in flight that this packet id stands for.
    pub fn seq_of(&self, packet_id: u16) -> Option<Seq> {
        let first = self.cursor.next();
        let offset = u64::from(packet_id.checked_sub(self.log.first_packet_id())?);
        let distance =
            (offset + PACKET_IDS_PER_LOG - self.cursor.0 % PACKET_IDS_PER_LOG) % PACKET_IDS_PER_LOG;
        let seq = Seq(first.0 + distance);
        let flight = self.flight(seq)?;
        (!matches!(flight, Flight::Done | Flight::Completed)).then_some(seq)
    }

    /// How many records are in flight.
    pub fn open(&self) -> u16 {
        self.open
    }

    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// The last position that was sent.
    pub fn sent(&self) -> Seq {
        Seq(self.cursor.0 + self.flights.len() as u64)
    }

    /// The last position that may ever have been sent.
    pub fn sent_ever(&self) -> Seq {
        self.sent().max(self.sent_before)
    }

    /// Gives back memory that a burst left behind.
    pub fn shrink(&mut self) {
        self.ready.shrink_to_fit();
        self.flights.shrink_to_fit();
        self.exact.take_if(|exact| exact.is_empty());
    }
}

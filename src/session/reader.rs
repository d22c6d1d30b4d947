//! The reader of one durable log: what was sent, what is acknowledged, where the cursor stands.
//!
//! The cursor is the contiguous acknowledged prefix (ruling 13). A live record is taken only if it
//! is the very next one; otherwise the reader goes back to the store, which closes the gap between
//! catching up and live.

use std::collections::VecDeque;

use crate::model::limit::{LIVE_ENTRIES_BYTES_MAX, LIVE_ENTRIES_COUNT_MAX, PACKET_IDS_PER_LOG};
use crate::model::{Entry, Seq};

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
    /// PUBLISH was sent.
    Sent,
    /// The client has it (PUBREC); PUBREL was sent or waits for its commit.
    Received,
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
    /// The head when the running read was asked for.
    reading: Option<Seq>,
    sent_before: Seq,
    received_before: Vec<Seq>,
}

impl Reader {
    pub fn new(log: LogName, position: Position) -> Reader {
        Reader {
            log,
            cursor: position.cursor,
            flights: VecDeque::new(),
            open: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            reached: position.cursor,
            head: position.head.max(position.cursor),
            reading: None,
            sent_before: position.sent,
            received_before: position.received,
        }
    }

    /// A record was committed just now.
    pub fn committed(&mut self, entry: Entry) {
        let is_next = self.reached == self.head && entry.seq == self.head.next();
        self.head = self.head.max(entry.seq);
        let room =
            self.ready.len() < LIVE_ENTRIES_COUNT_MAX && self.ready_bytes < LIVE_ENTRIES_BYTES_MAX;
        if is_next && room {
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
        if self.reading.is_some() || !self.ready.is_empty() || self.reached >= self.head {
            return None;
        }
        self.reading = Some(self.head);
        Some(self.reached)
    }

    /// What the store has after the position asked for; empty if all of it was removed.
    pub fn read(&mut self, entries: Vec<Entry>) {
        let looked_up_to = self.reading.take().unwrap_or_default();
        if entries.is_empty() {
            self.reached = self.reached.max(looked_up_to);
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
        let span = self.flights.len() as u64 + 1;
        if self.open >= window || span >= PACKET_IDS_PER_LOG {
            return None;
        }
        let entry = self.ready.pop_front()?;
        self.ready_bytes -= entry.message.body.len();
        self.fly_to(entry.seq);
        if let Some(place) = self.received_before.iter().position(|seq| *seq == entry.seq) {
            self.received_before.swap_remove(place);
            self.mark(entry.seq, Flight::Received);
            return Some(Next::Release(entry.seq));
        }
        let dup = entry.seq <= self.sent_before;
        Some(Next::Publish { entry, dup })
    }

    /// Adds flights up to `seq`; positions between that were removed count as done.
    fn fly_to(&mut self, seq: Seq) {
        while self.sent().next() < seq {
            self.flights.push_back(Flight::Done);
        }
        self.flights.push_back(Flight::Sent);
        self.open += 1;
        self.advance();
    }

    /// When nothing is ready or in flight and the log has nothing up to `reached`, the cursor goes
    /// there: what was removed needs no acknowledgement.
    fn skip_removed(&mut self) {
        if self.ready.is_empty() && self.flights.is_empty() {
            self.cursor = self.reached;
        }
    }

    /// The client acknowledged (PUBACK, PUBCOMP), or the record is not to be sent. True if the
    /// cursor moved.
    pub fn done(&mut self, seq: Seq) -> bool {
        match self.flight(seq) {
            None | Some(Flight::Done) => false,
            Some(_) => {
                self.mark(seq, Flight::Done);
                self.open -= 1;
                self.advance()
            }
        }
    }

    /// The client has a QoS 2 record (PUBREC). True if this is the first time it says so.
    pub fn received(&mut self, seq: Seq) -> bool {
        let first = self.flight(seq) == Some(Flight::Sent);
        if first {
            self.mark(seq, Flight::Received);
        }
        first
    }

    fn advance(&mut self) -> bool {
        let before = self.cursor;
        while self.flights.front() == Some(&Flight::Done) {
            self.flights.pop_front();
            self.cursor = self.cursor.next();
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
            (offset + PACKET_IDS_PER_LOG - first.0 % PACKET_IDS_PER_LOG) % PACKET_IDS_PER_LOG;
        let seq = Seq(first.0 + distance);
        (seq <= self.sent() && self.flight(seq) != Some(Flight::Done)).then_some(seq)
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
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        Attributes, ClientId, Delivery, Kind, Message, MessageId, QoS, Sender, Stamp, Uid,
    };

    fn entry(seq: u64) -> Entry {
        let uid = Uid::parse("u").unwrap();
        let message = Message {
            id: MessageId(seq.into()),
            from: Sender { uid, client_id: ClientId::parse("").unwrap() },
            kind: Kind::Chat,
            ts: Stamp(0),
            expires_at: None,
            topic: "u".into(),
            retain: false,
            qos: QoS::AtLeastOnce,
            body: Default::default(),
            attributes: Attributes::default(),
        };
        Entry { seq: Seq(seq), delivery: Delivery::default(), message: Arc::new(message) }
    }

    fn drain(reader: &mut Reader) -> Vec<u64> {
        let mut out = Vec::new();
        while let Some(Next::Publish { entry, .. }) = reader.next(100) {
            out.push(entry.seq.0);
        }
        out
    }

    #[test]
    fn a_live_record_behind_a_gap_sends_the_reader_back_to_the_store() {
        let mut reader = Reader::new(LogName::Inbox, Position::default());
        reader.committed(entry(1));
        reader.committed(entry(3));
        assert_eq!(drain(&mut reader), [1]);
        assert_eq!(reader.wants_read(), Some(Seq(1)));
        reader.read(vec![entry(2), entry(3)]);
        assert_eq!(drain(&mut reader), [2, 3]);
        assert_eq!(reader.wants_read(), None);
    }

    #[test]
    fn the_cursor_is_the_contiguous_acknowledged_prefix() {
        let mut reader = Reader::new(LogName::Inbox, Position::default());
        (1..=3).for_each(|seq| reader.committed(entry(seq)));
        drain(&mut reader);
        assert!(!reader.done(Seq(2)));
        assert_eq!(reader.cursor(), Seq(0));
        assert!(reader.done(Seq(1)));
        assert_eq!(reader.cursor(), Seq(2));
        assert!(!reader.done(Seq(2)), "a second acknowledgement changes nothing");
    }

    #[test]
    fn removed_records_count_as_done() {
        let position = Position { head: Seq(9), ..Default::default() };
        let mut reader = Reader::new(LogName::Inbox, position);
        assert_eq!(reader.wants_read(), Some(Seq(0)));
        reader.read(vec![entry(5), entry(9)]);
        assert_eq!(drain(&mut reader), [5, 9]);
        assert!(reader.done(Seq(5)));
        assert_eq!(reader.cursor(), Seq(8));
    }

    #[test]
    fn a_log_without_any_record_left_moves_the_cursor_to_its_head() {
        let position = Position { head: Seq(4), ..Default::default() };
        let mut reader = Reader::new(LogName::Queue, position);
        reader.wants_read();
        reader.read(vec![]);
        assert_eq!(reader.cursor(), Seq(4));
        assert_eq!(reader.wants_read(), None);
    }

    #[test]
    fn what_was_sent_before_goes_out_again_as_dup_and_released_as_pubrel() {
        let position =
            Position { cursor: Seq(1), sent: Seq(3), head: Seq(4), received: vec![Seq(2)] };
        let mut reader = Reader::new(LogName::Queue, position);
        reader.wants_read();
        reader.read(vec![entry(2), entry(3), entry(4)]);
        assert_eq!(reader.next(9), Some(Next::Release(Seq(2))));
        assert_eq!(reader.next(9), Some(Next::Publish { entry: entry(3), dup: true }));
        assert_eq!(reader.next(9), Some(Next::Publish { entry: entry(4), dup: false }));
        assert_eq!(reader.seq_of(LogName::Queue.packet_id(Seq(3))), Some(Seq(3)));
    }

    #[test]
    fn the_window_bounds_what_is_in_flight() {
        let mut reader = Reader::new(LogName::Inbox, Position::default());
        (1..=5).for_each(|seq| reader.committed(entry(seq)));
        assert!(reader.next(2).is_some() && reader.next(2).is_some());
        assert_eq!(reader.next(2), None);
        reader.done(Seq(2));
        assert!(reader.next(2).is_some());
        assert_eq!(reader.next(2), None);
    }

    proptest! {
        /// Whatever mixture of live records, reads and acknowledgements: each record once, in
        /// order, and in the end the cursor stands at the head.
        #[test]
        fn every_record_is_sent_once_and_in_order(
            start in 0..70_000u64, count in 1..200u64, window in 1..20u16,
            choices in prop::collection::vec(0..4u8, 1..800),
        ) {
            let at = Seq(start);
            let mut reader = Reader::new(
                LogName::Inbox,
                Position { cursor: at, sent: at, head: at, received: vec![] },
            );
            let (mut committed, mut sent, mut acked) = (start, start, start);
            for choice in choices.into_iter().chain([0, 1, 2, 3].repeat(4 * count as usize)) {
                match choice {
                    0 if committed < start + count => {
                        committed += 1;
                        // Every seventh hint is lost.
                        if committed % 7 != 0 || committed == start + count {
                            reader.committed(entry(committed));
                        }
                    }
                    1 => if let Some(after) = reader.wants_read() {
                        let end = committed.min(after.0 + 10);
                        reader.read((after.0 + 1..=end).map(entry).collect());
                    },
                    2 => if let Some(Next::Publish { entry, .. }) = reader.next(window) {
                        sent += 1;
                        prop_assert_eq!(entry.seq, Seq(sent));
                        let id = LogName::Inbox.packet_id(entry.seq);
                        prop_assert_eq!(reader.seq_of(id), Some(entry.seq));
                        prop_assert!(sent - acked <= window.into());
                    },
                    3 if acked < sent => {
                        acked += 1;
                        prop_assert!(reader.done(Seq(acked)));
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(reader.cursor(), Seq(start + count));
        }
    }
}

//! The reader of one log: order, window, cursor, packet ids.

use std::sync::Arc;

use proptest::prelude::*;

use crate::model::{
    Attributes, ClientId, Delivery, Entry, Kind, Message, MessageId, QoS, Sender, Seq, Stamp, Uid,
};
use crate::session::LogName;
use crate::session::reader::*;

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
    assert!(!reader.acknowledged(Seq(2)).unwrap());
    assert_eq!(reader.cursor(), Seq(0));
    assert!(reader.acknowledged(Seq(1)).unwrap());
    assert_eq!(reader.cursor(), Seq(2));
    assert!(!reader.acknowledged(Seq(2)).unwrap(), "a second acknowledgement changes nothing");
}

#[test]
fn removed_records_count_as_done() {
    let position = Position { head: Seq(9), ..Default::default() };
    let mut reader = Reader::new(LogName::Inbox, position);
    assert_eq!(reader.wants_read(), Some(Seq(0)));
    reader.read(vec![entry(5), entry(9)]);
    assert_eq!(drain(&mut reader), [5, 9]);
    assert!(reader.acknowledged(Seq(5)).unwrap());
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
    let position = Position { cursor: Seq(1), sent: Seq(3), head: Seq(4), received: vec![Seq(2)] };
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
    reader.acknowledged(Seq(2)).unwrap();
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
                    prop_assert!(reader.acknowledged(Seq(acked)).unwrap());
                }
                _ => {}
            }
        }
        prop_assert_eq!(reader.cursor(), Seq(start + count));
    }
}

fn exactly(seq: u64) -> Entry {
    let delivery = Delivery::plain(QoS::ExactlyOnce, false);
    Entry { delivery, ..entry(seq) }
}

#[test]
fn records_far_apart_never_share_a_packet_id() {
    let position = Position { head: Seq(90_000), ..Default::default() };
    let mut reader = Reader::new(LogName::Inbox, position);
    reader.wants_read();
    reader.read(vec![entry(40_000), entry(40_000 + 32_767), entry(90_000)]);
    assert_eq!(drain(&mut reader), [40_000], "the others wait for its acknowledgement");
    assert_eq!(reader.seq_of(LogName::Inbox.packet_id(Seq(40_000))), Some(Seq(40_000)));
    assert_eq!(reader.acknowledged(Seq(40_000)), Ok(true));
    assert_eq!(drain(&mut reader), [40_000 + 32_767, 90_000]);
    assert_eq!(reader.seq_of(LogName::Inbox.packet_id(Seq(90_000))), Some(Seq(90_000)));
}

#[test]
fn an_answer_of_another_qos_changes_nothing() {
    let mut reader = Reader::new(LogName::Queue, Position::default());
    reader.committed(entry(1));
    reader.committed(exactly(2));
    drain(&mut reader);
    assert_eq!(reader.received(Seq(1)), Err(WrongAnswer));
    assert_eq!(reader.completed(Seq(1)), Err(WrongAnswer));
    assert_eq!(reader.acknowledged(Seq(2)), Err(WrongAnswer));
    assert_eq!(reader.completed(Seq(2)), Err(WrongAnswer), "PUBCOMP before PUBREC");
    assert_eq!(reader.open(), 2);
}

#[test]
fn a_completed_record_is_forgotten_when_the_cursor_has_passed_it() {
    let mut reader = Reader::new(LogName::Queue, Position::default());
    reader.committed(entry(1));
    reader.committed(exactly(2));
    drain(&mut reader);
    assert_eq!(reader.received(Seq(2)), Ok(true));
    assert_eq!(reader.completed(Seq(2)), Ok(false));
    assert_eq!((reader.take_completed(), reader.open()), (vec![], 2));
    assert_eq!(reader.acknowledged(Seq(1)), Ok(true));
    assert_eq!((reader.take_completed(), reader.open()), (vec![Seq(2)], 0));
}

#[test]
fn a_received_record_is_released_although_it_was_removed() {
    let position =
        Position { sent: Seq(3), head: Seq(3), received: vec![Seq(2)], ..Default::default() };
    let mut reader = Reader::new(LogName::Queue, position.clone());
    reader.wants_read();
    reader.read(vec![exactly(3)]);
    assert_eq!(reader.next(9), Some(Next::Release(Seq(2))));
    assert_eq!(reader.next(9), Some(Next::Publish { entry: exactly(3), dup: true }));
    let mut reader = Reader::new(LogName::Queue, position);
    reader.wants_read();
    reader.read(vec![]);
    assert_eq!((reader.cursor(), reader.next(9)), (Seq(0), Some(Next::Release(Seq(2)))));
    assert_eq!(reader.completed(Seq(2)), Ok(true));
}

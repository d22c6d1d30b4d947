//! What one receiver gets from one publisher: messages that carry who, which and when, and the
//! check that none is lost, doubled or out of order.

use std::collections::BTreeSet;

/// The part of a payload that is not filling.
pub const STAMP_BYTES: usize = 28;

/// What each message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Messages of other runs are not counted.
    pub run: u64,
    pub publisher: u32,
    /// From 0 in each stream.
    pub sequence: u64,
    /// When it was sent, or was to be sent, on the generator's stopwatch.
    pub sent_nanos: u64,
}

impl Stamp {
    /// Writes it over the front of a payload of at least [`STAMP_BYTES`].
    pub fn write(&self, payload: &mut [u8]) {
        let Some(front) = payload.first_chunk_mut::<STAMP_BYTES>() else { return };
        front[..8].copy_from_slice(&self.run.to_be_bytes());
        front[8..12].copy_from_slice(&self.publisher.to_be_bytes());
        front[12..20].copy_from_slice(&self.sequence.to_be_bytes());
        front[20..].copy_from_slice(&self.sent_nanos.to_be_bytes());
    }

    /// Reads a payload of this run; `None` for any other.
    pub fn read(payload: &[u8], run: u64) -> Option<Stamp> {
        let front = payload.first_chunk::<STAMP_BYTES>()?;
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&front[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let publisher = u32::from_be_bytes([front[8], front[9], front[10], front[11]]);
        let stamp = Stamp { run: long(0), publisher, sequence: long(12), sent_nanos: long(20) };
        (stamp.run == run).then_some(stamp)
    }
}

/// Checks the sequence numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    next: u64,
    /// Below `next` and not seen.
    missing: BTreeSet<u64>,
    duplicates: u64,
    /// Came after a later one.
    late: u64,
}

/// What was wrong with streams, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub lost: u64,
    pub duplicates: u64,
    pub late: u64,
}

impl Checker {
    /// Takes the next arrival; whether it is new.
    pub fn take(&mut self, sequence: u64) -> bool {
        if sequence >= self.next {
            self.missing.extend(self.next..sequence);
            self.next = sequence + 1;
            return true;
        }
        let new = self.missing.remove(&sequence);
        *(if new { &mut self.late } else { &mut self.duplicates }) += 1;
        new
    }

    /// Different messages that came.
    pub fn delivered(&self) -> u64 {
        self.next - self.missing.len() as u64
    }

    /// The faults, if `sent` messages were sent.
    pub fn faults(&self, sent: u64) -> Faults {
        let lost = sent.saturating_sub(self.delivered());
        Faults { lost, duplicates: self.duplicates, late: self.late }
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.late += other.late;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(arrivals: &[u64], sent: u64) -> (u64, u64, u64) {
        let mut checker = Checker::default();
        arrivals.iter().for_each(|sequence| _ = checker.take(*sequence));
        let Faults { lost, duplicates, late } = checker.faults(sent);
        (lost, duplicates, late)
    }

    #[test]
    fn loss_duplicates_and_order_are_told_apart() {
        assert_eq!(faults(&[0, 1, 2, 3], 4), (0, 0, 0));
        assert_eq!(faults(&[0, 3], 4), (2, 0, 0));
        assert_eq!(faults(&[0, 1], 4), (2, 0, 0));
        assert_eq!(faults(&[0, 1, 1, 2, 0], 3), (0, 2, 0));
        assert_eq!(faults(&[0, 2, 1, 1], 3), (0, 1, 1));
        assert_eq!(faults(&[], 3), (3, 0, 0));
    }

    proptest! {
        #[test]
        fn the_sums_are_right(arrivals in prop::collection::vec(0u64..50, 0..200)) {
            let mut checker = Checker::default();
            let new = arrivals.iter().filter(|sequence| checker.take(**sequence)).count() as u64;
            let different = arrivals.iter().collect::<BTreeSet<_>>().len() as u64;
            prop_assert_eq!((new, checker.delivered()), (different, different));
            let faults = checker.faults(50);
            prop_assert_eq!(faults.lost, 50 - different);
            prop_assert_eq!(faults.duplicates, arrivals.len() as u64 - different);
        }

        #[test]
        fn a_stamp_is_read_as_it_was_written(
            run: u64, publisher: u32, sequence: u64, sent_nanos: u64, more in 0usize..100,
        ) {
            let stamp = Stamp { run, publisher, sequence, sent_nanos };
            let mut payload = vec![b'x'; STAMP_BYTES + more];
            stamp.write(&mut payload);
            prop_assert_eq!(Stamp::read(&payload, run), Some(stamp));
            prop_assert_eq!(Stamp::read(&payload, run.wrapping_add(1)), None);
            prop_assert_eq!(Stamp::read(&payload[..STAMP_BYTES - 1], run), None);
        }
    }
}

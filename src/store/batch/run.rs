//! A batch from begin to commit: load what the writes need, apply them, write the changes back.
//! A sweep step stands between, and so does a claim: it sees what came before and what follows
//! sees it.

use std::future::Future;
use std::ops::RangeInclusive;

use super::{Changes, Counts, DEDUPE_KEPT, Needs, Work};
use crate::model::{Due, Recipient, Seq, Stamp};
use crate::store::{Claim, Commit, StoreError, Sweep, Swept, Write, Written};

/// Records that one sweep step removes, about: what follows waits for it.
const SWEEP_RECORDS_COUNT_MAX: u64 = 10_000;

/// Where a sweep continues, as [`Swept::next`] tells it: recipients from their number on, then
/// expired messages, then sender states from their number on, then dedupe keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Recipients(i64),
    Expired,
    States(i64),
    Dedupe,
}

const EXPIRED: i64 = i64::MIN;
const DEDUPE: i64 = i64::MIN + 1;

impl Place {
    fn decode(after: i64) -> Place {
        match after {
            EXPIRED => Place::Expired,
            DEDUPE => Place::Dedupe,
            0.. => Place::Recipients(after),
            _ => Place::States(-1 - after),
        }
    }

    fn encode(self) -> i64 {
        match self {
            Place::Recipients(after) => after,
            Place::Expired => EXPIRED,
            Place::States(after) => -1 - after,
            Place::Dedupe => DEDUPE,
        }
    }
}

/// A recipient in a page of the sweeper.
#[derive(Clone, Debug)]
pub(in crate::store) struct PageItem {
    pub(in crate::store) number: i64,
    pub(in crate::store) recipient: Recipient,
    pub(in crate::store) low: Seq,
    /// The end of the run of records that are older than the retention.
    pub(in crate::store) aged: Seq,
}

/// One open transaction of a database.
pub(in crate::store) trait Transaction: Send {
    type Error: From<StoreError> + Send;

    /// Puts what is needed into `work`.
    fn load(
        &mut self,
        needs: Needs,
        work: &mut Work,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Writes; counts the records that were there to be removed.
    fn flush(
        &mut self,
        changes: Changes,
        now: Stamp,
    ) -> impl Future<Output = Result<Counts, Self::Error>> + Send;

    /// Claims what is due. What was loaded of it is forgotten afterwards.
    fn claim(&mut self, claim: Claim)
    -> impl Future<Output = Result<Vec<Due>, Self::Error>> + Send;

    /// The next recipients after a number.
    fn page(
        &mut self,
        after: i64,
        count: u32,
        oldest: Stamp,
    ) -> impl Future<Output = Result<Vec<PageItem>, Self::Error>> + Send;

    /// Removes messages past their expiry; forgets their logs in `work`. Returns how many.
    fn remove_expired(
        &mut self,
        work: &mut Work,
        count: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Removes sender states not touched since `oldest` among the next `count`; returns the number
    /// of the last one looked at.
    fn remove_states(
        &mut self,
        after: i64,
        oldest: Stamp,
        count: u32,
    ) -> impl Future<Output = Result<Option<i64>, Self::Error>> + Send;

    /// Removes dedupe keys that were taken before these times, or not before their end: that is
    /// how they look when the clock went back. Returns how many.
    fn remove_dedupe(
        &mut self,
        times: RangeInclusive<Stamp>,
        count: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

/// Applies a batch within an open transaction.
pub(in crate::store) async fn run<T: Transaction>(
    transaction: &mut T,
    work: &mut Work,
    batch: &[Write],
) -> Result<Commit, T::Error> {
    let mut commit = Commit::default();
    let mut counts = Counts::default();
    let is_apart = |write: &Write| matches!(write, Write::Sweep(_) | Write::Claim(_));
    for part in batch.chunk_by(|a, b| !is_apart(a) && !is_apart(b)) {
        if let [Write::Claim(claim)] = part {
            commit.answers.push(Written::Claimed(transaction.claim(*claim).await?));
            work.forget_loaded_due();
            continue;
        }
        if let [Write::Sweep(sweep)] = part {
            commit.answers.push(self::sweep(transaction, work, sweep).await?);
            continue;
        }
        transaction.load(Needs::of(part, work), work).await?;
        for write in part {
            commit.answers.push(work.apply(write)?);
        }
        work.trim();
        work.release();
        counts.join(flush(transaction, work).await?);
    }
    commit.removed = counts.into_vec();
    commit.legacies = work.legacies;
    Ok(commit)
}

async fn flush<T: Transaction>(transaction: &mut T, work: &mut Work) -> Result<Counts, T::Error> {
    let mut counts = std::mem::take(&mut work.counts);
    let changes = work.take_changes();
    if !changes.is_empty() {
        counts.join(transaction.flush(changes, work.now).await?);
    }
    Ok(counts)
}

async fn sweep<T: Transaction>(
    transaction: &mut T,
    work: &mut Work,
    sweep: &Sweep,
) -> Result<Written, T::Error> {
    let count = sweep.recipients_max.max(1);
    let mut swept = Swept::default();
    let next = match Place::decode(sweep.after) {
        Place::Recipients(after) => {
            let next = sweep_page(transaction, work, sweep, after, &mut swept).await?;
            Some(next.map_or(Place::Expired, Place::Recipients))
        }
        Place::Expired => {
            let gone = transaction.remove_expired(work, count).await?;
            work.count(crate::store::Removal::Expired, gone);
            Some(if gone < u64::from(count) { Place::States(0) } else { Place::Expired })
        }
        Place::States(after) => {
            let oldest = work.now.before(sweep.device_ttl);
            let last = transaction.remove_states(after, oldest, count).await?;
            work.states.clear();
            Some(last.map_or(Place::Dedupe, Place::States))
        }
        Place::Dedupe => {
            let times = work.now.before(DEDUPE_KEPT)..=work.now.after(DEDUPE_KEPT);
            let gone = transaction.remove_dedupe(times, count).await?;
            work.dedupe.clear();
            (gone == u64::from(count)).then_some(Place::Dedupe)
        }
    };
    swept.removed = flush(transaction, work).await?.into_vec();
    swept.next = next.map(Place::encode);
    Ok(Written::Swept(Box::new(swept)))
}

/// Returns the number to continue after; `None` at the end.
async fn sweep_page<T: Transaction>(
    transaction: &mut T,
    work: &mut Work,
    sweep: &Sweep,
    after: i64,
    swept: &mut Swept,
) -> Result<Option<i64>, T::Error> {
    let oldest = work.now.before(sweep.retention);
    let page = transaction.page(after, sweep.recipients_max.max(1), oldest).await?;
    let recipients = page.iter().map(|item| item.recipient.clone());
    let mut needs = Needs::recipients(recipients.collect());
    needs.states.extend(page.iter().filter_map(|item| match &item.recipient {
        Recipient::Session(key) => Some(key.clone()),
        _ => None,
    }));
    needs.drop_loaded(work);
    transaction.load(needs, work).await?;
    let (mut records, mut last) = (0, after);
    for item in &page {
        records += work.sweep_log(item, sweep, &mut swept.expired_sessions);
        swept.census += work.census(&item.recipient);
        last = item.number;
        if records >= SWEEP_RECORDS_COUNT_MAX {
            return Ok(Some(last));
        }
    }
    Ok((page.len() as u64 >= u64::from(sweep.recipients_max.max(1))).then_some(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_sweep_comes_back_from_its_number() {
        use Place::{Dedupe, Expired, Recipients, States};
        for place in [Recipients(0), Recipients(i64::MAX), Expired, States(0), States(7), Dedupe] {
            assert_eq!(Place::decode(place.encode()), place);
        }
    }
}

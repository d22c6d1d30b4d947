//! The engine of what waits for its time: claims what is due, asks who its owner is now, and hands
//! it to a worker, a bounded number at a time. It sleeps until the next one is due.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::auth::Known;
use crate::broker::policy::Denial;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::limit::{CLAIMED_BYTES_MAX, CLAIMED_COUNT_MAX};
use crate::model::{Due, Identity, MessageId, Moment, Reason, Stamp, Target, Uid};
use crate::shard::{Fire, unknown_user, worker_of};
use crate::store::commit::{Committer, Done};
use crate::store::{Change, Claim, Schedule, Store, StoreError, Write, Written};

use super::worker::Mail;
use super::{Gate, Mailbox};

/// The clock may be set right meanwhile, so nothing is slept through for longer.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// After a failure of the store.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// What the store's writer tells the engine.
pub struct Bell {
    /// The engine sleeps until then.
    until: AtomicI64,
    /// Something is due earlier.
    earlier: Notify,
    /// What has gone out or was dropped; as many as were claimed at most.
    ended: Mutex<Vec<(MessageId, Ended)>>,
    some_ended: Notify,
}

/// How it ended with a message that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Fired,
    /// There was no room for one more retained message of its owner.
    OverQuota,
    /// It had been dropped, or somebody else has sent it.
    Gone,
    /// It is still in the store.
    Failed,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell {
            until: AtomicI64::new(i64::MAX),
            earlier: Notify::new(),
            ended: Mutex::default(),
            some_ended: Notify::new(),
        }
    }
}

impl Bell {
    /// A write has ended.
    pub fn hear(&self, done: &Done) {
        match (&done.write, &done.result) {
            (Write::Append(append), result) if append.fires => {
                self.end(append.message.id, Ended::of(result));
            }
            (Write::DropDue { id }, Ok(_)) => self.end(*id, Ended::Gone),
            (Write::DropDue { id }, Err(_)) => self.end(*id, Ended::Failed),
            (Write::Schedule(Schedule { change: Change::Put(due, _), .. }), Ok(Written::Done)) => {
                // One over its quota is due at once, which its own time does not say.
                let at = if due.name.as_ref().is_some_and(|name| name.is_will()) {
                    Stamp::default()
                } else {
                    due.at
                };
                self.ring(at);
            }
            (_, Ok(Written::Opened(opened))) if opened.will_is_due => self.ring(Stamp::default()),
            (Write::EndSession { expiry, .. }, Ok(_)) if expiry.is_zero() => {
                self.ring(Stamp::default());
            }
            _ => {}
        }
    }

    fn ring(&self, at: Stamp) {
        if at.0 < self.until.load(Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }

    fn end(&self, id: MessageId, ended: Ended) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push((id, ended));
        self.some_ended.notify_one();
    }

    async fn take_ended(&self) -> Vec<(MessageId, Ended)> {
        loop {
            let ended =
                std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
            if !ended.is_empty() {
                return ended;
            }
            self.some_ended.notified().await;
        }
    }
}

impl Ended {
    fn of(result: &Result<Written, StoreError>) -> Ended {
        match result {
            Ok(Written::Appended { .. }) => Ended::Fired,
            Ok(Written::OverQuota) => Ended::OverQuota,
            Ok(_) => Ended::Gone,
            Err(_) => Ended::Failed,
        }
    }
}

/// Who left the message before, then and now: many that are due together are of one owner.
type Today = (Arc<Identity>, Option<Identity>);

/// See the module's documentation.
pub struct DueEngine {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub gate: Arc<Gate>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub bell: Arc<Bell>,
}

/// What was claimed and failed: it is tried again, and again, while others go out. As much as is
/// claimed at most.
#[derive(Default)]
struct Held {
    due: Vec<Due>,
    tried_at: Moment,
}

impl Held {
    /// What may be claimed beside it; `None`: nothing.
    fn room(&self, until: Stamp) -> Option<Claim> {
        let bytes: u64 = self.due.iter().map(|due| due.message.body.len() as u64).sum();
        let count_max = CLAIMED_COUNT_MAX.saturating_sub(self.due.len());
        let bytes_max = CLAIMED_BYTES_MAX.saturating_sub(bytes);
        (count_max > 0 && bytes_max > 0).then_some(Claim { until, count_max, bytes_max })
    }

    fn add(&mut self, failed: Vec<Due>, now: Moment) {
        if self.due.is_empty() {
            self.tried_at = now;
        }
        self.due.extend(failed);
    }
}

impl DueEngine {
    pub async fn run(self) {
        let (mut counted_at, mut held) = (None, Held::default());
        loop {
            let round = async {
                self.count(&mut counted_at).await?;
                self.round(&mut held).await
            };
            if let Err(error) = round.await {
                tracing::warn!("what is due waits, the store was not to be had: {error}");
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }

    /// Once in a while.
    async fn count(&self, counted_at: &mut Option<Moment>) -> Result<(), StoreError> {
        let now = self.clock.moment();
        if counted_at.is_none_or(|at| now.since(at) >= SLEEP_MAX) {
            self.metrics.schedules.counted(self.store.due_count().await?);
            *counted_at = Some(now);
        }
        Ok(())
    }

    /// Sends what is due, or sleeps until something is.
    async fn round(&self, held: &mut Held) -> Result<(), StoreError> {
        self.retry(held).await;
        // From here on everything that comes wakes it, until it has seen what there is.
        self.bell.until.store(i64::MAX, Ordering::SeqCst);
        let next = self.store.next_due().await?;
        let now = self.clock.stamp();
        let room = held.room(now);
        if next.is_some_and(|next| next <= now)
            && let Some(claim) = room
        {
            let failed = self.send_all(self.claim(claim).await?).await;
            held.add(failed, self.clock.moment());
            return Ok(());
        }
        self.bell.until.store(next.map_or(i64::MAX, |next| next.0), Ordering::SeqCst);
        let next = next.filter(|_| room.is_some());
        let longest = if held.due.is_empty() { SLEEP_MAX } else { RETRY_WAIT };
        let sleep = next.map_or(longest, |next| now.until(next).min(longest));
        // Nothing was missed: what rang before is remembered.
        _ = tokio::time::timeout(sleep, self.bell.earlier.notified()).await;
        Ok(())
    }

    async fn retry(&self, held: &mut Held) {
        if !held.due.is_empty() && self.clock.moment().since(held.tried_at) >= RETRY_WAIT {
            held.due = self.send_all(std::mem::take(&mut held.due)).await;
            held.tried_at = self.clock.moment();
        }
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Due>, StoreError> {
        match self.committer.write(Write::Claim(claim)).await? {
            Written::Claimed(due) => Ok(due),
            _ => Ok(Vec::new()),
        }
    }

    /// Until all of them have gone out, were dropped or failed: those come back. Those of one user
    /// in the order in which they are due.
    async fn send_all(&self, due: Vec<Due>) -> Vec<Due> {
        let (mut known, mut unasked) = (None, None);
        let (mut sent, mut failed) = (HashMap::new(), Vec::new());
        for one in due {
            match self.send(&one, &mut known).await {
                Ok(()) => _ = sent.insert(one.message.id, one),
                Err(error) => {
                    unasked = Some(error);
                    failed.push(one);
                }
            }
        }
        if let Some(error) = unasked {
            let count = failed.len();
            tracing::warn!(
                "{count} due messages wait, who may get them was not to be had: {error}"
            );
        }
        while !sent.is_empty() {
            for (id, ended) in self.bell.take_ended().await {
                let Some(one) = sent.remove(&id) else { continue };
                failed.extend(self.ended(one, ended));
            }
        }
        failed.sort_by_key(|one| (one.at, one.message.id));
        failed
    }

    async fn send(&self, due: &Due, known: &mut Option<Today>) -> Result<(), StoreError> {
        let who = self.owner(due, known).await?;
        let worker = worker_of(&due.message.from.uid, self.mailboxes.len() as u16);
        let fire = Fire { due: due.clone(), who };
        self.mailboxes[usize::from(worker)].post([Mail::Fire(Box::new(fire))]);
        Ok(())
    }

    /// Who left it, as of now (threat I8).
    async fn owner(
        &self,
        due: &Due,
        known: &mut Option<Today>,
    ) -> Result<Result<Identity, Denial>, StoreError> {
        let no = |reason: Reason| Ok(Err((reason, reason.words().into())));
        let (who, now) = (&due.who, self.clock.stamp());
        if self.gate.bans.now().of_login(&who.uid, &who.client_id, now).is_some() {
            return no(Reason::Banned);
        }
        if who.expires_at.is_some_and(|at| at <= now) {
            return no(Reason::LoginExpired);
        }
        let today = match known.take() {
            Some((then, today)) if then == *who => today,
            _ => self.gate.directory.today(who).await?,
        };
        *known = Some((who.clone(), today.clone()));
        let Some(who) = today else { return no(Reason::Removed) };
        match self.addressee(due) {
            Some(uid) if !self.exists(&uid).await? => Ok(Err(unknown_user(&uid))),
            _ => Ok(Ok(who)),
        }
    }

    async fn exists(&self, uid: &Uid) -> Result<bool, StoreError> {
        match self.gate.directory.knows(uid) {
            Known::Yes => Ok(true),
            Known::No => Ok(false),
            Known::Ask => self.gate.directory.ask(uid).await,
        }
    }

    fn addressee(&self, due: &Due) -> Option<Uid> {
        match self.gate.live.load().settings.topics.target(&due.message.topic) {
            Ok(Target::User(uid)) => Some(uid),
            _ => None,
        }
    }

    /// Counts it; one that failed comes back.
    fn ended(&self, due: Due, ended: Ended) -> Option<Due> {
        match ended {
            Ended::Fired => {
                self.metrics.schedules.fired(due.at.until(self.clock.stamp()));
                None
            }
            Ended::OverQuota => {
                let (uid, topic) = (&due.message.from.uid, &due.message.topic);
                let words = "the retained messages of its user: limits.retained_per_user";
                tracing::info!(%uid, "what was due to {topic:?} does not go out: {words}");
                self.metrics.schedules.refused(Reason::QuotaExceeded);
                None
            }
            Ended::Gone => None,
            Ended::Failed => Some(due),
        }
    }
}

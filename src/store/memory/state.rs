//! What the memory store keeps, and what each write does to it: the meaning of the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use super::due::Waiting;
use crate::model::limit::DEDUPE_KEY_KEPT_SECS;
use crate::model::{
    Ban, BanTarget, ClientId, DedupeKey, Entry, Filter, Message, MessageId, Recipient, Roles,
    SenderState, Seq, SessionKey, Stamp, Step, Uid,
};
use crate::store::open::Restart;
use crate::store::{
    Account, Append, Commit, Cursor, DEVICE_SEEN_GRAIN, Inherited, KnownDevice, Log,
    RELEASE_COUNT_MAX, Removal, StoreLimits, Subscription, Write, Written,
};

/// How long a publisher's own message id makes a second publish a duplicate.
pub(super) const DEDUPE_KEPT: Duration = Duration::from_secs(DEDUPE_KEY_KEPT_SECS);

pub(super) struct State {
    pub(super) limits: StoreLimits,
    pub(super) logs: BTreeMap<Recipient, LogState>,
    pub(super) devices: BTreeMap<SessionKey, Device>,
    pub(super) sessions: BTreeMap<SessionKey, Session>,
    pub(super) states: BTreeMap<SessionKey, (SenderState, Stamp)>,
    pub(super) dedupe: BTreeMap<(Uid, Box<str>), (MessageId, Stamp)>,
    pub(super) retained: BTreeMap<Box<str>, Arc<Message>>,
    /// What ended sessions left to the other members of shared subscriptions.
    pub(super) legacies: Vec<(SessionKey, Entry)>,
    /// This batch left some.
    has_new_legacies: bool,
    pub(super) due: BTreeMap<MessageId, Waiting>,
    pub(super) accounts: BTreeMap<Uid, Account>,
    pub(super) bans: BTreeMap<BanTarget, Ban>,
    /// Logs that this batch appended to; trimmed at its end.
    touched: BTreeSet<Recipient>,
    /// Logs of which a reader has moved on in this batch.
    advanced: BTreeSet<Recipient>,
    pub(super) removed: BTreeMap<Removal, u64>,
}

#[derive(Default)]
pub(super) struct LogState {
    pub(super) head: Seq,
    pub(super) records: BTreeMap<Seq, Entry>,
}

pub(super) struct Device {
    pub(super) cursor: Seq,
    pub(super) sent: Seq,
    pub(super) seen_at: Stamp,
}

#[derive(Default)]
pub(super) struct Session {
    pub(super) expiry: Duration,
    /// `None` while it is connected.
    pub(super) ended_at: Option<Stamp>,
    pub(super) cursor: Seq,
    pub(super) sent: Seq,
    pub(super) subscriptions: BTreeMap<Filter, Subscription>,
}

impl Session {
    pub(super) fn has_expired(&self, now: Stamp) -> bool {
        self.ended_at.is_some_and(|ended_at| ended_at.after(self.expiry) <= now)
    }

    /// What was sent up to here is owed until it is answered, though it may have expired
    /// [MQTT-4.3.3-7]. A connected session alone knows what was.
    pub(super) fn owed(&self) -> Seq {
        if self.ended_at.is_some() { self.sent } else { Seq(u64::MAX) }
    }
}

impl LogState {
    /// The position before the oldest record kept; the head if there is none.
    pub(super) fn start(&self) -> Seq {
        self.records.keys().next().map_or(self.head, |low| Seq(low.0 - 1))
    }
}

impl State {
    pub(super) fn new(limits: StoreLimits) -> State {
        State {
            limits,
            logs: BTreeMap::new(),
            devices: BTreeMap::new(),
            sessions: BTreeMap::new(),
            states: BTreeMap::new(),
            dedupe: BTreeMap::new(),
            retained: BTreeMap::new(),
            legacies: Vec::new(),
            has_new_legacies: false,
            due: BTreeMap::new(),
            accounts: BTreeMap::new(),
            bans: BTreeMap::new(),
            touched: BTreeSet::new(),
            advanced: BTreeSet::new(),
            removed: BTreeMap::new(),
        }
    }

    /// Sessions that were connected when the process ended begin to expire. The clock says `now`,
    /// see [`Restart`].
    pub(super) fn restart(&mut self, now: Stamp) {
        self.unclaim();
        let ended = self.sessions.values().filter_map(|session| session.ended_at).max();
        let restart = Restart::new(now, self.newest().max(ended));
        let expiry = self.limits.session_expiry_max;
        for (key, session) in &mut self.sessions {
            if let Some(at) = &mut session.ended_at {
                *at = at.after(restart.off);
            } else {
                (session.ended_at, session.expiry) = (Some(restart.now), expiry);
                let log = self.logs.get(&Recipient::Session(key.clone()));
                let newest = log.and_then(|log| log.records.keys().next_back().copied());
                session.sent = session.sent.max(newest.unwrap_or_default());
            }
        }
    }

    pub(super) fn apply(&mut self, batch: &[Write], now: Stamp) -> Commit {
        let answers = batch.iter().map(|write| self.write(write, now)).collect();
        self.settle();
        let removed = std::mem::take(&mut self.removed).into_iter().collect();
        let legacies = std::mem::take(&mut self.has_new_legacies);
        Commit { answers, removed, synced: None, legacies }
    }

    fn write(&mut self, write: &Write, now: Stamp) -> Written {
        match write {
            Write::Append(append) => return self.append(append, now),
            Write::Schedule(schedule) => return self.schedule(schedule, now),
            Write::Claim(claim) => {
                self.settle();
                return Written::Claimed(self.claim(*claim));
            }
            Write::DropDue { id } => {
                self.due.remove(id);
            }
            Write::OpenSession { key, clean_start, keep } => {
                return self.open_session(key, *clean_start, *keep, now);
            }
            Write::KnowDevice { key, devices_max } => {
                return Written::Known(self.know_device(key, *devices_max, now));
            }
            Write::Sweep(sweep) => {
                self.settle();
                return self.sweep(sweep, now);
            }
            Write::ForgetDevice { key } => self.forget_device(key, now),
            Write::ForgetInbox { uid } => self.forget_inbox(uid),
            Write::EndSession { key, expiry } => self.end_session(key, *expiry, now),
            Write::Step { key, step } => self.step(key, *step, now),
            Write::Subscribe { key, subscriptions } => self.subscribe(key, subscriptions),
            Write::Unsubscribe { key, filters } => self.unsubscribe(key, filters),
            Write::Advance { key, log, cursor, sent } => {
                self.advance(key, *log, (*cursor, *sent), now)
            }
            Write::PutAccount { uid, account } => {
                self.accounts.insert(uid.clone(), account.clone());
            }
            Write::DeleteAccount { uid } => {
                self.accounts.remove(uid);
            }
            Write::PutBan(ban) => self.put_ban(ban, now),
            Write::DeleteBan(target) => {
                self.bans.retain(|_, ban| ban.holds(now));
                self.bans.remove(target);
            }
        }
        Written::Done
    }

    fn put_ban(&mut self, ban: &Ban, now: Stamp) {
        self.bans.retain(|_, ban| ban.holds(now));
        self.bans.insert(ban.target.clone(), ban.clone());
    }

    fn append(&mut self, append: &Append, now: Stamp) -> Written {
        let key = |DedupeKey(text): &DedupeKey| (append.message.from.uid.clone(), text.clone());
        let key = append.dedupe.as_ref().map(key);
        let known = self.known(&append.message.from.uid, append.dedupe.as_ref(), now);
        if append.fires && self.due.remove(&append.message.id).is_none() {
            return Written::NothingWaits;
        }
        if known.is_none() && self.is_over_quota(append) {
            return Written::OverQuota;
        }
        if let Some((key, step)) = &append.step {
            self.step(key, *step, now);
        }
        if let Some(id) = known {
            return Written::Duplicate { id };
        }
        self.dedupe.extend(key.map(|key| (key, (append.message.id, now))));
        if append.retain.is_some() {
            self.retain(&append.message);
        }
        if let Some(Inherited { key, seq, why }) = &append.inherited {
            let before = self.legacies.len();
            self.legacies.retain(|(owner, entry)| owner != key || entry.seq != *seq);
            self.count(*why, (before - self.legacies.len()) as u64);
        }
        let mut seqs = Vec::with_capacity(append.addressees.len());
        for (recipient, delivery) in &append.addressees {
            let log = self.logs.entry(recipient.clone()).or_default();
            log.head = log.head.next();
            let (seq, message) = (log.head, append.message.clone());
            let entry = Entry { seq, delivery: *delivery, message };
            seqs.push(seq);
            match recipient {
                Recipient::Session(key)
                    if delivery.share.is_some() && !self.sessions.contains_key(key) =>
                {
                    self.leave(key, vec![entry]);
                }
                _ => _ = log.records.insert(seq, entry),
            }
            self.touched.insert(recipient.clone());
        }
        Written::Appended { seqs }
    }

    pub(super) fn leave(&mut self, key: &SessionKey, entries: Vec<Entry>) {
        self.has_new_legacies |= !entries.is_empty();
        self.legacies.extend(entries.into_iter().map(|entry| (key.clone(), entry)));
    }

    /// What the writes so far have made too long or superfluous goes.
    fn settle(&mut self) {
        self.trim();
        self.release();
    }

    /// What every reader has acknowledged goes with the cursor that moved last, but for the newest.
    fn release(&mut self) {
        for recipient in std::mem::take(&mut self.advanced) {
            let acknowledged = self.acknowledged(&recipient);
            let Some(log) = self.logs.get_mut(&recipient) else { continue };
            let last = acknowledged.min(Seq(log.start().0 + RELEASE_COUNT_MAX));
            let kept = log.records.split_off(&last.next().min(log.head));
            let gone = std::mem::replace(&mut log.records, kept).len() as u64;
            self.count(Removal::Acknowledged, gone);
        }
    }

    fn trim(&mut self) {
        for recipient in std::mem::take(&mut self.touched) {
            let Some(log) = self.logs.get_mut(&recipient) else { continue };
            if let Some(last) = self.limits.trim(log.start().0 + 1, log.head.0) {
                let kept = log.records.split_off(&Seq(last + 1));
                let gone = std::mem::replace(&mut log.records, kept).len() as u64;
                *self.removed.entry(Removal::RetentionCount).or_default() += gone;
            }
        }
    }

    pub(super) fn step(&mut self, key: &SessionKey, step: Step, now: Stamp) {
        let (mut state, _) = self.states.remove(key).unwrap_or_default();
        state.apply(step);
        if !state.is_empty() {
            self.states.insert(key.clone(), (state, now));
        }
    }

    fn subscribe(&mut self, key: &SessionKey, subscriptions: &[Subscription]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for subscription in subscriptions {
            session.subscriptions.insert(subscription.filter.clone(), subscription.clone());
        }
    }

    fn unsubscribe(&mut self, key: &SessionKey, filters: &[Box<str>]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.subscriptions.retain(|known, _| !filters.iter().any(|f| **f == *known.as_str()));
    }

    fn advance(&mut self, key: &SessionKey, log: Log, to: (Seq, Seq), now: Stamp) {
        let (cursor, sent) = match log {
            Log::Inbox => {
                let Some(device) = self.devices.get_mut(key) else { return };
                if to.0 > device.cursor || to.1 > device.sent {
                    device.seen_at = now;
                }
                (&mut device.cursor, &mut device.sent)
            }
            Log::Queue => {
                let Some(session) = self.sessions.get_mut(key) else { return };
                (&mut session.cursor, &mut session.sent)
            }
        };
        *cursor = to.0.max(*cursor);
        *sent = to.1.max(*sent).max(*cursor);
        self.advanced.insert(match log {
            Log::Inbox => Recipient::Inbox(key.uid.clone()),
            Log::Queue => Recipient::Session(key.clone()),
        });
    }

    pub(super) fn count(&mut self, why: Removal, records: u64) {
        if records > 0 {
            *self.removed.entry(why).or_default() += records;
        }
    }

    /// A device is here; written at most once per [`DEVICE_SEEN_GRAIN`].
    pub(super) fn see(&mut self, key: &SessionKey, now: Stamp) {
        if let Some(device) = self.devices.get_mut(key)
            && device.seen_at.after(DEVICE_SEEN_GRAIN) <= now
        {
            device.seen_at = now;
        }
    }

    pub(super) fn head(&self, recipient: &Recipient) -> Seq {
        self.logs.get(recipient).map_or(Seq(0), |log| log.head)
    }

    /// See [`crate::store::Store::newest`].
    pub(super) fn newest(&self) -> Option<Stamp> {
        let all = self.logs.values().filter_map(|log| log.records.values().next_back());
        let left = self.legacies.iter().map(|(_, entry)| entry);
        all.chain(left).map(|entry| entry.message.ts).max()
    }

    pub(super) fn read(
        &self,
        recipient: &Recipient,
        after: Seq,
        count_max: usize,
        bytes_max: usize,
    ) -> Vec<Entry> {
        let Some(log) = self.logs.get(recipient) else { return Vec::new() };
        let mut bytes = 0;
        let rest = log.records.range((Excluded(after), Unbounded)).map(|(_, entry)| entry);
        let within = rest.take(count_max.max(1)).enumerate().take_while(|(index, entry)| {
            bytes += entry.message.body.len();
            *index == 0 || bytes <= bytes_max
        });
        within.map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn subscriptions(
        &self,
        after: Option<(SessionKey, Filter)>,
        count_max: usize,
    ) -> Vec<(SessionKey, Subscription)> {
        let all = self.sessions.iter().flat_map(|(key, session)| {
            session.subscriptions.values().map(|subscription| (key.clone(), subscription.clone()))
        });
        let is_after = |key: &SessionKey, filter: &Filter| {
            after.as_ref().is_none_or(|(k, f)| (key, filter) > (k, f))
        };
        all.filter(|(key, sub)| is_after(key, &sub.filter)).take(count_max).collect()
    }

    pub(super) fn accounts(&self, after: Option<&Uid>, count_max: usize) -> Vec<(Uid, Roles)> {
        let start = after.map_or(Unbounded, Excluded);
        let all = self.accounts.range::<Uid, _>((start, Unbounded));
        all.map(|(uid, account)| (uid.clone(), account.roles.clone())).take(count_max).collect()
    }

    pub(super) fn devices(&self, uid: &Uid) -> Vec<KnownDevice> {
        let known = |(key, device): (&SessionKey, &Device)| KnownDevice {
            client_id: key.client_id.clone(),
            cursor: self.inbox_cursor(uid, device),
            seen_at: device.seen_at,
        };
        self.devices.iter().filter(|(key, _)| key.uid == *uid).map(known).collect()
    }

    pub(super) fn sessions(&self, uid: &Uid) -> Vec<ClientId> {
        let own = self.sessions.iter().filter(|(key, _)| key.uid == *uid);
        let mut all: Vec<_> = own.map(|(key, one)| (one.ended_at, key.client_id.clone())).collect();
        all.sort_by_key(|(ended_at, client_id)| {
            (ended_at.is_none(), *ended_at, client_id.as_str().to_owned())
        });
        all.into_iter().map(|(_, client_id)| client_id).collect()
    }

    pub(super) fn inbox_cursor(&self, uid: &Uid, device: &Device) -> Cursor {
        let head = self.head(&Recipient::Inbox(uid.clone()));
        Cursor { cursor: device.cursor, sent: device.sent, head }
    }
}

//! What each write does to the loaded part of the store.

use super::{Changes, DedupeId, Deletion, Leaving, Readers, Row, Work};
use crate::model::{DedupeKey, Delivery, MessageId, QoS, Recipient, Seq, SessionKey, Step, Uid};
use crate::store::checksum::message_hash;
use crate::store::{
    Append, Inherited, Log, RELEASE_COUNT_MAX, Removal, StoreError, Subscription, Write, Written,
};

impl Work {
    /// Applies one write; [`Write::Sweep`] and [`Write::Claim`] have a way of their own.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Written, StoreError> {
        match write {
            Write::Append(append) => return self.append(append),
            Write::Schedule(schedule) => return Ok(self.schedule(schedule)),
            Write::DropDue { id } => {
                self.remove_due(*id);
            }
            Write::OpenSession { key, clean_start, keep } => {
                return self.open_session(key, *clean_start, *keep);
            }
            Write::KnowDevice { key, devices_max } => return self.know_device(key, *devices_max),
            Write::ForgetDevice { key } => self.forget_device(key),
            Write::ForgetInbox { uid } => self.forget_inbox(uid),
            Write::EndSession { key, expiry } => self.end_session(key, *expiry),
            Write::Step { key, step } => self.step(key, *step),
            Write::Subscribe { key, subscriptions } => self.subscribe(key, subscriptions),
            Write::Unsubscribe { key, filters } => self.unsubscribe(key, filters),
            Write::Advance { key, log, cursor, sent } => self.advance(key, *log, *cursor, *sent),
            Write::PutAccount { uid, account } => {
                self.changes.accounts.insert(uid.clone(), Some(account.clone()));
            }
            Write::DeleteAccount { uid } => {
                self.changes.accounts.insert(uid.clone(), None);
            }
            Write::PutBan(ban) => {
                self.changes.bans.insert(ban.target.clone(), Some(ban.clone()));
            }
            Write::DeleteBan(target) => {
                self.changes.bans.insert(target.clone(), None);
            }
            Write::Sweep(_) | Write::Claim(_) => {}
        }
        Ok(Written::Done)
    }

    fn append(&mut self, append: &Append) -> Result<Written, StoreError> {
        let known = self.known(&append.message.from.uid, append.dedupe.as_ref());
        if !self.fires(append) {
            return Ok(Written::NothingWaits);
        }
        if known.is_none() && self.is_over_quota(append) {
            return Ok(Written::OverQuota);
        }
        if let Some((key, step)) = &append.step {
            self.step(key, *step);
        }
        if let Some(id) = known {
            return Ok(Written::Duplicate { id });
        }
        if let Some(DedupeKey(text)) = &append.dedupe {
            self.take_dedupe((append.message.from.uid.clone(), text.clone()), append.message.id);
        }
        if append.retain.is_some() {
            self.retain(append);
        }
        if let Some(inherited) = &append.inherited {
            self.settle(inherited);
        }
        self.append_rows(append)
    }

    /// The message that was stored under the publisher's own id.
    pub(super) fn known(&self, uid: &Uid, dedupe: Option<&DedupeKey>) -> Option<MessageId> {
        let DedupeKey(text) = dedupe?;
        *self.dedupe.get(&(uid.clone(), text.clone()))?
    }

    pub(super) fn take_dedupe(&mut self, key: DedupeId, id: MessageId) {
        self.changes.dedupe.insert(key.clone(), id);
        self.dedupe.insert(key, Some(id));
    }

    fn append_rows(&mut self, append: &Append) -> Result<Written, StoreError> {
        let hash = message_hash(&append.message);
        let shared = (append.addressees.len() > 1).then_some(self.changes.bodies);
        self.changes.bodies += usize::from(shared.is_some());
        let mut seqs = Vec::with_capacity(append.addressees.len());
        for (recipient, delivery) in &append.addressees {
            let ledger = self.ledger(recipient)?;
            ledger.head = ledger.head.next();
            ledger.busy = true;
            let (id, seq) = (ledger.id, ledger.head);
            let (delivery, message) = (*delivery, append.message.clone());
            // Its member left after it was picked: it is for another one.
            let is_left =
                delivery.share.is_some() && matches!(ledger.readers, Readers::Session(None));
            let recipient = if is_left { -id } else { id };
            if is_left {
                ledger.dense &= ledger.low == seq;
                ledger.low = if ledger.low == seq { seq.next() } else { ledger.low };
                self.changes.heads.insert(id, seq);
            }
            self.legacies |= is_left;
            self.changes.rows.push(Row { recipient, seq, delivery, message, hash, shared });
            self.changes.appended.entry(id).or_insert((seq, seq)).1 = seq;
            seqs.push(seq);
        }
        Ok(Written::Appended { seqs })
    }

    /// What others of a shared subscription get of a session that ends here.
    pub(super) fn leave(&mut self, leaving: Leaving) {
        if leaving.first > leaving.last {
            return;
        }
        let own = |row: &&mut Row| row.recipient == leaving.recipient && leaving.takes(row);
        self.changes.rows.iter_mut().filter(own).for_each(|row| row.recipient = -row.recipient);
        self.changes.leaving.push(leaving);
        self.legacies = true;
    }

    fn settle(&mut self, Inherited { key, seq, why }: &Inherited) {
        let Some(Some(ledger)) = self.ledgers.get(&Recipient::Session(key.clone())) else { return };
        let (recipient, first, last) = (-ledger.id, *seq, *seq);
        self.changes.deletions.push(Deletion { recipient, first, last, why: *why });
    }

    /// The count limit: logs that grew too long in this transaction lose their oldest records.
    pub(super) fn trim(&mut self) {
        let limits = self.limits;
        let too_long = self.ledgers.iter().filter_map(|(recipient, ledger)| {
            let ledger = ledger.as_ref()?;
            let last = limits.trim(ledger.low.0, ledger.head.0)?;
            self.changes.appended.contains_key(&ledger.id).then(|| (recipient.clone(), Seq(last)))
        });
        for (recipient, last) in too_long.collect::<Vec<_>>() {
            self.delete(&recipient, last, Removal::RetentionCount);
        }
    }

    /// What every reader has acknowledged goes with the cursor that moved last: the log stays
    /// short, and with it what a commit writes. The newest record stays: it tells the log's head.
    /// Of many, which a device left that is no more, the rest goes with the next or the sweeper.
    pub(super) fn release(&mut self) {
        for recipient in std::mem::take(&mut self.changes.advanced) {
            let Some(Some(ledger)) = self.ledgers.get(&recipient) else { continue };
            let last = ledger.acknowledged().min(Seq(ledger.head.0.saturating_sub(1)));
            let last = last.min(Seq(ledger.start().0 + RELEASE_COUNT_MAX));
            self.delete(&recipient, last, Removal::Acknowledged);
        }
    }

    /// Removes the oldest records up to `last`.
    pub(super) fn delete(&mut self, recipient: &Recipient, last: Seq, why: Removal) {
        let Some(Some(ledger)) = self.ledgers.get_mut(recipient) else { return };
        let last = last.min(ledger.head);
        if last < ledger.low {
            return;
        }
        let deletion = Deletion { recipient: ledger.id, first: ledger.low, last, why };
        ledger.low = last.next();
        if last == ledger.head {
            self.changes.heads.insert(ledger.id, ledger.head);
            ledger.dense = true;
        } else {
            ledger.stale |= !ledger.dense;
        }
        let dropped = self.changes.drop_rows(&deletion);
        self.changes.deletions.push(deletion);
        self.count(why, dropped);
    }

    pub(super) fn step(&mut self, key: &SessionKey, step: Step) {
        if !self.states.contains_key(key) {
            self.states.insert(key.clone(), Default::default());
        }
        let Some(slot) = self.states.get_mut(key) else { return };
        slot.busy = true;
        slot.state.apply(step);
        if slot.stored || !slot.state.is_empty() {
            slot.changed = true;
        }
    }

    fn session_id(&self, key: &SessionKey) -> Option<i64> {
        let ledger = self.ledgers.get(&Recipient::Session(key.clone()))?.as_ref()?;
        ledger.session().map(|_| ledger.id)
    }

    fn subscribe(&mut self, key: &SessionKey, subscriptions: &[Subscription]) {
        let Some(id) = self.session_id(key) else { return };
        for subscription in subscriptions {
            let filter = subscription.filter.clone();
            if let Some(loaded) = self.subscriptions.get_mut(key) {
                loaded.insert(filter.clone(), subscription.clone());
            }
            self.changes.subscriptions.insert((id, filter), Some(subscription.clone()));
        }
    }

    fn unsubscribe(&mut self, key: &SessionKey, filters: &[Box<str>]) {
        let Some(id) = self.session_id(key) else { return };
        for filter in filters.iter().filter_map(|text| crate::model::Filter::parse(text)) {
            if let Some(loaded) = self.subscriptions.get_mut(key) {
                loaded.remove(&filter);
            }
            self.changes.subscriptions.insert((id, filter), None);
        }
    }

    fn advance(&mut self, key: &SessionKey, log: Log, cursor: Seq, sent: Seq) {
        let recipient = match log {
            Log::Inbox => Recipient::Inbox(key.uid.clone()),
            Log::Queue => Recipient::Session(key.clone()),
        };
        let Some(Some(ledger)) = self.ledgers.get_mut(&recipient) else { return };
        let moves = match &mut ledger.readers {
            Readers::Inbox(devices) => {
                let Some(device) = devices.get_mut(&key.client_id) else { return };
                let moves = forward(&mut device.cursor, &mut device.sent, cursor, sent);
                if moves {
                    device.seen_at = self.now;
                    let key = (ledger.id, key.client_id.clone());
                    self.changes.devices.insert(key, Some(*device));
                }
                moves
            }
            Readers::Session(Some(session)) => {
                let moves = forward(&mut session.cursor, &mut session.sent, cursor, sent);
                let changed = moves.then_some((ledger.id, Some(*session)));
                self.changes.sessions.extend(changed);
                moves
            }
            _ => return,
        };
        ledger.busy |= moves;
        self.changes.advanced.insert(recipient);
    }

    /// What is to be written since the last time. Logs whose low end is not exact are forgotten.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        for (key, slot) in self.states.iter_mut().filter(|(_, slot)| slot.changed) {
            let bytes = (!slot.state.is_empty()).then(|| slot.state.encode());
            (slot.stored, slot.changed) = (bytes.is_some(), false);
            changes.states.insert(key.clone(), bytes);
        }
        self.ledgers.retain(|_, ledger| ledger.as_ref().is_none_or(|ledger| !ledger.stale));
        changes
    }
}

impl Leaving {
    fn takes(&self, row: &Row) -> bool {
        let Delivery { qos, share, .. } = row.delivery;
        let was_sent = qos == QoS::ExactlyOnce && row.seq <= self.sent;
        share.is_some() && !was_sent && (self.first..=self.last).contains(&row.seq)
    }
}

impl Changes {
    /// Records that never reach the disk since the same transaction removes them.
    fn drop_rows(&mut self, deletion: &Deletion) -> u64 {
        match self.appended.get(&deletion.recipient) {
            Some((first, _)) if *first <= deletion.last => {}
            _ => return 0,
        }
        let before = self.rows.len();
        self.rows.retain(|row| row.recipient != deletion.recipient || row.seq > deletion.last);
        (before - self.rows.len()) as u64
    }
}

/// Never back; true if anything moved.
fn forward(cursor: &mut Seq, sent: &mut Seq, to: Seq, sent_to: Seq) -> bool {
    let moves = to > *cursor || sent_to > *sent;
    *cursor = to.max(*cursor);
    *sent = sent_to.max(*sent).max(*cursor);
    moves
}

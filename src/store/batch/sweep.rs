//! The sweeper's rules for one recipient.

use super::{PageItem, Readers, Session, Work};
use crate::model::{ClientId, Recipient, Seq, SessionKey, Stamp};
use crate::store::{Census, Removal, Sweep};

impl Work {
    /// Removes what may go from one log. Returns how many records that spans, at most.
    pub(super) fn sweep_log(
        &mut self,
        item: &PageItem,
        sweep: &Sweep,
        expired: &mut Vec<SessionKey>,
    ) -> u64 {
        let recipient = &item.recipient;
        self.forget_old_devices(recipient, self.now.before(sweep.device_ttl));
        self.expire_session(recipient, expired);
        let Some(Some(ledger)) = self.ledgers.get(recipient) else { return 0 };
        let (low, head, acknowledged) = (item.low, ledger.head, ledger.acknowledged());
        let orphaned = matches!(&ledger.readers, Readers::Session(None));
        let over = Seq(head.0.saturating_sub(sweep.messages_max));
        self.delete(recipient, acknowledged, Removal::Acknowledged);
        if orphaned {
            self.delete(recipient, head, Removal::SessionEnded);
        }
        self.delete(recipient, item.aged, Removal::RetentionAge);
        self.delete(recipient, over, Removal::RetentionCount);
        let kept = self.ledgers.get(recipient).and_then(Option::as_ref);
        kept.map_or(0, |ledger| ledger.low.0.saturating_sub(low.0))
    }

    /// What is left of one recipient.
    pub(super) fn census(&self, recipient: &Recipient) -> Census {
        let Some(Some(ledger)) = self.ledgers.get(recipient) else { return Census::default() };
        let done = ledger.acknowledged().max(ledger.start());
        let (connected, away) = match ledger.session() {
            None => (0, 0),
            Some(Session { ended_at: None, .. }) => (1, 0),
            Some(_) => (0, 1),
        };
        Census { connected, away, waiting: ledger.head.0.saturating_sub(done.0) }
    }

    fn forget_old_devices(&mut self, recipient: &Recipient, oldest: Stamp) {
        let Some(Some(ledger)) = self.ledgers.get_mut(recipient) else { return };
        let id = ledger.id;
        let Readers::Inbox(devices) = &mut ledger.readers else { return };
        let old = devices.iter().filter(|(_, device)| device.seen_at < oldest);
        let old: Vec<ClientId> = old.map(|(client_id, _)| client_id.clone()).collect();
        devices.retain(|_, device| device.seen_at >= oldest);
        // The clock went back: else it would be kept until the clock is there again.
        let now = self.now;
        for (client_id, device) in devices.iter_mut().filter(|(_, device)| device.seen_at > now) {
            device.seen_at = now;
            self.changes.devices.insert((id, client_id.clone()), Some(*device));
        }
        self.forget_devices(id, old, Removal::DeviceTtl);
    }

    fn expire_session(&mut self, recipient: &Recipient, expired: &mut Vec<SessionKey>) {
        let Recipient::Session(key) = recipient else { return };
        let Some(Some(ledger)) = self.ledgers.get(recipient) else { return };
        let (session, now) = (ledger.session(), self.now);
        if session.is_some_and(|session| session.has_expired(now)) {
            self.delete_session(key, Removal::SessionEnded);
            expired.push(key.clone());
        } else if session.is_some_and(|session| session.ended_at > Some(now)) {
            self.change_session(key, |session| session.ended_at = Some(now));
        }
    }
}

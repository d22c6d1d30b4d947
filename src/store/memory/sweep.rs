//! The sweeper's rules in the memory store. It does in one step what others do page by page.

use std::time::Duration;

use super::state::{Session, State};
use crate::model::limit::DEDUPE_KEY_KEPT_SECS;
use crate::model::{Entry, Recipient, Seq, SessionKey, Stamp};
use crate::store::{Census, Removal, Sweep, Swept, Written};

impl State {
    pub(super) fn sweep(&mut self, sweep: &Sweep, now: Stamp) -> Written {
        let before = std::mem::take(&mut self.removed);
        let expired_sessions = self.expire_sessions(now);
        self.forget_devices(now.before(sweep.device_ttl));
        self.correct_future(now);
        let recipients: Vec<Recipient> = self.logs.keys().cloned().collect();
        for recipient in recipients {
            self.sweep_log(&recipient, sweep, now);
        }
        self.expire_retained(now);
        self.expire_legacies(now);
        self.states.retain(|_, (_, touched)| *touched >= now.before(sweep.device_ttl));
        let oldest = now.before(Duration::from_secs(DEDUPE_KEY_KEPT_SECS));
        let newest = now.after(Duration::from_secs(DEDUPE_KEY_KEPT_SECS));
        self.dedupe.retain(|_, (_, at)| *at > oldest && *at <= newest);
        let removed = std::mem::replace(&mut self.removed, before).into_iter().collect();
        let census = self.census();
        Written::Swept(Box::new(Swept { removed, expired_sessions, census, next: None }))
    }

    fn expire_legacies(&mut self, now: Stamp) {
        let before = self.legacies.len();
        self.legacies.retain(|(_, entry)| entry.message.expires_at.is_none_or(|at| at > now));
        self.count(Removal::Expired, (before - self.legacies.len()) as u64);
    }

    fn census(&self) -> Census {
        let away = self.sessions.values().filter(|session| session.ended_at.is_some()).count();
        let waiting = self.logs.iter().map(|(recipient, log)| {
            log.records.range(self.acknowledged(recipient).next()..).count()
        });
        Census {
            connected: (self.sessions.len() - away) as u64,
            away: away as u64,
            waiting: waiting.sum::<usize>() as u64,
        }
    }

    fn expire_sessions(&mut self, now: Stamp) -> Vec<SessionKey> {
        let expired = self.sessions.iter().filter(|(_, session)| session.has_expired(now));
        let expired: Vec<_> = expired.map(|(key, _)| key.clone()).collect();
        expired.iter().for_each(|key| self.delete_session(key, Removal::SessionEnded, now));
        expired
    }

    fn forget_devices(&mut self, oldest: Stamp) {
        let before = self.devices.len();
        self.devices.retain(|_, device| device.seen_at >= oldest);
        self.count(Removal::DeviceTtl, (before - self.devices.len()) as u64);
    }

    /// What a clock that went back has left.
    fn correct_future(&mut self, now: Stamp) {
        self.devices.values_mut().for_each(|device| device.seen_at = device.seen_at.min(now));
        for session in self.sessions.values_mut() {
            session.ended_at = session.ended_at.map(|at| at.min(now));
        }
    }

    fn sweep_log(&mut self, recipient: &Recipient, sweep: &Sweep, now: Stamp) {
        let acknowledged = self.acknowledged(recipient);
        let (orphaned, owed) = match recipient {
            Recipient::Session(key) => {
                let session = self.sessions.get(key);
                (session.is_none(), session.map_or(Seq(0), Session::owed))
            }
            _ => (false, Seq(0)),
        };
        let Some(log) = self.logs.get_mut(recipient) else { return };
        let count_end = Seq(log.head.0.saturating_sub(sweep.messages_max));
        let unread = log.records.range(acknowledged.next()..).map(|(_, entry)| entry);
        let aged = oldest_run(unread, now.before(sweep.retention));
        let mut gone = Vec::new();
        log.records.retain(|seq, entry| {
            let why = match () {
                () if *seq <= acknowledged => Removal::Acknowledged,
                () if orphaned => Removal::SessionEnded,
                () if *seq <= aged => Removal::RetentionAge,
                () if *seq <= count_end => Removal::RetentionCount,
                () if *seq <= owed => return true,
                () if entry.message.expires_at.is_some_and(|at| at <= now) => Removal::Expired,
                () => return true,
            };
            gone.push(why);
            false
        });
        gone.into_iter().for_each(|why| self.count(why, 1));
    }

    /// Up to where every reader has come.
    pub(super) fn acknowledged(&self, recipient: &Recipient) -> Seq {
        let cursor = match recipient {
            Recipient::Inbox(uid) => {
                let own = self.devices.iter().filter(|(key, _)| key.uid == *uid);
                own.map(|(_, device)| device.cursor).min()
            }
            Recipient::Session(key) => self.sessions.get(key).map(|session| session.cursor),
            Recipient::Feed(_) => None,
        };
        cursor.unwrap_or_default()
    }
}

/// The end of the run of records, from the oldest on, that were taken before `oldest`.
fn oldest_run<'a>(records: impl Iterator<Item = &'a Entry>, oldest: Stamp) -> Seq {
    let run = records.take_while(|entry| entry.message.ts < oldest);
    run.last().map_or(Seq(0), |entry| entry.seq)
}

//! From the committer to the workers: answers to who asked, and word of each new record to the
//! worker that owns its reader. One post per worker and transaction.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::health::Health;
use crate::metrics::Metrics;
use crate::model::{Entry, Recipient};
use crate::session::Ticket;
use crate::shard::{Token, worker_of, worker_of_session};
use crate::store::commit::{Batch, Done};
use crate::store::{Write, Written};

use super::worker::Mail;
use super::{Bell, Mailbox};

/// What the committer calls after each transaction.
pub fn on_commit(
    mailboxes: Arc<[Mailbox<Mail>]>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    (bell, legacies): (Arc<Bell>, Arc<Notify>),
) -> impl FnMut(Vec<Done>, Batch<'_>) + Send + 'static {
    let mut batches: Vec<Vec<Mail>> = mailboxes.iter().map(|_| Vec::new()).collect();
    move |done, batch| {
        let committed = done.iter().filter(|one| one.result.is_ok()).count();
        metrics.commits.inc_by(u64::from(committed > 0));
        metrics.commit_records.inc_by(committed as u64);
        if let Some(append) = done.iter().rfind(|one| matches!(one.write, Write::Append(_))) {
            health.set_store_writable(append.result.is_ok());
        }
        metrics.committed(&batch);
        if batch.legacies {
            legacies.notify_one();
        }
        for one in done {
            bell.hear(&one);
            route(one, &mut batches, &metrics);
        }
        for (mailbox, batch) in mailboxes.iter().zip(&mut batches) {
            if !batch.is_empty() {
                mailbox.post(batch.drain(..));
            }
        }
    }
}

fn route(done: Done, batches: &mut [Vec<Mail>], metrics: &Metrics) {
    let Done { write, tag, result } = done;
    let append = match write {
        Write::Append(append) => Some(append),
        _ => None,
    };
    let message = append.as_ref().map(|append| append.message.clone());
    if let (Some(append), Ok(Written::Appended { seqs })) = (append, &result) {
        metrics.messages_committed.inc_by(u64::from(!seqs.is_empty()));
        for ((recipient, delivery), seq) in append.addressees.into_iter().zip(seqs) {
            let entry = Entry { seq: *seq, delivery, message: append.message.clone() };
            if let Some(batch) = owner(&recipient, batches) {
                batch.push(Mail::Committed(recipient, entry));
            }
        }
    }
    if let Ok(Written::Swept(swept)) = &result {
        // On the way of all answers: behind a session's end, and before what its client asks next.
        for key in &swept.expired_sessions {
            let worker = worker_of_session(key, batches.len() as u16);
            batches[usize::from(worker)].push(Mail::Expired(key.clone()));
        }
    }
    if let Some(tag) = tag
        && let Some(ticket) = Ticket::unpack(tag.ticket)
        && let Some(batch) = batches.get_mut(usize::from(tag.worker))
    {
        batch.push(Mail::Answer { token: Token(tag.session), ticket, result, message });
    }
}

fn owner<'a>(recipient: &Recipient, batches: &'a mut [Vec<Mail>]) -> Option<&'a mut Vec<Mail>> {
    let workers = batches.len() as u16;
    let worker = match recipient {
        Recipient::Inbox(uid) => worker_of(uid, workers),
        Recipient::Session(key) => worker_of_session(key, workers),
        Recipient::Feed(_) => return None,
    };
    batches.get_mut(usize::from(worker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, SessionKey, Uid};
    use crate::store::commit::Tag;
    use crate::store::{Sweep, Swept};

    /// The client that comes back behind the sweep may subscribe again: what was forgotten of its
    /// former session must not go with that.
    #[test]
    fn the_end_of_a_session_comes_before_what_is_committed_behind_it() {
        let metrics = Metrics::default();
        let key = SessionKey {
            uid: Uid::parse("ann").unwrap(),
            client_id: ClientId::parse("phone").unwrap(),
        };
        let step = |write, tag, written| Done { write, tag, result: Ok(written) };
        let sweep = Sweep {
            after: 0,
            recipients_max: 1,
            retention: Default::default(),
            messages_max: 1,
            device_ttl: Default::default(),
        };
        let swept = Swept { expired_sessions: vec![key.clone()], ..Swept::default() };
        let tag = Tag { worker: 0, session: 1, ticket: Ticket::Open.pack() };
        let open = Write::OpenSession { key: key.clone(), clean_start: false, keep: true };
        let opened = Written::Opened(Box::default());
        let mut batches = vec![Vec::new()];
        route(
            step(Write::Sweep(sweep), None, Written::Swept(swept.into())),
            &mut batches,
            &metrics,
        );
        route(step(open, Some(tag), opened), &mut batches, &metrics);
        let expired = |mail: &Mail| matches!(mail, Mail::Expired(gone) if *gone == key);
        assert!(matches!(&batches[0][..], [one, Mail::Answer { .. }] if expired(one)));
    }
}

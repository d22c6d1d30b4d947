//! From an administrator to the workers: who is connected, and who has to go.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::auth::{Connected, Kick, Order, Whom};
use crate::model::{ClientId, Reason, SessionKey, Uid};
use crate::shard::{Shard, worker_of};
use crate::store::commit::{Reply, Request};
use crate::store::{StoreError, Write, Written};

use super::Mailbox;
use super::worker::{Mail, Worker};

/// An order on its way to a worker, and where its end is told.
pub struct Kicking {
    order: Order,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Orders for these workers.
pub fn kick(mailboxes: Arc<[Mailbox<Mail>]>) -> Kick {
    Arc::new(move |order| {
        let answers = post(&mailboxes, &order);
        Box::pin(async move {
            for answer in answers {
                answer.await.unwrap_or_else(|_| Err(stopping()))?;
            }
            Ok(())
        })
    })
}

/// The user's own worker ends the sessions. When the user is no more, all other workers pass on
/// first what they have accepted for it.
fn post(
    mailboxes: &[Mailbox<Mail>],
    order: &Order,
) -> Vec<oneshot::Receiver<Result<(), StoreError>>> {
    let owner = usize::from(worker_of(&order.uid, mailboxes.len() as u16));
    let mut answers = Vec::new();
    for (index, mailbox) in mailboxes.iter().enumerate() {
        let whom = match &order.whom {
            whom if index == owner => whom.clone(),
            Whom::Removed(_) => Whom::Removed(Vec::new()),
            _ => continue,
        };
        let (done, answer) = oneshot::channel();
        let order = Order { uid: order.uid.clone(), whom };
        mailbox.post([Mail::Kick(Box::new(Kicking { order, done }))]);
        answers.push(answer);
    }
    answers
}

/// Asks the user's worker.
pub fn connected(mailboxes: Arc<[Mailbox<Mail>]>) -> Connected {
    Arc::new(move |uid| {
        let (told, answer) = oneshot::channel();
        let owner = worker_of(&uid, mailboxes.len() as u16);
        mailboxes[usize::from(owner)].post([Mail::Connected(uid, told)]);
        Box::pin(async move { answer.await.unwrap_or_default() })
    })
}

fn stopping() -> StoreError {
    StoreError::Unavailable("the broker is stopping".into())
}

impl Worker {
    /// Who is connected; told when the store has answered all that the worker asked of it, so that
    /// it knows of those who have left just before.
    pub(super) fn tell_connected(&mut self, uid: &Uid, answer: oneshot::Sender<Vec<ClientId>>) {
        let devices = self.shard.connected_devices(uid);
        self.hand_out();
        let settled = self.stores.committer.settled();
        self.stores.runtime.spawn(async move {
            settled.await;
            // Who asked may have gone away meanwhile.
            _ = answer.send(devices);
        });
    }

    /// Ends the sessions. What is to be forgotten goes to the store behind all that the worker has
    /// asked of it, and before a device that comes back at once asks for anything.
    pub(super) fn kicked(&mut self, Kicking { order, done }: Kicking) {
        let keys = end(&mut self.shard, &order);
        self.hand_out();
        let (requests, answers): (Vec<_>, Vec<_>) = keys.into_iter().map(forget).unzip();
        self.stores.committer.post(requests);
        self.stores.runtime.spawn(async move {
            let mut result = Ok(());
            for answer in answers {
                let answer = answer.await.unwrap_or_else(|_| Err(stopping()));
                result = result.and(answer.map(drop));
            }
            // Who asked may have gone away meanwhile.
            _ = done.send(result);
        });
    }
}

fn end(shard: &mut Shard, order: &Order) -> Vec<SessionKey> {
    let (only, reason) = match &order.whom {
        Whom::Reconnect => (None, Reason::RightsChanged),
        Whom::Device(client_id) => (Some(client_id), Reason::Removed),
        Whom::All(_) | Whom::Removed(_) => (None, Reason::Removed),
    };
    let mut keys = shard.kick(&order.uid, only, reason);
    if order.whom == Whom::Reconnect {
        return Vec::new();
    }
    keys.extend(order.keys());
    keys.sort();
    keys.dedup();
    shard.expired(&keys);
    keys
}

fn forget(key: SessionKey) -> (Request, oneshot::Receiver<Result<Written, StoreError>>) {
    let (told, answer) = oneshot::channel();
    (Request { write: Write::ForgetDevice { key }, reply: Reply::Once(told) }, answer)
}

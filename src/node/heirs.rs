//! Shared subscriptions (MQTT 5, section 4.8.2): what a session left when it ended goes to another
//! member. The store keeps it until then, so a crash between loses nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::broker::{LiveCopy, Way};
use crate::model::{Entry, Message, SessionKey, TopicName};
use crate::net::{Mail, Mailbox};
use crate::shard::{Post, Shared, worker_of_copy};
use crate::store::commit::{Committer, Reply, Request};
use crate::store::{Append, Inherited, Removal, Store, StoreError, Write};

/// Between two rounds: what is left meanwhile goes together.
const PAUSE: Duration = Duration::from_millis(50);
/// After a failure of the store.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// Legacies of one transaction, and transactions of one round.
const LEGACIES_PER_PAGE: usize = 64;
const PAGES_PER_ROUND: usize = 256;

pub struct Heirs {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub shared: Arc<Shared>,
    /// Rings when there may be more of them.
    pub legacies: Arc<Notify>,
}

/// A copy for a member without a queue, to be sent when the legacy is settled.
type Gift = Option<(Arc<Message>, LiveCopy)>;

impl Heirs {
    pub async fn run(self) {
        loop {
            match self.round().await {
                Ok(is_last) => {
                    tokio::time::sleep(PAUSE).await;
                    if is_last {
                        self.legacies.notified().await;
                    }
                }
                Err(error) => {
                    tracing::warn!("messages that wait for another member go on waiting: {error}");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    /// True if none is left.
    async fn round(&self) -> Result<bool, StoreError> {
        for _ in 0..PAGES_PER_ROUND {
            let page = self.store.legacies(LEGACIES_PER_PAGE).await?;
            let is_last = page.len() < LEGACIES_PER_PAGE;
            if !page.is_empty() {
                self.settle(page).await?;
            }
            if is_last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All of a page in one go, so in its order. Returns when all of them are answered, also if one
    /// fails: what is still on its way must not be found again.
    async fn settle(&self, page: Vec<(SessionKey, Entry)>) -> Result<(), StoreError> {
        let (mut requests, mut waiting) = (Vec::new(), Vec::new());
        for (key, entry) in page {
            let (append, gift) = bequeath(key, &entry, self.heir(&entry));
            let (answer, answered) = oneshot::channel();
            requests.push(Request { write: Write::Append(append), reply: Reply::Once(answer) });
            waiting.push((answered, gift));
        }
        self.committer.post(requests);
        let mut result = Ok(());
        for (answered, gift) in waiting {
            let ended = |_| Err(StoreError::Unavailable("the store has ended".into()));
            match answered.await.unwrap_or_else(ended) {
                Ok(_) => self.give(gift),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn give(&self, gift: Gift) {
        let Some((message, copy)) = gift else { return };
        let worker = worker_of_copy(&copy.to, self.shared.workers);
        self.mailboxes[usize::from(worker)].post([Mail::Post(Post { message, copy })]);
    }

    fn heir(&self, entry: &Entry) -> Option<Way> {
        let topic = TopicName::parse(&entry.message.topic)?;
        let tree = self.shared.subscriptions.read();
        let heir = tree.pick_heir(&topic, entry.delivery.share?)?;
        Some(Way::of(&heir, &entry.message))
    }
}

/// To the heir's queue, if it has one for it. If there is no heir, it is counted with its session.
fn bequeath(key: SessionKey, entry: &Entry, heir: Option<Way>) -> (Append, Gift) {
    let why = if heir.is_some() { Removal::HandedOn } else { Removal::SessionEnded };
    let inherited = Some(Inherited { key, seq: entry.seq, why });
    let append = Append { inherited, ..Append::new(entry.message.clone()) };
    match heir {
        None => (append, None),
        Some(Way::Queue(recipient, delivery)) => {
            (Append { addressees: vec![(recipient, delivery)], ..append }, None)
        }
        Some(Way::Live(copy)) => (append, Some((entry.message.clone(), copy))),
    }
}

#[cfg(test)]
mod tests;

//! Shared subscriptions (MQTT 5, section 4.8.2): what a session left when it ended goes to another
//! member. The store keeps it until then, so a crash between loses nothing.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::broker::{Subscriber, copy};
use crate::model::{Delivery, Entry, Message, QoS, Recipient, SessionKey, TopicName};
use crate::net::{Mail, Mailbox};
use crate::shard::{Post, Shared};
use crate::store::commit::{Committer, Reply, Request};
use crate::store::{Append, Inherited, Removal, Store, StoreError, Write};

/// How long a legacy waits at most, beside the store's own time.
const ROUND_EVERY: Duration = Duration::from_millis(500);
/// Legacies of one transaction, and transactions of one round.
const LEGACIES_PER_PAGE: usize = 64;
const PAGES_PER_ROUND: usize = 256;

pub struct Heirs {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub shared: Arc<Shared>,
}

/// A copy for a member without a queue, to be sent when the legacy is settled.
type Gift = Option<(Arc<Message>, Subscriber)>;

impl Heirs {
    pub async fn run(self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!("messages that wait for another member go on waiting: {error}");
            }
            tokio::time::sleep(ROUND_EVERY).await;
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        for _ in 0..PAGES_PER_ROUND {
            let page = self.store.legacies(LEGACIES_PER_PAGE).await?;
            let is_last = page.len() < LEGACIES_PER_PAGE;
            if !page.is_empty() {
                self.settle(page).await?;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// All of a page in one go, so in its order.
    async fn settle(&self, page: Vec<(SessionKey, Entry)>) -> Result<(), StoreError> {
        let (mut requests, mut waiting) = (Vec::new(), Vec::new());
        for (key, entry) in page {
            let (append, gift) = bequeath(key, &entry, self.heir(&entry));
            let (answer, answered) = oneshot::channel();
            requests.push(Request { write: Write::Append(append), reply: Reply::Once(answer) });
            waiting.push((answered, gift));
        }
        self.committer.post(requests);
        for (answered, gift) in waiting {
            let ended = |_| StoreError::Unavailable("the store has ended".into());
            answered.await.map_err(ended)??;
            if let Some((message, heir)) = gift {
                let (worker, post) = Post::of(heir, &message, self.shared.workers);
                self.mailboxes[usize::from(worker)].post([Mail::Post(post)]);
            }
        }
        Ok(())
    }

    fn heir(&self, entry: &Entry) -> Option<Subscriber> {
        let topic = TopicName::parse(&entry.message.topic)?;
        let tree = self.shared.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        tree.pick_heir(&topic, entry.delivery.share?)
    }
}

/// To the heir's queue, if it has one for it. If there is no heir, it is counted with its session.
fn bequeath(key: SessionKey, entry: &Entry, heir: Option<Subscriber>) -> (Append, Gift) {
    let why = if heir.is_some() { Removal::HandedOn } else { Removal::SessionEnded };
    let inherited = Some(Inherited { key, seq: entry.seq, why });
    let append = Append { inherited, ..Append::new(entry.message.clone()) };
    let Some(heir) = heir else { return (append, None) };
    let delivery @ Delivery { qos, .. } = copy(&heir, &entry.message);
    if heir.connection.is_some() || qos == QoS::AtMostOnce {
        return (append, Some((entry.message.clone(), heir)));
    }
    let addressees = vec![(Recipient::Session(heir.key), delivery)];
    (Append { addressees, ..append }, None)
}

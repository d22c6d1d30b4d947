//! Finds out at the start where the store has retained messages, beside what is served already.

use std::sync::Arc;

use crate::broker::RetainedLevels;
use crate::model::Filter;
use crate::model::topic::split_level;
use crate::shard::Shared;
use crate::store::{RetainedPage, Store, StoreError};

/// Behind every topic that begins with a level and `/`, but for those with this letter.
const LAST: char = char::MAX;

/// For a store that this process alone writes to. If it cannot be read, every subscription looks by
/// itself, as before.
pub async fn find(store: Arc<dyn Store>, shared: Arc<Shared>) {
    if let Err(error) = note_all(&*store, &shared.retained).await {
        tracing::error!("retained messages could not be looked through: {error}");
    }
}

/// One message of each first level is enough.
async fn note_all(store: &dyn Store, levels: &RetainedLevels) -> Result<(), StoreError> {
    let Some(all) = Filter::parse("#") else { return Ok(()) };
    let mut after: Option<Box<str>> = None;
    while !levels.are_too_many() {
        let RetainedPage { messages, next } = store.retained(&all, after.as_deref(), 1, 1).await?;
        messages.iter().for_each(|message| levels.note(&message.topic));
        let Some(next) = next else {
            levels.found_all();
            break;
        };
        // Its message may have gone meanwhile, and others of its level be there.
        levels.note(&next);
        after = Some(behind(next));
    }
    Ok(())
}

/// Behind the topics that have the same first level, if they stand together: between `a` and `a/b`
/// there may be others, like `a!`.
fn behind(topic: Box<str>) -> Box<str> {
    match split_level(&topic) {
        (level, Some(_)) => topic.clone().max(format!("{level}/{LAST}").into()),
        (_, None) => topic,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Attributes, Kind, Message, MessageId, QoS, Sender, Stamp, Uid};
    use crate::store::{Append, MemoryStore, Quota, StoreLimits, Write};

    fn retained(number: usize, topic: &str) -> Write {
        let message = Message {
            id: MessageId(number as u128),
            from: Sender { uid: Uid::parse("ann").unwrap(), client_id: Default::default() },
            topic: topic.into(),
            body: "x".into(),
            kind: Kind::default(),
            qos: QoS::AtLeastOnce,
            retain: true,
            ts: Stamp(0),
            expires_at: None,
            attributes: Attributes::default(),
        };
        let retain = Some(Quota::UNLIMITED);
        Write::Append(Append { retain, ..Append::new(Arc::new(message)) })
    }

    #[tokio::test]
    async fn every_first_level_is_found_and_no_other() {
        let limits = StoreLimits { messages_max: 100, session_expiry_max: Duration::ZERO };
        let (store, levels) = (MemoryStore::new(limits), RetainedLevels::default());
        let last = format!("a/{LAST}{LAST}/x");
        let topics = ["$x/y", "a", "a!/b", "a/b", "a/c", &last, "a0", "b/c/d", "\u{10ffff}/x"];
        let writes = topics.iter().enumerate().map(|(number, topic)| retained(number, topic));
        store.commit(&writes.collect::<Vec<_>>(), Stamp(0)).await.unwrap();
        note_all(&store, &levels).await.unwrap();
        let may = |filter: &str| levels.may_match(&Filter::parse(filter).unwrap());
        let there = ["a", "a/#", "a!/+", "a0", "b/#", "\u{10ffff}/#", "$x/y", "#"];
        assert!(there.into_iter().all(may));
        assert!(!["c", "b0", "a1/x"].into_iter().any(may));
    }
}

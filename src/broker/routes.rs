//! Who gets the messages of a topic, remembered by each worker until any subscription changes:
//! clients publish to the same topics again and again, and the tree is asked once.
//!
//! Only what is asked again meanwhile is remembered, in a table of fixed size where a topic has one
//! place by its hash: another topic takes that over. So a client that steers hashes slows nothing
//! but the look into the tree that it would cost anyway.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::TopicName;

use super::LiveCopy;
use super::subscriptions::{Grant, Subscriber, Who};

/// Topics that a worker remembers.
const TOPICS_COUNT_MAX: usize = 2048;
/// A longer topic is not remembered.
const TOPIC_BYTES_MAX: usize = 256;
/// Nor one with more receivers: beside sending to them, finding them is little.
const RECEIVERS_COUNT_MAX: usize = 16;

/// Room for more copies than these is given back to the system.
const ROOM_COPIES_COUNT_MAX: usize = 1024;

/// See the module's documentation.
#[derive(Default)]
pub struct Routes {
    /// None before the first topic.
    places: Vec<Place>,
    /// Empty; its room is used for the copies of each message.
    room: Vec<LiveCopy>,
}

#[derive(Clone, Default)]
struct Place {
    /// Of the topic that was asked for last, and of the subscriptions then.
    last: (u64, u64),
    route: Option<Route>,
}

#[derive(Clone)]
struct Route {
    topic: TopicName,
    /// Of the subscriptions when they were asked.
    version: u64,
    receivers: Box<[(Who, Grant)]>,
}

impl Routes {
    /// Those whose subscriptions match, each once, if that is known of this version.
    pub fn get(
        &self,
        topic: &TopicName,
        version: u64,
    ) -> Option<impl ExactSizeIterator<Item = Subscriber<'_>>> {
        let place = self.places.get(place(hash(topic)))?;
        let route = place.route.as_ref()?;
        let known = route.version == version && route.topic == *topic;
        known.then(|| route.receivers.iter().map(|(who, grant)| grant.subscriber(who, None)))
    }

    /// What the tree of this version says; nobody of them shares, as of those each message has
    /// another.
    pub fn put(&mut self, topic: &TopicName, version: u64, found: &[Subscriber<'_>]) {
        if topic.as_str().len() > TOPIC_BYTES_MAX || found.len() > RECEIVERS_COUNT_MAX {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(TOPICS_COUNT_MAX, Place::default);
        }
        let hash = hash(topic);
        let place = &mut self.places[place(hash)];
        place.route = (place.last == (hash, version)).then(|| Route {
            topic: topic.clone(),
            version,
            receivers: found
                .iter()
                .map(|one| ((one.connection, one.key.clone()), one.grant))
                .collect(),
        });
        place.last = (hash, version);
    }

    /// An empty list for the copies of a message; it comes back by [`Routes::keep_room`].
    pub(super) fn room(&mut self) -> Vec<LiveCopy> {
        std::mem::take(&mut self.room)
    }

    /// The copies have been sent.
    pub fn keep_room(&mut self, mut copies: Vec<LiveCopy>) {
        copies.clear();
        if (self.room.capacity()..=ROOM_COPIES_COUNT_MAX).contains(&copies.capacity()) {
            self.room = copies;
        }
    }
}

fn hash(topic: &TopicName) -> u64 {
    xxh3_64(topic.as_str().as_bytes())
}

fn place(hash: u64) -> usize {
    hash as usize % TOPICS_COUNT_MAX
}

#[cfg(test)]
#[path = "routes/tests.rs"]
mod tests;

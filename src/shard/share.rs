//! Shared subscriptions (MQTT 5, section 4.8.2): who was picked for a message that waits for its
//! commit, and what a member without a queue leaves to the others.

use std::collections::HashMap;
use std::sync::Arc;

use crate::broker::{CopyTo, LiveCopy, Way};
use crate::model::{Delivery, Message, MessageId, QoS, Target};
use crate::store::{Append, Write};

use super::{Shard, Token};

/// Members without a queue, by message. The pick is made once, so it must outlast the commit.
#[derive(Default)]
pub(super) struct Picked(HashMap<MessageId, Vec<LiveCopy>>);

impl Picked {
    /// Keeps those of them that were picked; the others are looked for again.
    pub(super) fn keep(&mut self, message: MessageId, live: &[LiveCopy]) {
        let is_picked = |one: &&LiveCopy| one.delivery.share.is_some();
        let picked: Vec<_> = live.iter().filter(is_picked).cloned().collect();
        if !picked.is_empty() {
            self.0.insert(message, picked);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, message: MessageId) -> Vec<LiveCopy> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.0.remove(&message).unwrap_or_default()
    }
}

impl Shard {
    pub(super) fn is_open(&self, token: Token) -> bool {
        let conn = self.conns.get(token.index()).filter(|conn| conn.token == token);
        conn.is_some_and(|conn| !conn.is_closing)
    }

    /// A connection leaves the tree when it closes; nothing may go round for one that did not.
    fn is_gone(&self, heir: &Way) -> bool {
        match heir {
            Way::Live(LiveCopy { to: CopyTo::Connection(at), .. }) => {
                at.worker == self.index && !self.is_open(Token(at.token))
            }
            _ => false,
        }
    }

    /// A message of a shared subscription whose member has gone: the next one gets it. With QoS 0,
    /// or if nobody is left, it ends here, since no durable addressee had it.
    pub(super) fn hand_on(&mut self, message: &Arc<Message>, delivery: Delivery) {
        let Delivery { share: Some(share), qos: QoS::AtLeastOnce | QoS::ExactlyOnce, .. } =
            delivery
        else {
            return;
        };
        let Ok(Target::Plain(topic)) = self.live.settings.topics.target(&message.topic) else {
            return;
        };
        let heir = {
            let tree = self.shared.subscriptions.read();
            tree.pick_heir(&topic, share).map(|heir| Way::of(&heir, message))
        };
        match heir.filter(|heir| !self.is_gone(heir)) {
            None => {}
            Some(Way::Live(copy)) => self.distribute(message, &[copy]),
            Some(Way::Queue(recipient, delivery)) => {
                let addressees = vec![(recipient, delivery)];
                let append = Append { addressees, ..Append::new(message.clone()) };
                self.ask_store(Write::Append(append), None);
            }
        }
    }
}

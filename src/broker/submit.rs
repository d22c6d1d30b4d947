//! From a submission to a plan: may it, and who gets it. Durable addressees are named here, before
//! the commit; subscribers of the moment are found when it is delivered.

use crate::model::{
    Delivery, Identity, Message, QoS, Recipient, SessionKey, Submission, Target, TopicName,
};

use super::policy::{Action, Denial, Policy};
use super::subscriptions::{Connection, Sharing, Subscriber, Subscriptions};
use super::{RetainedLevels, Routes, SharedSubscriptions};

/// What has to happen before a submission may be acknowledged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each gets one record in the commit.
    pub durable: Vec<(Recipient, Delivery)>,
    /// Copies that are owed to nobody.
    pub live: Vec<LiveCopy>,
}

/// A copy that is sent at once, past every queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCopy {
    pub to: CopyTo,
    pub delivery: Delivery,
}

/// Whom a [`LiveCopy`] is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTo {
    Connection(Connection),
    /// A durable session, if it is connected (QoS 0 is not queued for it).
    Session(SessionKey),
}

/// How a message comes to one subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A record of its own in the commit: durable sessions get QoS 1 and 2 so.
    Queue(Recipient, Delivery),
    Live(LiveCopy),
}

/// Asks the policy, then names the addressees.
///
/// # Errors
/// The policy's [`Denial`].
pub fn plan(
    submission: &Submission,
    identity: &Identity,
    policy: &Policy,
    subscriptions: &SharedSubscriptions,
    retained: &RetainedLevels,
    routes: &mut Routes,
) -> Result<Plan, Denial> {
    policy.may(identity, Action::Publish(&submission.target))?;
    Ok(match &submission.target {
        Target::User(uid) => {
            let delivery = Delivery::plain(QoS::AtLeastOnce, false);
            let durable = vec![(Recipient::Inbox(uid.clone()), delivery)];
            Plan { durable, live: Vec::new() }
        }
        Target::Plain(topic) => {
            // Before anybody is looked for: whoever subscribes too late to be found reads it from
            // the store.
            if submission.message.retain {
                retained.note(topic.as_str());
            }
            plain(&submission.message, topic, subscriptions, routes)
        }
    })
}

/// One of each group that shares it is picked by this.
fn plain(
    message: &Message,
    topic: &TopicName,
    subscriptions: &SharedSubscriptions,
    routes: &mut Routes,
) -> Plan {
    let room = routes.room();
    if let Some(known) = routes.get(topic, subscriptions.version()) {
        return Plan::of(known, message, room);
    }
    let tree = subscriptions.read();
    let mut found = Vec::new();
    match tree.pick(topic, &mut found) {
        Sharing::No => routes.put(topic, subscriptions.version(), &found),
        Sharing::Yes => {}
    }
    Plan::of(found.into_iter(), message, room)
}

/// Copies for connections that are sent now, whatever the sender may do by now: for a plain message
/// that was accepted before. Members of shared subscriptions were picked then.
pub fn address(
    message: &Message,
    topic: &TopicName,
    subscriptions: &Subscriptions,
) -> Vec<LiveCopy> {
    let mut found = Vec::new();
    subscriptions.matches(topic, &mut found);
    Plan::of(found.into_iter(), message, Vec::new()).live
}

/// Copies of what the broker itself tells, for whoever has subscribed to it, alone or with others.
/// It has QoS 0, so no queue takes it.
pub fn tell(message: &Message, topic: &TopicName, subscriptions: &Subscriptions) -> Vec<LiveCopy> {
    let mut found = Vec::new();
    subscriptions.pick(topic, &mut found);
    Plan::of(found.into_iter(), message, Vec::new()).live
}

impl Way {
    pub fn of(subscriber: &Subscriber<'_>, message: &Message) -> Way {
        let Subscriber { key, connection, grant, share } = *subscriber;
        let retain = message.retain && grant.retain_as_published;
        let delivery = Delivery { qos: grant.qos.min(message.qos), retain, share };
        match connection {
            Some(at) => Way::Live(LiveCopy { to: CopyTo::Connection(at), delivery }),
            None if delivery.qos == QoS::AtMostOnce => {
                Way::Live(LiveCopy { to: CopyTo::Session(key.clone()), delivery })
            }
            None => Way::Queue(Recipient::Session(key.clone()), delivery),
        }
    }
}

impl Plan {
    /// `room` is an empty list for the copies.
    fn of<'t>(
        found: impl ExactSizeIterator<Item = Subscriber<'t>>,
        message: &Message,
        room: Vec<LiveCopy>,
    ) -> Plan {
        let mut plan = Plan { durable: Vec::new(), live: room };
        plan.live.reserve(found.len());
        for subscriber in found {
            if subscriber.grant.no_local && is_own(&subscriber, message) {
                continue;
            }
            match Way::of(&subscriber, message) {
                Way::Queue(recipient, delivery) => plan.durable.push((recipient, delivery)),
                Way::Live(copy) => plan.live.push(copy),
            }
        }
        plan
    }
}

fn is_own(subscriber: &Subscriber<'_>, message: &Message) -> bool {
    let from = &message.from;
    subscriber.key.uid == from.uid && subscriber.key.client_id == from.client_id
}

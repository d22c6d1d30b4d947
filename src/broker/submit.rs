//! From a submission to a plan: may it, and who gets it. Durable addressees are named here, before
//! the commit; subscribers of the moment are found when it is delivered.

use crate::model::{Delivery, Identity, Message, QoS, Recipient, Submission, Target, TopicName};

use super::policy::{Action, Denial, Policy};
use super::subscriptions::{Subscriber, Subscriptions};

/// What has to happen before a submission may be acknowledged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each gets one record in the commit.
    pub durable: Vec<(Recipient, Delivery)>,
    /// Connections that get a copy and are owed nothing.
    pub live: Vec<Subscriber>,
}

/// Asks the policy, then names the addressees.
///
/// # Errors
/// The policy's [`Denial`].
pub fn plan(
    submission: &Submission,
    identity: &Identity,
    policy: &Policy,
    subscriptions: &Subscriptions,
) -> Result<Plan, Denial> {
    policy.may(identity, Action::Publish(&submission.target))?;
    let mut plan = Plan::default();
    match &submission.target {
        Target::User(uid) => {
            let delivery = Delivery::plain(QoS::AtLeastOnce, false);
            plan.durable.push((Recipient::Inbox(uid.clone()), delivery));
        }
        Target::Plain(topic) => {
            subscriptions.pick(topic, &mut plan.live);
            plan.split(&submission.message);
        }
    }
    Ok(plan)
}

/// Connections that get a copy for themselves now, whatever the sender may do by now: for a plain
/// message that was accepted before. Members of shared subscriptions were picked then.
pub fn address(
    message: &Message,
    topic: &TopicName,
    subscriptions: &Subscriptions,
) -> Vec<Subscriber> {
    let mut plan = Plan::default();
    subscriptions.matches(topic, &mut plan.live);
    plan.split(message);
    plan.live
}

/// How this subscriber gets this message.
pub fn copy(subscriber: &Subscriber, message: &Message) -> Delivery {
    let retain = message.retain && subscriber.grant.retain_as_published;
    Delivery { qos: subscriber.grant.qos.min(message.qos), retain, share: subscriber.share }
}

/// The queue through which this subscriber gets this message: durable sessions get QoS 1 and 2 so.
/// `None` for a copy that is sent at once, and owed to nobody.
pub fn queued(subscriber: &Subscriber, message: &Message) -> Option<(Recipient, Delivery)> {
    let delivery = copy(subscriber, message);
    let waits = subscriber.connection.is_none() && delivery.qos != QoS::AtMostOnce;
    waits.then(|| (Recipient::Session(subscriber.key.clone()), delivery))
}

impl Plan {
    fn split(&mut self, message: &Message) {
        let durable = &mut self.durable;
        self.live.retain(|subscriber| {
            if subscriber.grant.no_local && is_own(subscriber, message) {
                return false;
            }
            let queued = queued(subscriber, message);
            let is_live = queued.is_none();
            durable.extend(queued);
            is_live
        });
    }
}

fn is_own(subscriber: &Subscriber, message: &Message) -> bool {
    let from = &message.from;
    subscriber.key.uid == from.uid && subscriber.key.client_id == from.client_id
}

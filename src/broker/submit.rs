//! From a submission to a plan: may it, and who gets it. Durable addressees are named here, before
//! the commit; subscribers of the moment are found when it is delivered.

use crate::model::{Delivery, Identity, QoS, Recipient, Submission, Target};

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
    Ok(address(submission, subscriptions))
}

/// Who gets it now, whatever the sender may do by now: for what was accepted before.
pub fn address(submission: &Submission, subscriptions: &Subscriptions) -> Plan {
    let mut plan = Plan::default();
    match &submission.target {
        Target::User(uid) => {
            let delivery = Delivery { qos: QoS::AtLeastOnce, retain: false };
            plan.durable.push((Recipient::Inbox(uid.clone()), delivery));
        }
        Target::Plain(topic) => {
            subscriptions.matches(topic, &mut plan.live);
            plan.split(submission);
        }
    }
    plan
}

impl Plan {
    /// Durable sessions get QoS 1 and 2 through their queue; the rest is live.
    fn split(&mut self, submission: &Submission) {
        let message = &submission.message;
        let durable = &mut self.durable;
        self.live.retain(|subscriber| {
            if subscriber.no_local && is_own(subscriber, submission) {
                return false;
            }
            let qos = subscriber.qos.min(message.qos);
            let queued = subscriber.connection.is_none() && qos != QoS::AtMostOnce;
            if queued {
                let retain = message.retain && subscriber.retain_as_published;
                durable
                    .push((Recipient::Session(subscriber.key.clone()), Delivery { qos, retain }));
            }
            !queued
        });
    }
}

fn is_own(subscriber: &Subscriber, submission: &Submission) -> bool {
    let from = &submission.message.from;
    subscriber.key.uid == from.uid && subscriber.key.client_id == from.client_id
}

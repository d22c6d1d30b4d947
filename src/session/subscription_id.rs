//! Subscription identifiers (MQTT 5, section 3.8.2.1.2): a delivered PUBLISH names those of all the
//! session's subscriptions that it matches, as they are when it is delivered [MQTT-3.3.4-3].

use crate::model::Filter;
use crate::model::target::Interest;
use crate::mqtt::{Property, Version};

use super::{Ctx, Session};

/// 1 to 268,435,455.
pub type SubscriptionId = u32;

/// Subscriptions that have one; few sessions have any.
#[derive(Debug, Default)]
pub struct SubscriptionIds(Vec<(Filter, SubscriptionId)>);

impl SubscriptionIds {
    pub fn resume(ids: Vec<(Filter, SubscriptionId)>) -> Option<Box<SubscriptionIds>> {
        (!ids.is_empty()).then(|| Box::new(SubscriptionIds(ids)))
    }

    fn set(&mut self, filter: Filter, id: Option<SubscriptionId>) {
        self.0.retain(|(known, _)| *known != filter);
        self.0.extend(id.map(|id| (filter, id)));
    }
}

impl Session {
    /// A subscription was made, replaced or, without an identifier, perhaps ended.
    pub(super) fn set_subscription_id(
        &mut self,
        interest: &Interest,
        id: Option<SubscriptionId>,
        ctx: &Ctx<'_>,
    ) {
        if id.is_none() && self.subscription_ids.is_none() {
            return;
        }
        let topics = &ctx.settings.topics;
        let filter = match interest {
            Interest::Plain(filter) => Some(filter.clone()),
            Interest::Inbox(uid) => Filter::parse(&topics.topic(uid)),
            Interest::Envelope(uid) => Filter::parse(&topics.envelope_topic(uid)),
        };
        let Some(filter) = filter else { return };
        let ids = self.subscription_ids.get_or_insert_default();
        ids.set(filter, id);
        self.subscription_ids.take_if(|ids| ids.0.is_empty());
    }

    pub(super) fn push_subscription_ids(&self, topic: &str, ctx: &mut Ctx<'_>) {
        let Some(ids) = &self.subscription_ids else { return };
        if self.version != Version::V5 {
            return;
        }
        for (_, id) in ids.0.iter().filter(|(filter, _)| filter.matches(topic)) {
            ctx.properties.push(Property::SubscriptionIdentifier(*id));
        }
    }
}

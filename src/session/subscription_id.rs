//! Subscription identifiers (MQTT 5, section 3.8.2.1.2): a delivered PUBLISH names those of all the
//! session's subscriptions that it matches, as they are when it is delivered [MQTT-3.3.4-3]; the
//! copy of a shared subscription that one's alone.

use crate::model::target::Interest;
use crate::model::{Filter, Selector, ShareId};
use crate::mqtt::{Property, Version};

use super::{Ctx, Session};

/// 1 to 268,435,455.
pub type SubscriptionId = u32;

/// Subscriptions that have one; few sessions have any.
#[derive(Debug, Default)]
pub struct SubscriptionIds(Vec<(Selector, SubscriptionId)>);

impl SubscriptionIds {
    pub fn resume(ids: Vec<(Selector, SubscriptionId)>) -> Option<Box<SubscriptionIds>> {
        (!ids.is_empty()).then(|| Box::new(SubscriptionIds(ids)))
    }

    fn set(&mut self, selector: Selector, id: Option<SubscriptionId>) {
        self.0.retain(|(known, _)| *known != selector);
        self.0.extend(id.map(|id| (selector, id)));
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
        let own = |topic: String| Filter::parse(&topic).map(Selector::plain);
        let selector = match interest {
            Interest::Plain(selector) => Some(selector.clone()),
            Interest::Inbox(uid) => own(topics.topic(uid)),
            Interest::Envelope(uid) => own(topics.envelope_topic(uid)),
        };
        let Some(selector) = selector else { return };
        let ids = self.subscription_ids.get_or_insert_default();
        ids.set(selector, id);
        self.subscription_ids.take_if(|ids| ids.0.is_empty());
    }

    pub(super) fn push_subscription_ids(
        &self,
        topic: &str,
        share: Option<ShareId>,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(ids) = &self.subscription_ids else { return };
        if self.version != Version::V5 {
            return;
        }
        let brings = |selector: &Selector| {
            selector.share_id() == share && (share.is_some() || selector.filter().matches(topic))
        };
        for (_, id) in ids.0.iter().filter(|(selector, _)| brings(selector)) {
            ctx.properties.push(Property::SubscriptionIdentifier(*id));
        }
    }
}

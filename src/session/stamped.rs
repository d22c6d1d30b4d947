//! The properties of a delivered PUBLISH: the publisher's own, the remaining expiry, and on inbox
//! mail the server's stamps `from`, `id`, `seq`, `ts`.

use crate::model::{Attribute, Message, Seq, ShareId};
use crate::mqtt::{Property, Version};

use super::{Ctx, Session};

/// User properties that only the server sets on inbox mail (ruling 19).
pub const STAMPS: [&str; 4] = ["from", "id", "seq", "ts"];

impl Session {
    /// Leaves the properties in `ctx.properties`; nothing for MQTT 3.1.1.
    pub(super) fn stamp_properties(
        &self,
        message: &Message,
        share: Option<ShareId>,
        seq: Option<Seq>,
        ctx: &mut Ctx<'_>,
    ) {
        ctx.properties.clear();
        if self.version != Version::V5 {
            return;
        }
        if let Some(at) = message.expires_at {
            let left = ctx.stamp.secs_until(at).min(u32::MAX.into()) as u32;
            ctx.properties.push(Property::MessageExpiryInterval(left));
        }
        for attribute in message.attributes.iter() {
            ctx.properties.push(property(attribute));
        }
        if let Some(seq) = seq {
            stamp(message, seq, ctx);
        }
        self.push_subscription_ids(&message.topic, share, ctx);
    }
}

fn stamp(message: &Message, seq: Seq, ctx: &mut Ctx<'_>) {
    let properties = &mut *ctx.properties;
    properties.push(Property::UserProperty("from", message.from.uid.as_str()));
    properties.push(Property::UserProperty("id", &message.id.to_string()));
    properties.push(Property::UserProperty("seq", &seq.to_string()));
    properties.push(Property::UserProperty("ts", &message.ts.0.to_string()));
}

fn property(attribute: Attribute<'_>) -> Property<'_> {
    match attribute {
        Attribute::BodyIsText => Property::PayloadFormatIndicator(1),
        Attribute::BodyIsBytes => Property::PayloadFormatIndicator(0),
        Attribute::ContentType(text) => Property::ContentType(text),
        Attribute::ResponseTopic(text) => Property::ResponseTopic(text),
        Attribute::CorrelationData(data) => Property::CorrelationData(data),
        Attribute::User(name, value) => Property::UserProperty(name, value),
    }
}

//! The will: what the server publishes for a client that went away without DISCONNECT (MQTT 5,
//! section 3.1.2.5). Checked when it is left and again when it is sent (threat W5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Attribute, Attributes, Kind, Message, QoS, Sender, Stamp, Target};
use crate::mqtt::{self, Properties};

use super::IdSource;
use super::publish::model_qos;
use super::stamped::STAMPS;

/// A will with everything but the time and id that it gets when it is sent.
#[derive(Clone, Debug)]
pub struct Will {
    pub target: Target,
    /// MQTT 5 Will Delay Interval; zero for 3.1.1.
    pub delay: Duration,
    pub from: Sender,
    topic: Arc<str>,
    qos: QoS,
    retain: bool,
    expiry: Option<Duration>,
    body: Bytes,
    attributes: Attributes,
}

impl Will {
    pub fn new(will: &mqtt::Will<'_>, target: Target, from: Sender) -> Will {
        let properties = will.properties;
        Will {
            delay: Duration::from_secs(properties.will_delay_secs().unwrap_or(0).into()),
            from,
            topic: will.topic.into(),
            qos: model_qos(will.qos),
            retain: will.retain,
            expiry: properties.message_expiry_secs().map(|s| Duration::from_secs(s.into())),
            body: Bytes::copy_from_slice(will.payload),
            attributes: attributes(properties, &target),
            target,
        }
    }

    /// What it holds in memory.
    pub fn bytes(&self) -> usize {
        self.topic.len() + self.body.len() + self.attributes.as_bytes().len()
    }

    pub fn into_message(self, ids: &mut IdSource, stamp: Stamp) -> (Target, Message) {
        let message = Message {
            id: ids.next(stamp),
            from: self.from,
            kind: Kind::Chat,
            ts: stamp,
            expires_at: self.expiry.map(|expiry| stamp.after(expiry)),
            topic: self.topic,
            retain: self.retain,
            qos: self.qos,
            body: self.body,
            attributes: self.attributes,
        };
        (self.target, message)
    }
}

/// The properties that travel with a message. To an inbox, the names that the server stamps are
/// taken out: a sender must not speak for the server (ruling 19).
pub fn attributes(properties: Properties<'_>, target: &Target) -> Attributes {
    if properties.is_empty() {
        return Attributes::default();
    }
    let to_inbox = matches!(target, Target::User(_));
    let forged = |name: &str| to_inbox && STAMPS.contains(&name);
    Attributes::collect(properties.iter().filter_map(|property| match property {
        mqtt::Property::PayloadFormatIndicator(1) => Some(Attribute::BodyIsText),
        mqtt::Property::PayloadFormatIndicator(_) => Some(Attribute::BodyIsBytes),
        mqtt::Property::ContentType(text) => Some(Attribute::ContentType(text)),
        mqtt::Property::ResponseTopic(text) => Some(Attribute::ResponseTopic(text)),
        mqtt::Property::CorrelationData(data) => Some(Attribute::CorrelationData(data)),
        mqtt::Property::UserProperty(name, value) if !forged(name) => {
            Some(Attribute::User(name, value))
        }
        _ => None,
    }))
}

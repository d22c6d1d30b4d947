//! Topic aliases of one connection, both ways (MQTT 5, section 3.3.2.3.4): a number instead of a
//! topic that was named before. They end with the connection.

use crate::model::Reason;
use crate::model::limit::ALIASED_TOPICS_BYTES_MAX;
use crate::mqtt::{Property, PropertyBuffer, Publish};

use super::{Ctx, Session};

/// A topic of so many bytes costs no more than the property that would stand for it.
const SHORT_TOPIC_BYTES_MAX: usize = 3;
/// What the property adds to a packet, with its share of the lengths.
const PROPERTY_BYTES_MAX: usize = 5;

/// Topics that the client has numbered; the place of alias n is n - 1.
#[derive(Debug, Default)]
pub struct Inbound(Vec<Box<str>>);

impl Inbound {
    /// The topic of a PUBLISH with this alias, which names it anew if it has a topic. `None` if it
    /// was never named.
    fn resolve(&mut self, alias: u16, topic: &str) -> Option<&str> {
        let place = usize::from(alias) - 1;
        if !topic.is_empty() {
            if self.0.len() <= place {
                self.0.resize_with(place + 1, Box::default);
            }
            self.0[place] = topic.into();
        }
        self.0.get(place).map(|topic| &**topic).filter(|topic| !topic.is_empty())
    }
}

/// Topics that the server has numbered, in their order. The first ones stay: most clients get few
/// topics, and of those mostly their own.
#[derive(Debug, Default)]
pub struct Outbound(Vec<Box<str>>);

/// What stands in a packet for its topic.
pub(super) enum Named {
    /// Only the topic.
    Topic,
    /// The topic and the number that it has from now on.
    New(u16),
    /// Only its number.
    Known(u16),
}

impl Named {
    pub(super) fn push(&self, properties: &mut PropertyBuffer) {
        if let Named::New(alias) | Named::Known(alias) = self {
            properties.push(Property::TopicAlias(*alias));
        }
    }
}

impl Session {
    /// A PUBLISH with the topic that its alias stands for.
    pub(super) fn publish_by_alias(
        &mut self,
        publish: &Publish<'_>,
        alias: u16,
        ctx: &mut Ctx<'_>,
    ) {
        let max = self.promised.topic_alias_maximum;
        if alias > max {
            let words = format!("alias {alias}, but the server announced at most {max}");
            return self.end(Reason::TopicAliasInvalid, words.into(), ctx);
        }
        let mut aliases = self.aliases_in.take().unwrap_or_default();
        if bytes(&aliases.0) + publish.topic.len() > ALIASED_TOPICS_BYTES_MAX {
            let words =
                format!("topics with aliases have at most {ALIASED_TOPICS_BYTES_MAX} bytes");
            return self.end(Reason::QuotaExceeded, words.into(), ctx);
        }
        match aliases.resolve(alias, publish.topic) {
            Some(topic) => self.publish_to(&Publish { topic, ..*publish }, ctx),
            None => {
                let words = format!("alias {alias} was never given a topic [MQTT-3.3.2-7]");
                self.end(Reason::ProtocolError, words.into(), ctx);
            }
        }
        self.aliases_in = Some(aliases);
    }

    /// The server may give topics numbers here.
    pub(super) fn takes_aliases(&self) -> bool {
        self.aliases_max() > 0
    }

    fn aliases_max(&self) -> usize {
        self.peer.topic_alias_maximum.min(self.promised.topic_alias_maximum).into()
    }

    /// How to name this topic in a packet that has so many bytes with the topic alone.
    pub(super) fn name(&self, topic: &str, packet_bytes: usize) -> Named {
        let max = self.aliases_max();
        if max == 0 || topic.len() <= SHORT_TOPIC_BYTES_MAX {
            return Named::Topic;
        }
        let known: &[Box<str>] = self.aliases_out.as_deref().map_or(&[], |known| &known.0);
        if let Some(place) = known.iter().position(|known| **known == *topic) {
            return Named::Known(place as u16 + 1);
        }
        let fits = packet_bytes + PROPERTY_BYTES_MAX <= self.peer.packet_bytes_max as usize
            && bytes(known) + topic.len() <= ALIASED_TOPICS_BYTES_MAX;
        if fits && known.len() < max { Named::New(known.len() as u16 + 1) } else { Named::Topic }
    }

    /// The packet that gives a topic its number has been written.
    pub(super) fn named(&mut self, named: Named, topic: &str) {
        if let Named::New(_) = named {
            self.aliases_out.get_or_insert_default().0.push(topic.into());
        }
    }
}

fn bytes(topics: &[Box<str>]) -> usize {
    topics.iter().map(|topic| topic.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_topic_it_was_given_last() {
        let mut aliases = Inbound::default();
        assert_eq!(aliases.resolve(3, ""), None);
        assert_eq!(aliases.resolve(3, "a/b"), Some("a/b"));
        assert_eq!(aliases.resolve(3, ""), Some("a/b"));
        assert_eq!(aliases.resolve(2, ""), None);
        assert_eq!(aliases.resolve(3, "c/d"), Some("c/d"));
        assert_eq!(aliases.resolve(3, ""), Some("c/d"));
    }
}

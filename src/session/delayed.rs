//! PUBLISH to `$delayed/{seconds}/{topic}`: where it goes, when, and under which name it waits.

use std::sync::Arc;

use crate::model::limit::DUE_KEY_BYTES_MAX;
use crate::model::target::TargetError;
use crate::model::{DelayedTopic, DueKey, Later, Reason, Target, Timing};
use crate::mqtt::Publish;

use super::Ctx;

/// User property with the publisher's name for a message that waits.
const DELAYED_KEY: &str = "delayed-key";

/// What the topic of a PUBLISH says.
#[derive(Clone, Debug)]
pub struct Destination {
    /// As the receivers see it.
    pub topic: Arc<str>,
    pub target: Target,
    pub timing: Timing,
}

/// # Errors
/// The reason and the words for the publisher.
pub fn destination(
    publish: &Publish<'_>,
    ctx: &Ctx<'_>,
) -> Result<Destination, (Reason, Box<str>)> {
    let told = |error: TargetError| (error.reason(), error.to_string().into());
    let delayed = DelayedTopic::parse(publish.topic).transpose();
    let delayed = delayed.map_err(|words| told(TargetError::Delay(words)))?;
    let topic = delayed.map_or(publish.topic, |delayed| delayed.topic);
    let target = ctx.settings.topics.target(topic).map_err(told)?;
    let timing = match delayed {
        None => Timing::Now,
        Some(DelayedTopic { delay, .. }) => match key(publish)? {
            Some(key) if publish.payload.is_empty() => Timing::Later(Later::Cancel { key }),
            key => Timing::Later(Later::At { at: ctx.stamp.after(delay), key }),
        },
    };
    let topic = match &target {
        Target::Plain(name) => name.shared(),
        Target::User(_) => topic.into(),
    };
    Ok(Destination { topic, target, timing })
}

/// An empty one is none. One that is too long is refused: cut, two of them could become one.
fn key(publish: &Publish<'_>) -> Result<Option<DueKey>, (Reason, Box<str>)> {
    let mut properties = publish.properties.user_properties();
    let key = properties.find(|(name, _)| *name == DELAYED_KEY).map_or("", |(_, key)| key);
    if key.is_empty() {
        return Ok(None);
    }
    let words = || {
        format!("a {DELAYED_KEY} has at most {DUE_KEY_BYTES_MAX} bytes and no control characters")
    };
    let key = DueKey::parse(key).ok_or_else(|| (Reason::QuotaExceeded, words().into()));
    key.map(Some)
}

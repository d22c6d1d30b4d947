//! Settings that contradict each other or make no sense, each with the key to change.

mod tokens;

use std::time::Duration;

use super::check_listen::listeners;
use super::{Config, Size, Span};
use crate::broker::policy::Rule;
use crate::model::InboxPattern;
use crate::model::limit::{BAN_MAX, BAN_MIN, PACKET_IDS_PER_LOG, PUBLISH_RING_COUNT_MAX};
use crate::model::target::Interest;

/// The largest packet there is (MQTT 5, section 2.1.4).
const PACKET_BYTES_MAX: u64 = 268_435_455 + 5;
/// Below it a CONNECT of ordinary size would not fit.
const PACKET_BYTES_MIN: u64 = 1024;

/// Everything that is wrong, one line each; empty if nothing is.
pub fn contradictions(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    listeners(config, &mut wrong);
    inboxes(config, &mut wrong);
    rules(config, &mut wrong);
    zeros(config, &mut wrong);
    bounds(config, &mut wrong);
    tokens::contradictions(config, &mut wrong);
    wrong
}

fn inboxes(config: &Config, wrong: &mut Vec<String>) {
    let inbox = &config.inbox;
    if inbox.settle > inbox.settle_max {
        wrong.push(format!(
            "inbox.settle ({}) is longer than inbox.settle_max ({}), which ends it: change one",
            inbox.settle, inbox.settle_max
        ));
    }
    let pattern = &config.topics.inbox;
    if InboxPattern::parse(pattern).is_none() {
        wrong.push(format!(
            "topics.inbox: {pattern:?} is no pattern: write \"{{uid}}\", or levels in front of \
             it, as in \"u/{{uid}}\""
        ));
    }
    let url = &config.store.url;
    if url.as_str() != "sqlite"
        && !["postgres://", "postgresql://"].iter().any(|s| url.starts_with(s))
    {
        wrong.push(format!("store.url: {url:?} is neither \"sqlite\" nor a postgres:// URL"));
    }
}

/// One line per wrong rule, so that all of them can be mended at once.
fn rules(config: &Config, wrong: &mut Vec<String>) {
    let topics = InboxPattern::parse(&config.topics.inbox);
    for (n, text) in config.acl.rules.iter().enumerate() {
        let interest = text.topic.as_ref().and_then(|topic| topics.as_ref()?.interest(topic).ok());
        match Rule::parse(n + 1, text) {
            Err(error) => wrong.push(error.to_string()),
            Ok(_) if matches!(interest, Some(Interest::Inbox(_) | Interest::Envelope(_))) => {
                wrong.push(format!(
                    "acl.rules: rule {} ({text}): that topic is an inbox: write send and to, as \
                     in {{ allow = \"send\", to = \"bob\" }}; nobody reads another's inbox",
                    n + 1
                ));
            }
            Ok(_) => {}
        }
    }
}

fn zeros(config: &Config, wrong: &mut Vec<String>) {
    let Config { auth, inbox, limits, proxy, store, tls, .. } = config;
    let zero = |span: Span| span.0 == Duration::ZERO;
    let none = |size: Size| size.0 == 0;
    for (key, is_zero) in [
        ("auth.hashes_at_once", auth.hashes_at_once == 0),
        ("auth.http.timeout", zero(auth.http.timeout)),
        ("auth.http.concurrency", auth.http.concurrency == 0),
        ("auth.http.remembered_max", auth.http.remembered_max == 0),
        ("auth.http.failures", auth.http.failures == 0),
        ("inbox.retention", zero(inbox.retention)),
        ("inbox.messages_max", inbox.messages_max == 0),
        ("inbox.device_ttl", zero(inbox.device_ttl)),
        ("limits.wrong_passwords.window", zero(limits.wrong_passwords.window)),
        ("limits.connections", limits.connections == 0),
        ("limits.connections_per_user", limits.connections_per_user == 0),
        ("limits.unauthenticated", limits.unauthenticated == 0),
        ("limits.connect_wait", zero(limits.connect_wait)),
        ("limits.connect_queue", limits.connect_queue == 0),
        ("limits.logins", limits.logins == 0),
        ("limits.receive_maximum", limits.receive_maximum == 0),
        ("limits.send_maximum", limits.send_maximum == 0),
        ("limits.keep_alive_max", zero(limits.keep_alive_max)),
        ("limits.devices_per_user", limits.devices_per_user == 0),
        ("limits.subscriptions_per_session", limits.subscriptions_per_session == 0),
        ("limits.sessions_per_user", limits.sessions_per_user == 0),
        ("limits.subscriptions_per_user", limits.subscriptions_per_user == 0),
        ("limits.flapping.window", zero(limits.flapping.window)),
        ("limits.outbox", none(limits.outbox)),
        ("limits.outbox_wait", zero(limits.outbox_wait)),
        ("limits.store_queue", none(limits.store_queue)),
        ("tls.handshake_wait", zero(tls.handshake_wait)),
        ("proxy.header_wait", zero(proxy.header_wait)),
        ("store.sweep_interval", zero(store.sweep_interval)),
    ] {
        if is_zero {
            wrong.push(format!("{key}: 0 would let nothing work: give more"));
        }
    }
}

fn bounds(config: &Config, wrong: &mut Vec<String>) {
    let limits = &config.limits;
    if !(PACKET_BYTES_MIN..=PACKET_BYTES_MAX).contains(&limits.packet.0) {
        wrong.push(format!("limits.packet: {} is outside of 1KiB to 255MiB", limits.packet));
    }
    if usize::from(limits.receive_maximum) > PUBLISH_RING_COUNT_MAX {
        // Each of them may have to be recognised when it is resent.
        wrong.push(format!("limits.receive_maximum: at most {PUBLISH_RING_COUNT_MAX}"));
    }
    let ban = limits.flapping.ban;
    if !(BAN_MIN..=BAN_MAX).contains(&ban.0) {
        wrong.push(format!("limits.flapping.ban: {ban} is outside of 1s to 365d"));
    }
    if u64::from(limits.send_maximum) >= PACKET_IDS_PER_LOG {
        wrong.push(format!("limits.send_maximum: has to be below {PACKET_IDS_PER_LOG}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words for settings that differ from the defaults by `text`.
    fn words(text: &str) -> String {
        contradictions(&toml::from_str(text).unwrap()).join("\n")
    }

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(words(""), "");
    }

    #[test]
    fn each_contradiction_names_the_key_to_change() {
        for (text, key) in [
            ("inbox.settle = \"3s\"", "inbox.settle_max"),
            ("topics.inbox = \"{uid}/x\"", "topics.inbox"),
            ("acl.rules = [{ allow = \"all\", topic = \"a/{x}\" }]", "rule 1 (allow all a/{x})"),
            ("acl.rules = [{ allow = \"all\", topic = \"{uid}\" }]", "is an inbox"),
            ("store.url = \"mysql://x\"", "store.url"),
            ("limits.connections = 0", "limits.connections: 0"),
            ("inbox.retention = \"0s\"", "inbox.retention: 0"),
            ("limits.packet = \"10B\"", "limits.packet"),
            ("limits.receive_maximum = 65", "limits.receive_maximum"),
            ("limits.send_maximum = 40000", "limits.send_maximum"),
            ("auth.http.concurrency = 0", "auth.http.concurrency: 0"),
            ("limits.flapping.ban = \"366d\"", "limits.flapping.ban"),
            ("limits.logins = 0", "limits.logins: 0"),
        ] {
            assert!(words(text).contains(key), "{text}: {}", words(text));
        }
        let both = words("limits.outbox = \"0B\"\nlimits.store_queue = \"0B\"");
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}

//! Settings that contradict each other or make no sense, each with the key to change.

mod tokens;

use std::net::IpAddr;
use std::time::Duration;

use super::{Config, Listen, Provider, Size, Span};
use crate::model::InboxPattern;
use crate::model::limit::{PACKET_IDS_PER_LOG, PUBLISH_RING_COUNT_MAX};

/// The largest packet there is (MQTT 5, section 2.1.4).
const PACKET_BYTES_MAX: u64 = 268_435_455 + 5;
/// Below it a CONNECT of ordinary size would not fit.
const PACKET_BYTES_MIN: u64 = 1024;
const WORKERS_COUNT_MAX: usize = 1024;
/// How long a ban lasts.
const BAN_MIN: Duration = Duration::from_secs(1);
const BAN_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Everything that is wrong, one line each; empty if nothing is.
pub fn contradictions(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    listeners(config, &mut wrong);
    inboxes(config, &mut wrong);
    zeros(config, &mut wrong);
    bounds(config, &mut wrong);
    tokens::contradictions(config, &mut wrong);
    wrong
}

fn listeners(config: &Config, wrong: &mut Vec<String>) {
    let Listen { mqtt, http, workers } = &config.listen;
    if mqtt.is_empty() {
        wrong.push("listen.mqtt: the list is empty, so that nobody could connect".into());
    }
    if *workers > WORKERS_COUNT_MAX {
        wrong.push(format!("listen.workers: at most {WORKERS_COUNT_MAX}; 0 is one per core"));
    }
    let unreadable = addresses(&config.listen).filter(|(_, address)| split(address).is_none());
    wrong
        .extend(unreadable.map(|(key, address)| {
            format!("{key}: {address:?} is no ADDR:PORT, as 127.0.0.1:1883")
        }));
    if config.auth.provider.has(Provider::Open) {
        wrong.extend(not_loopback(config).into_iter().map(|(key, address)| {
            format!(
                "auth.provider = \"open\" lets anyone in, so it serves loopback alone: change \
                 {key} = {address:?} to 127.0.0.1, or auth.provider to \"accounts\""
            )
        }));
    }
    if let Some(twice) = http.iter().find(|http| mqtt.contains(http) && !http.ends_with(":0")) {
        wrong.push(format!("listen.http: {twice:?} is in listen.mqtt already"));
    }
}

/// The addresses that other machines could reach, each with its key.
pub fn not_loopback(config: &Config) -> Vec<(&'static str, &str)> {
    let reachable = |address: &str| split(address).is_some_and(|(host, _)| !loopback(host));
    let all = addresses(&config.listen).map(|(key, address)| (key, address.as_str()));
    all.filter(|(_, address)| reachable(address)).collect()
}

fn addresses(listen: &Listen) -> impl Iterator<Item = (&'static str, &String)> {
    let mqtt = listen.mqtt.iter().map(|address| ("listen.mqtt", address));
    mqtt.chain(listen.http.iter().map(|address| ("listen.http", address)))
}

/// Host and port.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

fn loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
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
    if url != "sqlite" && !["postgres://", "postgresql://"].iter().any(|s| url.starts_with(s)) {
        let shown = super::show::without_password(url);
        wrong.push(format!("store.url: {shown:?} is neither \"sqlite\" nor a postgres:// URL"));
    }
}

fn zeros(config: &Config, wrong: &mut Vec<String>) {
    let Config { auth, inbox, limits, store, .. } = config;
    let zero = |span: Span| span.0 == Duration::ZERO;
    let none = |size: Size| size.0 == 0;
    for (key, is_zero) in [
        ("auth.hashes_at_once", auth.hashes_at_once == 0),
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
        ("limits.subscriptions_per_user", limits.subscriptions_per_user == 0),
        ("limits.flapping.window", zero(limits.flapping.window)),
        ("limits.outbox", none(limits.outbox)),
        ("limits.outbox_wait", zero(limits.outbox_wait)),
        ("limits.store_queue", none(limits.store_queue)),
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
    fn anyone_may_come_in_on_loopback_only() {
        let open =
            |mqtt: &str| words(&format!("auth.provider = \"open\"\nlisten.mqtt = [\"{mqtt}\"]\n"));
        for good in ["127.0.0.1:1883", "127.9.9.9:1", "[::1]:1883", "localhost:1883"] {
            assert_eq!(open(good), "", "{good}");
        }
        for bad in ["0.0.0.0:1883", "[::]:1883", "10.0.0.1:1883", "example.org:1883"] {
            assert!(open(bad).contains("auth.provider to \"accounts\""), "{bad}");
        }
    }

    #[test]
    fn addresses_are_host_and_port() {
        for bad in ["1883", "127.0.0.1", ":1883", "::1:1883", "a:99999", "a:b"] {
            assert!(words(&format!("listen.mqtt = [\"{bad}\"]")).contains("is no ADDR:PORT"));
        }
        assert!(words("listen.mqtt = []").contains("nobody could connect"));
        let twice = "listen.mqtt = [\"127.0.0.1:8080\"]";
        assert!(words(twice).contains("in listen.mqtt already"));
    }

    #[test]
    fn each_contradiction_names_the_key_to_change() {
        for (text, key) in [
            ("inbox.settle = \"3s\"", "inbox.settle_max"),
            ("topics.inbox = \"{uid}/x\"", "topics.inbox"),
            ("store.url = \"mysql://x\"", "store.url"),
            ("limits.connections = 0", "limits.connections: 0"),
            ("inbox.retention = \"0s\"", "inbox.retention: 0"),
            ("limits.packet = \"10B\"", "limits.packet"),
            ("limits.receive_maximum = 65", "limits.receive_maximum"),
            ("limits.send_maximum = 40000", "limits.send_maximum"),
            ("listen.workers = 5000", "listen.workers"),
            ("limits.flapping.ban = \"366d\"", "limits.flapping.ban"),
            ("limits.logins = 0", "limits.logins: 0"),
        ] {
            assert!(words(text).contains(key), "{text}: {}", words(text));
        }
        let both = words("limits.outbox = \"0B\"\nlimits.store_queue = \"0B\"");
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}

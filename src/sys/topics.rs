//! The names under `$SYS/broker/`, and what they say.

use std::time::Duration;

use crate::metrics::Figures;

/// Names behind `$SYS/broker/`, and texts. What is not known yet is left out.
pub fn values(figures: &Figures, uptime: Duration, connected_max: u64) -> Vec<(String, String)> {
    let total = figures.connected + figures.away.unwrap_or_default();
    let known = |name, count: u64| Some((name, count));
    let if_known = |name, count: Option<u64>| count.map(|count| (name, count));
    let counts = [
        known("clients/connected", figures.connected),
        if_known("clients/disconnected", figures.away),
        known("clients/total", total),
        known("clients/maximum", connected_max),
        known("clients/expired", figures.sessions_expired),
        known("messages/received", figures.packets_received),
        known("messages/sent", figures.packets_sent),
        if_known("messages/stored", figures.stored),
        if_known("store/messages/count", figures.stored),
        known("subscriptions/count", figures.subscriptions),
        if_known("retained messages/count", figures.retained),
        known("bytes/received", figures.bytes_received),
        known("bytes/sent", figures.bytes_sent),
        known("publish/messages/dropped", figures.publish_dropped),
        known("publish/messages/received", figures.publish_received),
        known("publish/messages/sent", figures.publish_sent),
        known("publish/bytes/received", figures.payload_received),
        known("publish/bytes/sent", figures.payload_sent),
    ];
    let mut all: Vec<(String, String)> = counts
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.into(), count.to_string()))
        .collect();
    all.push(("version".into(), format!("homing version {}", env!("CARGO_PKG_VERSION"))));
    all.push(("uptime".into(), format!("{} seconds", uptime.as_secs())));
    all
}

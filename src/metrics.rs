//! Every figure homing counts: its name and its meaning, in one place. Served at `/metrics`.
//!
//! All label values exist from the start, so a figure that is absent is one that does not exist,
//! and the hot path finds its counter by index: no lock, no map.
//!
//! `docs/metrics.md` lists them; a test compares.

mod connections;
mod doors;
mod figures;
mod login;
mod process;
mod schedules;
mod store;
mod traffic;

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use connections::{Counted, Protocol};
pub use doors::{DoorMetrics, Flapper, Handshake, Refused, Upgraded};
pub use figures::Figures;
pub use login::{Asked, Backend, LoginMetrics, Remembered};

use crate::model::{QoS, Reason, Stamp};
use crate::store::Removal;
use crate::store::commit::Batch;

use connections::Connections;
use process::Process;
use schedules::ScheduleMetrics;
use store::StoreMetrics;
use traffic::TrafficMetrics;

/// A figure that only grows; cheap from any thread.
pub type Count = Counter<u64, AtomicU64>;

/// How a connection ended. The name is the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server closed it.
    Server(Reason),
    /// The client sent DISCONNECT.
    Client,
    /// The network connection was lost without a DISCONNECT.
    Network,
}

/// Why a message was not delivered to one receiver, or a QoS 0 publish not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Reason(Reason),
    /// Its message expiry passed before it could be sent.
    Expired,
}

/// Counters of one family, one for each value of its label, found by index.
type Labelled = Box<[Count]>;

/// All counters and gauges of the process; shared as `Arc<Metrics>`.
pub struct Metrics {
    registry: Registry,
    messages_received: Labelled,
    messages_delivered: Labelled,
    messages_refused: Labelled,
    messages_dropped: Labelled,
    messages_removed: Labelled,
    disconnects: Labelled,
    connects: Labelled,
    pub doors: DoorMetrics,
    pub messages_committed: Count,
    pub connections: Connections,
    pub connections_opened: Count,
    pub connects_waiting: Gauge,
    pub readers_throttled: Gauge,
    /// As of [`Metrics::note_dropped_lines`].
    log_lines_dropped: Count,
    pub takeovers: Count,
    pub sessions_expired: Count,
    pub subscriptions: Gauge,
    pub traffic: TrafficMetrics,
    pub commits: Count,
    pub commit_records: Count,
    pub store_queue_bytes: Gauge,
    pub panics: Count,
    pub clock_jumps: Count,
    pub clock_off_secs: Gauge,
    pub logins: LoginMetrics,
    last_reload_success: Gauge,
    last_reload_secs: Gauge,
    delivery_latency: Histogram,
    pub schedules: ScheduleMetrics,
    pub store: StoreMetrics,
    process: Process,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut all = Registry::default();
        let process = Process::register(&mut all);
        let r = all.sub_registry_with_prefix("homing");
        r.register("build", "What runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Metrics {
            messages_received: by_qos(
                r,
                "messages_received",
                "PUBLISH packets from clients",
                "via",
            ),
            messages_delivered: by_qos(
                r,
                "messages_delivered",
                "PUBLISH packets to clients",
                "path",
            ),
            messages_refused: by_reason(r, "messages_refused", "Publishes refused", &[]),
            messages_dropped: by_reason(r, "messages_dropped", DROPPED, &["expired"]),
            messages_removed: by_removal(r, "messages_removed", "Stored records removed"),
            disconnects: by_reason(r, "disconnects", CLOSED, &["client", "network"]),
            connects: connects(r),
            doors: DoorMetrics::new(r),
            messages_committed: counter(r, "messages_committed", COMMITTED),
            connections: Connections::new(r),
            connections_opened: counter(r, "connections_opened", "Connections accepted"),
            connects_waiting: gauge(r, "connects_waiting", "CONNECTs that wait for their turn now"),
            readers_throttled: gauge(r, "readers_throttled", THROTTLED),
            log_lines_dropped: counter(
                r,
                "log_lines_dropped",
                "Lines of the log that nobody took in time",
            ),
            takeovers: counter(r, "takeovers", "Sessions taken over by another connection"),
            sessions_expired: counter(r, "sessions_expired", EXPIRED),
            subscriptions: gauge(r, "subscriptions", "Subscriptions to plain topics now"),
            traffic: TrafficMetrics::new(r),
            commits: counter(r, "commits", "Store transactions committed"),
            commit_records: counter(r, "commit_records", "Records written by transactions"),
            store_queue_bytes: gauge(r, "store_queue_bytes", "Bytes waiting for the store now"),
            panics: counter(r, "panics", "Panics caught; each is a bug"),
            clock_jumps: counter(r, "clock_jumps", "Jumps of the system's clock"),
            clock_off_secs: gauge(r, "clock_off_seconds", CLOCK_OFF),
            logins: LoginMetrics::new(r),
            last_reload_success: gauge(r, "config_last_reload_success", RELOADED),
            last_reload_secs: gauge(r, "config_last_reload_timestamp_seconds", RELOADED_AT),
            delivery_latency: histogram(r, "delivery_latency_seconds", LATENCY),
            schedules: ScheduleMetrics::new(r),
            store: StoreMetrics::new(r),
            process,
            registry: all,
        }
    }
}

const CLOCK_OFF: &str = "How far the system's clock is from the time that homing goes by";
const EXPIRED: &str = "Durable MQTT sessions whose time was over";
const DROPPED: &str = "Messages not delivered to one receiver, and QoS 0 publishes not taken";
const CLOSED: &str = "Connections ended; client: by DISCONNECT, network: lost without one, \
                      else why the server closed it";
const RELOADED: &str = "1 if the settings were taken at the last reload or the start, else 0";
const RELOADED_AT: &str = "When settings were last taken, in seconds since 1970";
const THROTTLED: &str = "Connections that are read no further now for their publish rate";
const LATENCY: &str = "From taking a message in to its commit, after which it is acknowledged and \
                       goes to its readers; of each transaction the longest";
const COMMITTED: &str = "Messages stored for at least one durable addressee";

/// One value for each QoS, all of them by MQTT.
fn by_qos(registry: &mut Registry, name: &str, help: &str, way: &'static str) -> Labelled {
    let family = Family::<[(&'static str, &'static str); 2], Count>::default();
    registry.register(name, help, family.clone());
    let one = |qos| family.get_or_create_owned(&[(way, "mqtt"), ("qos", qos)]);
    ["0", "1", "2"].map(one).into()
}

/// One value for each [`Reason`], then `more`.
fn by_reason(registry: &mut Registry, name: &str, help: &str, more: &[&'static str]) -> Labelled {
    let values = Reason::ALL.map(Reason::name).into_iter().chain(more.iter().copied());
    labelled(registry, name, help, "reason", values)
}

/// `ok`, or why the CONNECT was refused.
fn connects(registry: &mut Registry) -> Labelled {
    let values = Reason::ALL.map(Reason::name).into_iter().chain(["ok"]);
    labelled(registry, "connects", "CONNECT packets answered", "result", values)
}

fn histogram(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    // 0.1 ms to 3.3 s.
    let histogram = Histogram::new(exponential_buckets(0.0001, 2.0, 16));
    registry.register(name, help, histogram.clone());
    histogram
}

fn by_removal(registry: &mut Registry, name: &str, help: &str) -> Labelled {
    labelled(registry, name, help, "reason", Removal::ALL.map(Removal::name))
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) -> Labelled {
    let family = Family::<[(&'static str, &'static str); 1], Count>::default();
    registry.register(name, help, family.clone());
    values.into_iter().map(|value| family.get_or_create_owned(&[(label, value)])).collect()
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Count {
    let count = Count::default();
    registry.register(name, help, count.clone());
    count
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

impl Metrics {
    /// Of the log, since the start.
    pub fn note_dropped_lines(&self, count: u64) {
        self.log_lines_dropped.inner().fetch_max(count, Ordering::Relaxed);
    }

    pub fn messages_received(&self, qos: QoS) -> &Count {
        &self.messages_received[qos as usize]
    }

    pub fn messages_delivered(&self, qos: QoS) -> &Count {
        &self.messages_delivered[qos as usize]
    }

    pub fn messages_refused(&self, reason: Reason) -> &Count {
        &self.messages_refused[reason as usize]
    }

    pub fn messages_dropped(&self, why: Dropped) -> &Count {
        let index = match why {
            Dropped::Reason(reason) => reason as usize,
            Dropped::Expired => Reason::ALL.len(),
        };
        &self.messages_dropped[index]
    }

    pub fn messages_removed(&self, removal: Removal) -> &Count {
        &self.messages_removed[removal as usize]
    }

    pub fn disconnects(&self, how: Closed) -> &Count {
        let index = match how {
            Closed::Server(reason) => reason as usize,
            Closed::Client => Reason::ALL.len(),
            Closed::Network => Reason::ALL.len() + 1,
        };
        &self.disconnects[index]
    }

    pub fn connects_refused(&self, reason: Reason) -> &Count {
        &self.connects[reason as usize]
    }

    pub fn connects_accepted(&self) -> &Count {
        &self.connects[Reason::ALL.len()]
    }

    /// The process serves since then.
    pub fn started(&self, now: Stamp) {
        self.process.started(now);
    }

    /// One transaction of the store has ended.
    pub fn committed(&self, batch: &Batch<'_>) {
        self.delivery_latency.observe(batch.waited.as_secs_f64());
        self.store.committed(batch);
        for (removal, count) in batch.removed {
            self.messages_removed(*removal).inc_by(*count);
        }
    }

    /// The settings were loaded again, or could not be.
    pub fn reloaded(&self, success: bool, now: Stamp) {
        self.last_reload_success.set(success.into());
        if success {
            self.last_reload_secs.set(now.0.div_euclid(1000));
        }
    }

    /// The OpenMetrics text of `/metrics`.
    ///
    /// # Errors
    /// [`std::fmt::Error`] if a figure could not be written; a fault of the server.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        self.process.look();
        let mut out = String::new();
        encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts each label value as often as its index says and reads the text.
    #[test]
    fn each_label_value_has_its_own_counter() {
        let metrics = Metrics::default();
        for (i, reason) in Reason::ALL.into_iter().enumerate() {
            metrics.messages_refused(reason).inc_by(i as u64);
            metrics.messages_dropped(Dropped::Reason(reason)).inc_by(i as u64);
            metrics.disconnects(Closed::Server(reason)).inc_by(i as u64);
        }
        for (i, removal) in Removal::ALL.into_iter().enumerate() {
            metrics.messages_removed(removal).inc_by(i as u64);
        }
        let text = metrics.text().unwrap();
        let has = |family: &str, name: &str, count: usize| {
            let line = format!("homing_{family}_total{{reason=\"{name}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        };
        for (i, reason) in Reason::ALL.into_iter().enumerate() {
            has("messages_refused", reason.name(), i);
            has("messages_dropped", reason.name(), i);
            has("disconnects", reason.name(), i);
        }
        for (i, removal) in Removal::ALL.into_iter().enumerate() {
            has("messages_removed", removal.name(), i);
        }
        has("messages_dropped", "expired", 0);
        has("disconnects", "client", 0);
        has("disconnects", "network", 0);
    }

    /// Name, type and meaning of every family, as rows of the table in the documentation.
    fn rows() -> Vec<String> {
        let metrics = Metrics::default();
        metrics.doors.set_certificates([("chat.pem", 1)].into_iter());
        metrics.connections.listens("mqtt");
        let text = metrics.text().unwrap();
        let of = |name: &str| {
            let labels = text.lines().find_map(|line| {
                let (found, labels) = line.split_once(['{', ' '])?;
                let own = [name, &format!("{name}_total"), &format!("{name}_count")];
                own.contains(&found).then_some(labels)
            });
            let names =
                labels.unwrap_or_default().split(',').filter_map(|label| label.split_once('='));
            let names: Vec<_> = names.map(|(label, _)| format!("`{label}`")).collect();
            names.join(", ")
        };
        let family = |line: &str| {
            let (name, help) = line.strip_prefix("# HELP ")?.split_once(' ')?;
            let typed = format!("# TYPE {name} ");
            let kind = text.lines().find_map(|line| line.strip_prefix(&typed))?;
            let ending = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let labels = if kind == "info" { "`version`".into() } else { of(name) };
            Some(format!("| `{name}{ending}` | {kind} | {labels} | {help} |"))
        };
        text.lines().filter_map(family).collect()
    }

    #[test]
    fn the_documentation_lists_every_figure_once_and_no_other() {
        let shown = include_str!("../docs/metrics.md");
        let mut shown: Vec<&str> = shown.lines().filter(|line| line.starts_with("| `")).collect();
        let mut rows = rows();
        shown.sort_unstable();
        rows.sort_unstable();
        assert_eq!(shown, rows, "docs/metrics.md should have\n{}", rows.join("\n"));
        for row in &rows {
            assert!(
                !["uid", "topic", "client_id"].iter().any(|who| row.contains(&format!("`{who}`")))
            );
        }
    }

    /// prometheus.io/docs/practices/naming: the program's name first, base units, counters `_total`
    /// (the encoder adds it, so that no name says it twice).
    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let text = Metrics::default().text().unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(name.starts_with("homing_") || name.starts_with("process_"), "{name}");
            for unit in ["_ms", "_millis", "_milliseconds", "_us", "_minutes", "_kb", "_mb", "_kib"]
            {
                assert!(!name.ends_with(unit), "{name} is not in a base unit");
            }
            assert!(!name.ends_with("_total") && !name.ends_with("_count"), "{name}");
            assert!(kind != "histogram" || name.ends_with("_seconds"), "{name} has no unit");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }

    #[test]
    fn every_figure_is_there_at_zero_before_anything_happened() {
        let text = Metrics::default().text().unwrap();
        for line in [
            "homing_messages_received_total{via=\"mqtt\",qos=\"2\"} 0\n",
            "homing_messages_delivered_total{path=\"mqtt\",qos=\"0\"} 0\n",
            "homing_connects_total{result=\"bad_login\"} 0\n",
            "homing_connects_total{result=\"ok\"} 0\n",
            "homing_store_append_seconds_count 0\n",
            "homing_store_fsync_seconds_count 0\n",
            "homing_store_queue_bytes 0\n",
            "homing_panics_total 0\n",
            "# EOF\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

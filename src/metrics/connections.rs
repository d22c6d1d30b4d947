//! MQTT connections open now, by the listener they came in by and the version they speak.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is spoken. The name is the label `proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V311,
    V5,
}

impl Protocol {
    pub const ALL: [Protocol; 2] = [Protocol::V311, Protocol::V5];

    pub fn name(self) -> &'static str {
        match self {
            Protocol::V311 => "3.1.1",
            Protocol::V5 => "5",
        }
    }
}

/// One gauge for each listener of the settings and each protocol.
pub struct Connections {
    by_kind: Family<[(&'static str, &'static str); 2], Gauge>,
    /// All of them together.
    open: Gauge,
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub struct Counted([Gauge; 2]);

impl Connections {
    pub(super) fn new(registry: &mut Registry) -> Connections {
        let family = Family::default();
        registry.register("connections", "MQTT connections open now", family.clone());
        Connections { by_kind: family, open: Gauge::default() }
    }

    /// Such a listener is open: its figures are there from now on.
    pub fn listens(&self, listener: &'static str) {
        for protocol in Protocol::ALL {
            self.gauge(listener, protocol);
        }
    }

    /// One more, until it is dropped.
    #[must_use]
    pub fn count(&self, listener: &'static str, protocol: Protocol) -> Counted {
        let both = [self.gauge(listener, protocol), self.open.clone()];
        both.iter().for_each(|gauge| _ = gauge.inc());
        Counted(both)
    }

    /// How many there are now.
    pub fn open(&self) -> u64 {
        u64::try_from(self.open.get()).unwrap_or_default()
    }

    fn gauge(&self, listener: &'static str, protocol: Protocol) -> Gauge {
        self.by_kind.get_or_create_owned(&[("listener", listener), ("proto", protocol.name())])
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.iter().for_each(|gauge| _ = gauge.dec());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn a_connection_counts_for_as_long_as_it_lives() {
        let metrics = Metrics::default();
        metrics.connections.listens("mqtt");
        let has = |line: &str| assert!(metrics.text().unwrap().contains(line), "{line}");
        has("homing_connections{listener=\"mqtt\",proto=\"5\"} 0\n");
        let (one, two) = (Protocol::V5, Protocol::V311);
        let all = [one, one, two].map(|proto| metrics.connections.count("mqtts", proto));
        has("homing_connections{listener=\"mqtts\",proto=\"5\"} 2\n");
        has("homing_connections{listener=\"mqtts\",proto=\"3.1.1\"} 1\n");
        drop(all);
        has("homing_connections{listener=\"mqtts\",proto=\"5\"} 0\n");
    }
}

//! The figures that are told under `$SYS/broker`, read at one moment.

use super::{Count, Metrics};

/// `None`: not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// MQTT connections.
    pub connected: u64,
    /// Durable sessions without a connection.
    pub away: Option<u64>,
    pub sessions_expired: u64,
    /// Messages that a device or session has still to acknowledge.
    pub stored: Option<u64>,
    pub retained: Option<u64>,
    pub subscriptions: u64,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub publish_received: u64,
    pub publish_sent: u64,
    pub publish_dropped: u64,
    pub payload_received: u64,
    pub payload_sent: u64,
    /// Connections accepted, whatever they said.
    pub sockets: u64,
    /// CONNECT packets accepted.
    pub connects: u64,
}

impl Metrics {
    pub fn figures(&self) -> Figures {
        let sum = |counts: &[Count]| counts.iter().map(|count| count.get()).sum();
        let traffic = &self.traffic;
        Figures {
            connected: self.connections.open(),
            away: self.store.away(),
            sessions_expired: self.sessions_expired.get(),
            stored: self.store.waiting(),
            retained: self.store.retained(),
            subscriptions: u64::try_from(self.subscriptions.get()).unwrap_or_default(),
            packets_received: traffic.packets_received.get(),
            packets_sent: traffic.packets_sent.get(),
            bytes_received: traffic.bytes_received.get(),
            bytes_sent: traffic.bytes_sent.get(),
            publish_received: sum(&self.messages_received),
            publish_sent: sum(&self.messages_delivered),
            publish_dropped: sum(&self.messages_dropped),
            payload_received: traffic.payload_received.get(),
            payload_sent: traffic.payload_sent.get(),
            sockets: self.connections_opened.get(),
            connects: self.connects_accepted().get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Protocol;
    use crate::store::Census;

    #[test]
    fn they_are_those_of_the_metrics() {
        let metrics = Metrics::default();
        assert_eq!(metrics.figures(), Figures::default());
        let _one = metrics.connections.count("mqtt", Protocol::V5);
        let _two = metrics.connections.count("ws", Protocol::V311);
        metrics.store.counted(Census { connected: 1, away: 2, waiting: 3 });
        metrics.store.set_retained(4);
        metrics.subscriptions.set(5);
        let figures = metrics.figures();
        assert_eq!((figures.connected, figures.away, figures.stored), (2, Some(2), Some(3)));
        assert_eq!((figures.retained, figures.subscriptions), (Some(4), 5));
    }
}

//! What goes over the connections, in packets and bytes of MQTT, from the CONNECT on.

use prometheus_client::registry::Registry;

use super::{Count, counter};

pub struct TrafficMetrics {
    pub packets_received: Count,
    pub packets_sent: Count,
    pub bytes_received: Count,
    pub bytes_sent: Count,
    pub payload_received: Count,
    pub payload_sent: Count,
}

impl TrafficMetrics {
    pub(super) fn new(r: &mut Registry) -> TrafficMetrics {
        const PAYLOAD_IN: &str = "Bytes of payloads in PUBLISH packets from clients";
        const PAYLOAD_OUT: &str = "Bytes of payloads in PUBLISH packets to clients";
        TrafficMetrics {
            packets_received: counter(
                r,
                "packets_received",
                "MQTT packets from clients, all but CONNECT",
            ),
            packets_sent: counter(
                r,
                "packets_sent",
                "MQTT packets to clients, all but a CONNACK that refuses",
            ),
            bytes_received: counter(r, "packets_received_bytes", "Their bytes"),
            bytes_sent: counter(r, "packets_sent_bytes", "Their bytes"),
            payload_received: counter(r, "payload_received_bytes", PAYLOAD_IN),
            payload_sent: counter(r, "payload_sent_bytes", PAYLOAD_OUT),
        }
    }
}

//! rumqttd as the opponent of `scripts/bench`: `rumqttd-opponent PORT` serves MQTT 3.1.1 on
//! 127.0.0.1 until it is ended. The settings are those of the configuration file that rumqttd
//! ships, but for more connections, larger messages and no pause between two connections.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Beyond the 15,000 connections of the largest scene.
const CONNECTIONS_COUNT_MAX: usize = 20_000;
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port) = port else {
        eprintln!("rumqttd-opponent PORT");
        return ExitCode::from(2);
    };
    match Broker::new(config(port)).start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rumqttd-opponent: rumqttd did not start: {error}");
            ExitCode::FAILURE
        }
    }
}

fn config(port: u16) -> Config {
    let router = RouterConfig {
        max_connections: CONNECTIONS_COUNT_MAX,
        max_outgoing_packet_count: 200,
        max_segment_size: 104_857_600,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    let v4 = HashMap::from([("v4".to_owned(), server(port))]);
    Config { router, v4: Some(v4), ..Config::default() }
}

fn server(port: u16) -> ServerSettings {
    ServerSettings {
        name: "v4".to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: PAYLOAD_BYTES_MAX,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    }
}

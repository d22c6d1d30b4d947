//! Connections that come and go, with and without a login, leave nothing behind.

use super::support::process::{open_sockets, resident_kib};
use super::support::websocket::LISTEN;
use super::support::{Broker, Client, Connect, V5, V311, wait_until};

const CONNECTIONS_PER_ROUND: usize = 2000;
/// The allocator and the tables have their size after these.
const FIRST_ROUNDS: usize = 2;
const ROUNDS: usize = 4;
/// For each connection of the later rounds.
const LEAK_BYTES_MAX: u64 = 100;

fn one(broker: &Broker, number: usize) {
    match number % 6 {
        0 => drop(Client::silent(broker.mqtt, V311)),
        1 => Client::silent(broker.mqtt, V311).send_raw(&Connect::v311("a", "b").encode()[..9]),
        2 => Client::silent(broker.mqtt, V5).send_raw(&[0xFF; 64]),
        3 => Client::silent(broker.ws(), V311).send_raw(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n"),
        4 => drop(Connect::v311("alice", "").open(broker.mqtt)),
        _ => {
            let client_id = format!("device-{}", number % 7);
            let mut client = Connect::v5("alice", &client_id).open(broker.mqtt);
            client.subscribe(&format!("a/{number}"), 1);
        }
    }
}

/// Threat W11.
#[test]
fn connections_that_come_and_go_leave_nothing() {
    let broker = Broker::with(&[
        LISTEN,
        ("HOMING__LIMITS__FLAPPING__PER_CLIENT", "0"),
        ("HOMING__LIMITS__CONNECT_RATE", "off"),
    ]);
    let before = open_sockets(broker.pid());
    let mut warm = 0;
    for round in 0..FIRST_ROUNDS + ROUNDS {
        (0..CONNECTIONS_PER_ROUND).for_each(|number| one(&broker, number));
        wait_until("the end of all connections", || {
            let counted = broker.metrics("homing_connections", &[]);
            (counted == 0.0 && open_sockets(broker.pid()) <= before).then_some(())
        });
        if round + 1 == FIRST_ROUNDS {
            warm = resident_kib(broker.pid());
        }
    }
    let grown = resident_kib(broker.pid()).saturating_sub(warm) * 1024;
    let each = grown / (ROUNDS * CONNECTIONS_PER_ROUND) as u64;
    println!("{each} bytes are left of each connection");
    assert!(each < LEAK_BYTES_MAX, "{each} bytes are left of each connection");
}

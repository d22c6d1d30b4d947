//! An idle connection over WebSocket costs what one over TCP does, and a few bytes more.

use std::net::TcpStream;

use super::support::websocket::{LISTEN, WebStream};
use super::support::{Broker, Client, Connect};

const CONNECTIONS: usize = 800;
/// More than one over TCP.
const MORE_BYTES_MAX: usize = 2 * 1024;

/// Compared with the same broker's connections over TCP, so that the build and the allocator do not
/// matter.
#[test]
fn an_idle_connection_holds_no_buffer() {
    let broker = Broker::with(&[LISTEN, ("HOMING__AUTH__PROVIDER", "open")]);
    let name = |kind: &str, n: usize| Connect::v311(&format!("{kind}{n}"), "phone").keep_alive(600);
    let tcp = |n: usize| name("tcp", n).open(broker.mqtt);
    let web = |n: usize| {
        let stream = TcpStream::connect(broker.ws()).expect("connect");
        let (mut client, ack) =
            name("web", n).try_on(WebStream::open(stream, broker.ws())).expect("CONNACK");
        assert_eq!(ack.code, 0);
        // It had something to read and to write.
        client.ping();
        client
    };
    // The first ones fill tables and pools that all share.
    let _first: Vec<Client> =
        (0..50).map(|n| tcp(10_000 + n)).chain((0..50).map(|n| web(10_000 + n))).collect();
    let start = private_bytes(broker.pid());
    let _tcp: Vec<Client> = (0..CONNECTIONS)
        .map(|n| {
            let mut client = tcp(n);
            client.ping();
            client
        })
        .collect();
    let between = private_bytes(broker.pid());
    let _web: Vec<Client> = (0..CONNECTIONS).map(web).collect();
    let end = private_bytes(broker.pid());
    let each = |from: usize, to: usize| to.saturating_sub(from) / CONNECTIONS;
    let (tcp, web) = (each(start, between), each(between, end));
    println!("{tcp} bytes for a connection over TCP, {web} over WebSocket");
    assert!(web <= tcp + MORE_BYTES_MAX, "{web} bytes over WebSocket, {tcp} over TCP");
}

/// Memory that belongs to this process alone.
fn private_bytes(pid: u32) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("Linux");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib: usize =
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("kB");
    kib * 1024
}

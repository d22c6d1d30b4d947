//! Debian's HAProxy in front of the broker, as it is used in service.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::support::broker::Start;
use super::support::command::Running;
use super::support::{Broker, Connect, Secured, wait_until};

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

/// HAProxy that takes TCP here and hands it on with this option.
fn haproxy(dir: &std::path::Path, to: SocketAddr, option: &str) -> (Running, SocketAddr) {
    let port = free_port();
    let file = dir.join("haproxy.cfg");
    let config = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen mqtt\n  bind {port}\n  server broker {to} {option}\n"
    );
    std::fs::write(&file, config).expect("write");
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(&file).arg("-db");
    let running = Running::start(command, "");
    wait_until("haproxy", || TcpStream::connect(port).ok());
    (running, port)
}

const PROXIED: &str = "[{address='127.0.0.1:0', proxy=true}]";

fn serve(start: Start) -> Broker {
    start.env("HOMING__PROXY__TRUSTED", "['127.0.0.1']").start()
}

/// From another address than HAProxy's own.
#[test]
fn the_clients_own_address_is_seen_through_haproxy() {
    let dir = tempfile::TempDir::new().expect("temporary directory");
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
    {
        let broker = serve(Start::dev().listen_mqtt(PROXIED).env("HOMING__LOG__FORMAT", "json"));
        let (_haproxy, port) = haproxy(dir.path(), broker.mqtt, option);
        let mut phone = Connect::v5("alice", "phone").open(port);
        phone.ping();
        let wrong = Connect::v311("bob", "guess").password("wrong");
        let (_, ack) = wrong.try_from([127, 0, 0, 7].into(), port).expect("an answer");
        assert_eq!(ack.code, 4);
        broker.log.wait_for(&["connection refused", "bob", "\"peer\":\"127.0.0.7:"]);
        phone.expect_marker_from(&mut Connect::v5("bob", "post").open(port), "alice");
    }
}

#[test]
fn tls_goes_through_haproxy() {
    let secured = Secured::new();
    let broker = serve(secured.start().env("HOMING__LISTEN__MQTTS", PROXIED));
    let (_haproxy, port) = haproxy(secured.dir.path(), broker.mqtts(), "send-proxy-v2");
    let mut phone = Connect::v5("alice", "phone").secure(port, &secured.client());
    phone.ping();
    let mut post = Connect::v5("bob", "post").secure(port, &secured.client());
    phone.expect_marker_from(&mut post, "alice");
}

/// Its health checks carry LOCAL headers, or none when they only open the port.
#[test]
fn health_checks_leave_no_warnings() {
    let dir = tempfile::TempDir::new().expect("temporary directory");
    let broker = serve(Start::dev().listen_mqtt(PROXIED).env("HOMING__LOG__FORMAT", "json"));
    let option = "send-proxy-v2 check check-send-proxy inter 50ms";
    let (haproxy, port) = haproxy(dir.path(), broker.mqtt, option);
    let opened = || broker.metrics("homing_connections_opened_total", &[]);
    wait_until("some health checks", || (opened() >= 5.0).then_some(()));
    Connect::v5("alice", "phone").open(port).ping();
    drop(haproxy);
    assert_eq!(broker.log.matching(&["WARN"]), Vec::<String>::new());
}

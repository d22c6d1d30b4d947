//! A flood of what is refused fills the log no more than some lines in a while do: the others are
//! counted, in the log and in the figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use super::support::broker::Start;
use super::support::{Broker, Connect, HANG, Secured, wait_until};

const FLOOD: usize = 200;
/// As `src/model/noise.rs` has it.
const LINES_PER_WINDOW_MAX: usize = 20;
const WINDOW_SECS: usize = 5;

fn json(start: Start) -> Broker {
    start.env("HOMING__LOG__FORMAT", "json").start()
}

/// Sends this and waits for the end.
fn say(addr: SocketAddr, bytes: &[u8]) {
    let mut tcp = TcpStream::connect_timeout(&addr, HANG).expect("connect");
    tcp.set_read_timeout(Some(HANG)).expect("read timeout");
    tcp.write_all(bytes).expect("sent");
    // By FIN or by RST.
    _ = tcp.read_to_end(&mut Vec::new());
}

/// Lines with these words, and how many they say were left out.
fn told(broker: &Broker, words: &[&str]) -> (usize, usize) {
    let lines = broker.log.matching(words);
    let left_out = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["left_out"].as_u64().unwrap_or(0) as usize
    };
    (lines.len(), lines.iter().map(left_out).sum())
}

/// Floods until a line tells how many were left out, so that no machine is too slow for it.
fn flooded(broker: &Broker, words: &[&str], one: impl Fn()) {
    let (start, mut sent) = (Instant::now(), 0);
    while sent < FLOOD || told(broker, words).1 == 0 {
        assert!(start.elapsed() < HANG, "nothing was left out of {sent}");
        one();
        sent += 1;
    }
    let (lines, left_out) = told(broker, words);
    let windows = start.elapsed().as_secs() as usize / WINDOW_SECS + 2;
    assert!(lines <= windows * LINES_PER_WINDOW_MAX, "{lines} lines in {windows} windows");
    assert!(lines + left_out <= sent, "{lines} lines and {left_out} left out of {sent}");
}

#[test]
fn of_failed_handshakes() {
    let broker = json(Secured::new().start());
    let addr = broker.mqtts();
    flooded(&broker, &["no TLS connection"], || say(addr, b"GET / HTTP/1.1\r\n\r\n"));
    let refused = || broker.metrics("homing_tls_handshakes_total", &[("result", "refused")]);
    wait_until("every handshake is counted", || (refused() >= FLOOD as f64).then_some(()));
}

#[test]
fn of_bad_proxy_headers() {
    let start = Start::dev().listen_mqtt("[{address='127.0.0.1:0', proxy=true}]");
    let broker = json(start.env("HOMING__PROXY__TRUSTED", "['127.0.0.0/8']"));
    flooded(&broker, &["PROXY header is refused"], || say(broker.mqtt, b"PROXY NONSENSE\r\n"));
}

#[test]
fn of_failed_logins() {
    let start = Start::dev()
        .env("HOMING__AUTH__PROVIDER", "jwt")
        .env("HOMING__AUTH__JWT__ALGORITHMS", "['HS256']")
        .env("HOMING__AUTH__JWT__SECRET", "a secret that is long enough for HS256")
        .env("HOMING__LIMITS__WRONG_PASSWORDS__PER_USER", "0")
        .env("HOMING__LIMITS__WRONG_PASSWORDS__PER_IP", "0");
    let broker = json(start);
    // Its header says HS256; nobody signed it.
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1dDAwMSJ9.AAAA";
    let login =
        || assert_eq!(Connect::v5("ut001", "phone").password(token).refused(broker.mqtt), 0x86);
    flooded(&broker, &["connection refused", "bad_login"], login);
    let (lines, _) = told(&broker, &["a token is not accepted"]);
    assert!(lines < FLOOD, "{lines} lines about tokens");
    let refused = broker.metrics("homing_connects_total", &[("result", "bad_login")]);
    assert!(refused >= FLOOD as f64, "{refused}");
}

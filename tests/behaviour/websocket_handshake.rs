//! Who may open a WebSocket, and what the others are told: clear answers of HTTP, within one time.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::websocket::{LISTEN, ask, broker, closed_with, frame, raw};
use super::support::{Broker, Connect, HANG, Secured};

#[test]
fn each_mistake_is_told_with_words() {
    let broker = broker();
    for (method, path, own, status, words) in [
        ("GET", "/", &[][..], 404, "MQTT is at /mqtt"),
        ("GET", "/mqtt/", &[], 404, "/mqtt/"),
        ("POST", "/mqtt", &[], 405, "GET"),
        ("GET", "/mqtt", &["Upgrade: h2c"], 426, "Upgrade: websocket"),
        ("GET", "/mqtt", &["Connection: close"], 426, "Connection: Upgrade"),
        ("GET", "/mqtt", &["Sec-WebSocket-Version: 8"], 426, "13"),
        ("GET", "/mqtt", &["Sec-WebSocket-Key: short"], 400, "Sec-WebSocket-Key"),
        ("GET", "/mqtt", &["Sec-WebSocket-Protocol: chat"], 400, "subprotocol mqtt"),
        ("GET", "/mqtt", &["Origin: https://evil.example"], 403, "websocket.origins"),
    ] {
        let answer = ask(broker.ws(), method, path, own);
        assert_eq!(answer.status, status, "{own:?}: {answer:?}");
        assert!(answer.body.contains(words), "{answer:?}");
        broker.log.wait_for(&["no WebSocket", "refused", words]);
    }
    let version = ask(broker.ws(), "GET", "/mqtt", &["Sec-WebSocket-Version: 7"]);
    assert_eq!(version.header("sec-websocket-version"), Some("13"));
    assert_eq!(ask(broker.ws(), "PUT", "/mqtt", &[]).header("allow"), Some("GET"));
    let refused = [("result", "refused")];
    assert_eq!(broker.metrics("homing_websocket_handshakes_total", &refused), 11.0);
}

/// Threat I11. A page of somebody else is not let in; those that are named are, and so is who names
/// the host that it asks for, as several libraries do that are in no browser.
#[test]
fn a_foreign_page_is_not_let_in() {
    let origins = "['https://app.example.org']";
    let broker = Broker::with(&[LISTEN, ("HOMING__WEBSOCKET__ORIGINS", origins)]);
    let status = |origin: &str| {
        let mut tcp = TcpStream::connect(broker.ws()).expect("connect");
        tcp.set_read_timeout(Some(HANG)).expect("read timeout");
        let request = super::support::websocket::request(broker.ws());
        let own = format!("\r\nOrigin: {origin}\r\n\r\n");
        tcp.write_all(request.replacen("\r\n\r\n", &own, 1).as_bytes()).expect("request");
        let mut line = [0; 12];
        tcp.read_exact(&mut line).expect("an answer");
        String::from_utf8(line.to_vec()).expect("text")[9..].to_owned()
    };
    assert_eq!(status("https://app.example.org"), "101");
    assert_eq!(status("http://127.0.0.1:3000"), "101");
    for foreign in ["https://evil.example", "null", "http://app.example.org"] {
        assert_eq!(status(foreign), "403", "{foreign}");
    }
    broker.log.wait_for(&["pages from https://evil.example are not let in"]);
}

#[test]
fn the_path_is_as_configured() {
    let broker = Broker::with(&[LISTEN, ("HOMING__WEBSOCKET__PATH", "/chat/ws")]);
    assert_eq!(ask(broker.ws(), "GET", "/mqtt", &[]).status, 404);
    let answer = ask(broker.ws(), "GET", "/chat/ws", &["Sec-WebSocket-Protocol: chat"]);
    assert_eq!(answer.status, 400);
}

/// Threat W12. One time for all: the request, and the CONNECT behind it.
#[test]
fn who_is_slow_is_sent_away() {
    let broker = Broker::with(&[LISTEN, ("HOMING__LIMITS__CONNECT_WAIT", "300ms")]);
    let mut slow = TcpStream::connect(broker.ws()).expect("connect");
    slow.set_read_timeout(Some(HANG)).expect("read timeout");
    slow.write_all(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n").expect("half a request");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(broker.metrics("homing_websocket_handshakes_total", &[("result", "timeout")]), 1.0);
    let mut silent = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    silent.write_all(&frame(0x82, &Connect::v5("alice", "x").encode()[..5])).expect("half of it");
    assert_eq!(closed_with(&mut silent), 1000);
    let slow = [("result", "too_slow_to_connect")];
    assert_eq!(broker.metrics("homing_connects_total", &slow), 1.0);
}

#[test]
fn endless_headers_are_refused() {
    let broker = broker();
    let mut tcp = TcpStream::connect(broker.ws()).expect("connect");
    tcp.set_read_timeout(Some(HANG)).expect("read timeout");
    let head = format!("GET /mqtt HTTP/1.1\r\nCookie: {}", "x".repeat(64 * 1024));
    // It is closed before all is sent.
    _ = tcp.write_all(head.as_bytes());
    let mut line = [0; 12];
    tcp.read_exact(&mut line).expect("an answer");
    assert_eq!(&line, b"HTTP/1.1 431");
}

/// Threat I9. Each listener says what it is, to those who speak something else.
#[test]
fn the_wrong_protocol_is_told() {
    let secured = Secured::new();
    let broker = secured
        .start()
        .env(LISTEN.0, LISTEN.1)
        .env("HOMING__LISTEN__WSS", "[\"127.0.0.1:0\"]")
        .start();
    assert!(Connect::v311("alice", "phone").try_open(broker.ws()).is_err());
    broker.log.wait_for(&["no WebSocket", "use one of listen.mqtt"]);
    assert!(secured.client().try_open(broker.ws()).is_err());
    broker.log.wait_for(&["no WebSocket", "use one of listen.wss"]);
    let tcp = TcpStream::connect(broker.wss()).expect("connect");
    assert!(Connect::v311("alice", "phone").try_on(tcp).is_err());
    broker.log.wait_for(&["no TLS connection"]);
}

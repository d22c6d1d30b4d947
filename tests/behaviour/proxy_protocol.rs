//! The PROXY protocol: believed from load balancers that are named, on listeners that are theirs;
//! there it is required, and nowhere else is it known.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::broker::Start;
use super::support::proxy::{behind, binary, line, tlv, v4};
use super::support::{Broker, Client, Connect, Gone, HANG, Secured, V5, wait_until};

const PROXIED: &str = "[{address='127.0.0.1:0', proxy=true}]";
const TRUSTED: &str = "['127.0.0.0/8', '::1']";

fn start() -> Start {
    Start::dev()
        .listen_mqtt(PROXIED)
        .env("HOMING__PROXY__TRUSTED", TRUSTED)
        .env("HOMING__LOG__FORMAT", "json")
}

/// Who the broker says is calling: the line of a refused login names its peer.
fn peer(broker: &Broker, name: &str, header: &[u8]) -> String {
    let connect = Connect::v5("alice", name).password("wrong");
    let (_, ack) = connect.try_on(behind(broker.mqtt, header)).expect("an answer");
    assert_eq!(ack.code, 0x86);
    let line = broker.log.wait_for(&["connection refused", name]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    line["peer"].as_str().expect("a peer in the line").to_owned()
}

fn closed(mut tcp: TcpStream) {
    // It may be closed before all of it is sent.
    let _ = tcp.write_all(&Connect::v5("alice", "phone").encode());
    tcp.set_read_timeout(Some(HANG)).expect("read timeout");
    let mut answer = Vec::new();
    let read = tcp.read_to_end(&mut answer);
    let late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!read.as_ref().is_err_and(late), "still open");
    assert_eq!(answer, b"");
}

#[test]
fn the_header_says_who_is_calling() {
    let broker = start().start();
    assert_eq!(peer(&broker, "line", &line("192.0.2.7:40000")), "192.0.2.7:40000");
    assert_eq!(peer(&broker, "line-6", &line("[2001:db8::7]:4")), "[2001:db8::7]:4");
    assert_eq!(peer(&broker, "binary", &v4("192.0.2.8:1", &[])), "192.0.2.8:1");
    let tlvs = [tlv(0x02, b"chat.example.org"), tlv(0x20, &[7; 60])].concat();
    assert_eq!(peer(&broker, "tlvs", &v4("192.0.2.9:1", &tlvs)), "192.0.2.9:1");
    let mut phone = Client::new(behind(broker.mqtt, &line("192.0.2.7:1")), V5, "phone");
    phone.send_raw(&Connect::v5("alice", "phone").encode());
    phone.recv();
    phone.ping();
}

#[test]
fn a_balancer_may_call_for_itself() {
    let broker = start().start();
    for (name, header) in [
        ("unknown", b"PROXY UNKNOWN\r\n".to_vec()),
        ("local", binary(0x20, 0x00, &[])),
        ("unix", binary(0x21, 0x31, &[0; 216])),
    ] {
        assert!(peer(&broker, name, &header).starts_with("127.0.0.1:"), "{name}");
    }
    // One that only looks whether the port is open leaves no line.
    drop(TcpStream::connect(broker.mqtt).expect("connect"));
    broker.log.wait_for(&["unix"]);
    assert_eq!(broker.log.matching(&["PROXY header"]), Vec::<String>::new());
}

/// Threat I10. There the header is required, and has to be right.
#[test]
fn without_a_right_header_nobody_comes_in() {
    let broker = start().env("HOMING__PROXY__HEADER_WAIT", "300ms").start();
    let too_long = v4("192.0.2.7:1", &vec![0; 2037]);
    let cut_tlv = v4("192.0.2.7:1", &[4, 0, 9, 0]);
    let bad_sum = v4("192.0.2.7:1", &tlv(0x03, &[0; 4]));
    // Of many in one second the log tells a few.
    let told = |words: &[&str], come: &dyn Fn()| {
        let before = broker.log.len();
        wait_until(words[0], || {
            come();
            let line = |line: &String| words.iter().all(|word| line.contains(word));
            broker.log.all()[before..].iter().any(line).then_some(())
        });
    };
    for (header, why) in [
        (&b""[..], "there is none"),
        (b"PROXY TCP4 192.0.2.7 1883\r\n", "its line is malformed"),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2 3\r\n", "its line is malformed"),
        (&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat(), "longer than 107 bytes"),
        (&binary(0x11, 0x11, &[0; 12]), "its version or command"),
        (&binary(0x21, 0x12, &[0; 12]), "not those of a TCP connection"),
        (&binary(0x21, 0x11, &[0; 4]), "do not fit its length"),
        (&too_long, "longer than 2048 bytes"),
        (&cut_tlv, "do not fit its length"),
        (&bad_sum, "its checksum is wrong"),
    ] {
        told(&[why, "the PROXY header is refused"], &|| closed(behind(broker.mqtt, header)));
    }
    told(&["the PROXY header did not come in 300ms"], &|| {
        let mut slow = behind(broker.mqtt, b"PROXY TCP4 ");
        slow.set_read_timeout(Some(HANG)).expect("read timeout");
        assert_eq!(slow.read(&mut [0; 1]).expect("closed"), 0);
    });
    told(&["the connection ended within it"], &|| drop(behind(broker.mqtt, b"PROXY TCP4 ")));
}

/// Threat I10. Anybody could write one.
#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let broker = start().env("HOMING__PROXY__TRUSTED", "['10.0.0.0/8', '192.0.2.1']").start();
    closed(behind(broker.mqtt, &line("10.0.0.1:40000")));
    closed(behind(broker.mqtt, &v4("10.0.0.1:40000", &[])));
    broker.log.wait_for(&["closed", "127.0.0.1", "not in proxy.trusted"]);
}

/// Threat I10. Where no balancer is expected, a header is noise like any other.
#[test]
fn a_header_is_noise_where_none_is_expected() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__PROXY__TRUSTED", TRUSTED).start();
    for header in [line("192.0.2.7:40000"), v4("192.0.2.7:40000", &[])] {
        closed(behind(broker.mqtt, &header));
        let mut tcp = behind(broker.mqtts(), &header);
        tcp.set_read_timeout(Some(HANG)).expect("read timeout");
        let mut alert = Vec::new();
        // By FIN or by RST, after an alert.
        let _ = tcp.read_to_end(&mut alert);
        assert!(alert.is_empty() || alert[0] == 0x15, "{alert:?}");
    }
    assert_eq!(broker.log.matching(&["192.0.2.7"]), Vec::<String>::new());
}

/// It stands before TLS, and not one byte of TLS is taken for it.
#[test]
fn it_stands_before_tls() {
    let secured = Secured::new();
    let broker = secured
        .start()
        .env("HOMING__LISTEN__MQTTS", PROXIED)
        .env("HOMING__PROXY__TRUSTED", TRUSTED)
        .start();
    for header in [line("192.0.2.7:40000"), v4("192.0.2.7:40000", &tlv(4, &[0; 300]))] {
        let tcp = behind(broker.mqtts(), &header);
        let stream = rustls::StreamOwned::new(secured.client().connection(), tcp);
        let (_, ack) = Connect::v5("alice", "phone").password("wrong").try_on(stream).expect("TLS");
        assert_eq!(ack.code, 0x86);
        broker.log.wait_for(&["connection refused", "192.0.2.7:40000"]);
    }
    // TLS alone, without the header.
    let gone = secured.client().try_open(broker.mqtts()).err();
    assert!(matches!(gone, Some(Gone::Closed | Gone::Broken(_))), "{gone:?}");
    broker.log.wait_for(&["the PROXY header is refused", "there is none"]);
}

#[test]
fn it_stands_before_http() {
    let list = "['127.0.0.1:0', {address='127.0.0.1:0', proxy=true}]";
    let broker = start().env("HOMING__LISTEN__HTTP", list).start();
    let [_, proxied] = broker.listeners("http")[..] else { panic!("two listeners") };
    let request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut tcp = behind(proxied, &[&line("192.0.2.7:1")[..], request].concat());
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut tcp = behind(proxied, request);
    let mut answer = Vec::new();
    // By FIN or by RST.
    let _ = tcp.read_to_end(&mut answer);
    assert_eq!(answer, b"");
}

/// A ban is for the client that the header names, not for the balancer.
#[test]
fn bans_hit_the_client_behind_the_balancer() {
    let broker = start().start();
    broker.command(&["ban", "add", "--ip", "192.0.2.7", "--for", "1h"]).ok();
    let connect = Connect::v5("alice", "phone");
    wait_until("the ban", || connect.try_on(behind(broker.mqtt, &line("192.0.2.7:1"))).err());
    let (_, ack) = connect.try_on(behind(broker.mqtt, &line("192.0.2.8:1"))).expect("let in");
    assert_eq!(ack.code, 0);
}

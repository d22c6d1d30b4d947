//! Handshakes that do not come to an end hurt nobody else, and end by their deadline.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::random::Random;
use super::support::{Broker, Client, Connect, HANG, Secured, V5, wait_until};

fn handshakes(broker: &Broker, result: &str) -> f64 {
    broker.metrics("homing_tls_handshakes_total", &[("result", result)])
}

/// The first bytes of a handshake that goes on well.
fn client_hello(secured: &Secured) -> Vec<u8> {
    let mut hello = Vec::new();
    secured.client().connection().write_tls(&mut hello).expect("a vector");
    hello
}

fn closed(mut tcp: TcpStream) {
    tcp.set_read_timeout(Some(HANG)).expect("read timeout");
    let mut answer = Vec::new();
    // With or without an alert, by FIN or by RST; a timeout is neither.
    let read = tcp.read_to_end(&mut answer);
    let late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!read.as_ref().is_err_and(late), "still open");
}

/// Threat W12. Handshakes that are begun and left hold no good client back.
#[test]
fn good_clients_connect_beside_500_half_open_handshakes() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__TLS__HANDSHAKE_WAIT", "9s").start();
    let hello = client_hello(&secured);
    let half_open: Vec<TcpStream> = (0..500)
        .map(|number| {
            let mut tcp = TcpStream::connect(broker.mqtts()).expect("connect");
            // Silent, in mid-record, and with all but the end.
            let sent = [0, hello.len() / 2, hello.len()][number % 3];
            tcp.write_all(&hello[..sent]).expect("sent");
            tcp
        })
        .collect();
    for number in 0..20 {
        let name = format!("phone-{number}");
        let mut client = Connect::v5("alice", &name).secure(broker.mqtts(), &secured.client());
        client.ping();
    }
    assert_eq!(handshakes(&broker, "full"), 20.0);
    assert_eq!(handshakes(&broker, "timeout"), 0.0);
    half_open.into_iter().for_each(closed);
    wait_until("their end", || (handshakes(&broker, "timeout") == 500.0).then_some(()));
}

#[test]
fn silence_and_slowness_end_by_the_deadline() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__TLS__HANDSHAKE_WAIT", "300ms").start();
    closed(TcpStream::connect(broker.mqtts()).expect("connect"));
    broker.log.wait_for(&["no TLS connection", "took too long"]);
    // Byte by byte for ever: the deadline is for the whole.
    let mut slow = TcpStream::connect(broker.mqtts()).expect("connect");
    let hello = client_hello(&secured);
    let mut bytes = hello.iter().take(hello.len() - 1).cycle();
    wait_until("the end of a slow handshake", || {
        let sent = slow.write_all(&[*bytes.next().expect("cycle")]);
        (sent.is_err() || handshakes(&broker, "timeout") == 2.0).then_some(())
    });
    closed(slow);
}

/// The time to connect is one for all: what the handshake took is gone for the CONNECT.
#[test]
fn the_handshake_is_within_the_time_to_connect() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__LIMITS__CONNECT_WAIT", "300ms").start();
    closed(TcpStream::connect(broker.mqtts()).expect("connect"));
    broker.log.wait_for(&["took too long"]);
    let mut silent = Client::new(secured.client().open(broker.mqtts()), V5, "silent");
    silent.expect_closed();
    broker.log.wait_for(&["too_slow_to_connect"]);
}

#[test]
fn who_leaves_during_the_handshake_is_counted() {
    let secured = Secured::new();
    let broker = secured.broker();
    let mut tcp = TcpStream::connect(broker.mqtts()).expect("connect");
    tcp.write_all(&client_hello(&secured)[..20]).expect("sent");
    drop(tcp);
    wait_until("the count", || (handshakes(&broker, "closed") == 1.0).then_some(()));
}

#[test]
fn noise_hurts_nobody() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__TLS__HANDSHAKE_WAIT", "1s").start();
    let mut phone = Connect::v5("alice", "phone").secure(broker.mqtts(), &secured.client());
    let hello = client_hello(&secured);
    let mut random = Random(0x7157);
    for number in 0..200 {
        let mut noise: Vec<u8> = match number % 2 {
            0 => (0..random.below(600) + 1).map(|_| random.next() as u8).collect(),
            _ => hello.clone(),
        };
        for _ in 0..3 {
            let at = random.below(noise.len());
            noise[at] = random.next() as u8;
        }
        let mut tcp = TcpStream::connect(broker.mqtts()).expect("connect");
        // It may be closed before all of it is sent.
        let _ = tcp.write_all(&noise);
    }
    phone.ping();
    Connect::v5("bob", "post").secure(broker.mqtts(), &secured.client()).ping();
    assert_eq!(broker.metrics("homing_panics_total", &[]), 0.0);
}

/// A record or a handshake message may declare more than it may have.
#[test]
fn declared_lengths_are_bounded() {
    let secured = Secured::new();
    let broker = secured.broker();
    for head in [&[0x16, 3, 1, 0xFF, 0xFF][..], &[0x16, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF]] {
        let mut tcp = TcpStream::connect(broker.mqtts()).expect("connect");
        tcp.write_all(head).expect("sent");
        // It may be closed before all of it is sent.
        let _ = tcp.write_all(&[0; 0x4000]);
        closed(tcp);
    }
    wait_until("the count", || (handshakes(&broker, "refused") == 2.0).then_some(()));
}

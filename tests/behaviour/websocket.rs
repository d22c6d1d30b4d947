//! MQTT over WebSocket: what is true over TCP is true over it, however packets are cut into frames.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::support::broker::Start;
use super::support::proxy::{behind, line};
use super::support::tls::Stream;
use super::support::websocket::{
    LISTEN, WebStream, accepted, broker, closed_with, frame, raw, read_frame, read_mqtt, request,
};
use super::support::wire;
use super::support::{Client, Connect, Packet, Secured, V5, Will, words};

/// With frames of so many bytes.
fn web(addr: SocketAddr, cut: usize) -> WebStream {
    WebStream::open(TcpStream::connect(addr).expect("connect"), addr).cut(cut)
}

fn open(connect: &Connect, addr: SocketAddr, cut: usize) -> Client {
    let (client, ack) = connect.try_on(web(addr, cut)).expect("CONNACK");
    assert_eq!(ack.code, 0);
    client
}

/// Threat W2. One decoder for both: each byte of every packet in a frame of its own, and more.
#[test]
fn packets_are_split_at_any_byte() {
    let broker = broker();
    let mut alice = open(&Connect::v311("alice", "phone"), broker.ws(), 1);
    alice.ping();
    for cut in [1, 2, 3, 7, usize::MAX] {
        let mut bob = open(&Connect::v5("bob", "post"), broker.ws(), cut);
        for qos in [0, 1, 2] {
            bob.publish_acked("alice", format!("{cut} {qos}"), qos);
            assert_eq!(alice.take_text(), format!("{cut} {qos}"));
        }
        bob.disconnect();
    }
    // The other listener serves the same users.
    alice.publish_acked("bob", "and back", 1);
    assert_eq!(broker.device("bob", "post").take_text(), "and back");
}

#[test]
fn several_packets_in_one_frame() {
    let broker = broker();
    let mut post = open(&Connect::v5("bob", "post"), broker.ws(), usize::MAX);
    let texts: Vec<String> = (0..50).map(|n| format!("message {n}")).collect();
    let message = |(n, text): (usize, &String)| {
        let message = super::support::client::message("alice", text, 1, n as u16 + 1);
        wire::publish(V5, &message, &[])
    };
    let all: Vec<u8> = texts.iter().enumerate().flat_map(message).collect();
    post.send_raw(&all);
    (1..=50).for_each(|id| assert_eq!(post.expect_puback(id), 0));
    assert_eq!(broker.device("alice", "phone").take_texts(50), texts);
}

/// CONNECT and PINGREQ in one message of four fragments, with Pings in between: each is answered.
#[test]
fn pings_between_fragments_are_answered() {
    let broker = broker();
    let mut stream = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    let packets = [Connect::v311("alice", "phone").encode(), vec![0xC0, 0]].concat();
    let pieces: Vec<&[u8]> = packets.chunks(packets.len().div_ceil(4)).collect();
    let first = [0x02, 0x00, 0x00, 0x80];
    for (n, (first, piece)) in first.into_iter().zip(pieces).enumerate() {
        stream.write_all(&frame(first, piece)).expect("fragment");
        if n < 3 {
            let ping = [b'p', n as u8];
            stream.write_all(&frame(0x89, &ping)).expect("ping");
            assert_eq!(read_frame(&mut stream), Some((0x8A, ping.to_vec())));
        }
    }
    assert_eq!(read_mqtt(&mut stream, 6), [0x20, 2, 0, 0, 0xD0, 0]);
    // One that the client has not asked for is no reason to complain (section 5.5.3).
    stream.write_all(&frame(0x8A, b"hm")).expect("pong");
    stream.write_all(&frame(0x89, &[7; 125])).expect("ping");
    assert_eq!(read_frame(&mut stream), Some((0x8A, vec![7; 125])));
    stream.write_all(&frame(0x88, &1001u16.to_be_bytes())).expect("close");
    assert_eq!(closed_with(&mut stream), 1001);
}

/// Frames behind the request, before its answer: nothing forbids them.
#[test]
fn a_client_that_does_not_wait_is_understood() {
    let broker = broker();
    let head = request(broker.ws());
    let connect = Connect::v311("alice", "phone").encode();
    for cut in [1, 5, 1000] {
        let pieces = connect.chunks(cut).flat_map(|piece| frame(0x82, piece));
        let all: Vec<u8> = head.bytes().chain(pieces).chain(frame(0x82, &[0xC0, 0])).collect();
        let mut tcp = TcpStream::connect(broker.ws()).expect("connect");
        tcp.write_all(&all).expect("all at once");
        let mut stream = Stream::from(tcp);
        accepted(&mut stream);
        assert_eq!(read_mqtt(&mut stream, 6), [0x20, 2, 0, 0, 0xD0, 0]);
    }
}

/// More than any socket buffer holds, in both directions, through frames of every size.
#[test]
fn large_packets_go_through_whole() {
    let broker = broker();
    let mut alice = open(&Connect::v5("alice", "phone"), broker.ws(), usize::MAX);
    alice.ping();
    let body: Vec<u8> = (0..900_000u32).flat_map(|n| n.to_be_bytes()[3..].to_vec()).collect();
    for cut in [1000, 65_535, 65_536, usize::MAX] {
        let mut bob = open(&Connect::v5("bob", "post"), broker.ws(), cut);
        bob.publish_acked("alice", &body, 1);
        assert!(alice.take().payload == body, "changed with frames of {cut}");
    }
}

/// A client that reads nothing for a while gets all of it afterwards, with Pongs between frames.
#[test]
fn a_slow_reader_loses_nothing() {
    let broker = broker();
    let tcp = TcpStream::connect(broker.ws()).expect("connect");
    let mut beside = tcp.try_clone().expect("the same socket");
    let stream = WebStream::open(tcp, broker.ws());
    let (mut alice, _) = Connect::v311("alice", "phone").try_on(stream).expect("CONNACK");
    alice.ping();
    let mut bob = open(&Connect::v5("bob", "post"), broker.ws(), usize::MAX);
    let body = vec![b'x'; 200_000];
    for n in 0..60u8 {
        bob.publish_acked("alice", [&[n][..], &body].concat(), 1);
        beside.write_all(&frame(0x89, &[n; 100])).expect("ping");
    }
    for n in 0..60u8 {
        let message = alice.take();
        assert_eq!((message.payload[0], message.payload.len()), (n, 200_001));
    }
}

/// The client closes by WebSocket without DISCONNECT: that is no goodbye of MQTT.
#[test]
fn a_close_without_disconnect_leaves_the_will() {
    let broker = broker();
    let mut bob = broker.device("bob", "desk");
    let connect =
        Connect::v311("alice", "phone").will(Will::new("bob", "alice is gone", 1)).encode();
    let mut stream = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    stream.write_all(&frame(0x82, &connect)).expect("connect");
    assert_eq!(read_frame(&mut stream), Some((0x82, vec![0x20, 2, 0, 0])));
    stream.write_all(&frame(0x88, &[])).expect("close");
    // The answer has no code, as it was asked.
    assert_eq!(read_frame(&mut stream), Some((0x88, vec![])));
    assert_eq!(bob.take_text(), "alice is gone");
    open(&Connect::v311("alice", "phone").will(Will::new("bob", "no", 1)), broker.ws(), 3)
        .disconnect();
    bob.expect_marker_from(&mut broker.device("carol", "post"), "bob");
}

/// A Ping of WebSocket is no packet of MQTT: it keeps no session alive.
#[test]
fn keep_alive_counts_packets_alone() {
    let broker = broker();
    let mut stream = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    let start = Instant::now();
    let connect = Connect::v5("alice", "phone").keep_alive(1).encode();
    stream.write_all(&frame(0x82, &connect)).expect("connect");
    let (_, connack) = read_frame(&mut stream).expect("CONNACK");
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    let mut pongs = 0;
    let told = loop {
        // The server may be faster than this Ping.
        _ = stream.write_all(&frame(0x89, b""));
        match read_frame(&mut stream).expect("a frame") {
            (0x8A, _) => pongs += 1,
            (_, other) => break other,
        }
        // A pace; nothing is waited for.
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(start.elapsed().as_millis() >= 1450 && pongs > 0, "{pongs} in {:?}", start.elapsed());
    assert_eq!((told[0], told[2]), (0xE0, 0x8D));
    broker.log.wait_for(&["alice", "phone", words::KEEP_ALIVE]);
}

/// The server says goodbye twice, in both languages.
#[test]
fn what_the_server_ends_is_closed_with_1000() {
    let mut broker = broker();
    let mut stream = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    stream.write_all(&frame(0x82, &Connect::v5("alice", "phone").encode())).expect("connect");
    read_frame(&mut stream).expect("CONNACK");
    broker.send_sigterm();
    let (_, told) = read_frame(&mut stream).expect("DISCONNECT");
    assert_eq!((told[0], told[2]), (0xE0, 0x8B));
    assert_eq!(closed_with(&mut stream), 1000);
    drop(stream);
    assert!(broker.wait_for_exit().success());
}

#[test]
fn a_refused_login_is_told_in_a_frame() {
    let broker = broker();
    let mut stream = raw(TcpStream::connect(broker.ws()).expect("connect"), broker.ws());
    let connect = Connect::v311("alice", "phone").password("wrong").encode();
    stream.write_all(&frame(0x82, &connect)).expect("connect");
    let (_, connack) = read_frame(&mut stream).expect("CONNACK");
    assert!(connack[0] == 0x20 && connack[3] != 0, "{connack:?}");
    assert_eq!(closed_with(&mut stream), 1000);
}

/// Over TLS, the client certificate is the login as it is without WebSocket.
#[test]
fn the_certificate_is_the_login_over_tls() {
    let secured = Secured::new();
    let broker = Start::dev()
        .env("HOMING__LISTEN__WSS", "[\"127.0.0.1:0\"]")
        .env("HOMING__TLS__CERTIFICATES", &format!("[{}]", secured.server.setting()))
        .env("HOMING__TLS__CLIENT_CERTIFICATE", "required")
        .env("HOMING__TLS__CLIENT_CA", secured.ca())
        .env("HOMING__AUTH__PROVIDER", "['certificate']")
        .start();
    let nameless = |name: &str, client_id: &str, cut: usize| {
        let mut connect = Connect::v5(name, client_id);
        (connect.uid, connect.password) = (None, None);
        let tls = secured.client_named(name).alpn("http/1.1").open(broker.wss());
        let (client, ack) =
            connect.try_on(WebStream::open(tls, broker.wss()).cut(cut)).expect("CONNACK");
        assert_eq!(ack.code, 0);
        client
    };
    let mut alice = nameless("alice", "phone", usize::MAX);
    alice.ping();
    for cut in [1, 100_000] {
        let mut bob = nameless("bob", "post", cut);
        bob.publish_acked("alice", vec![b'x'; 40_000], 1);
        let message = alice.take();
        assert_eq!((message.payload.len(), message.props.user("from")), (40_000, Some("bob")));
    }
    // With TLS 1.3 the client learns only afterwards that it was refused.
    if let Ok(mut tls) = secured.client().try_open(broker.wss()) {
        let mut answer = Vec::new();
        _ = tls.write_all(request(broker.wss()).as_bytes());
        _ = tls.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
    broker.log.wait_for(&["no TLS connection", "this listener requires one"]);
}

/// The address in the PROXY header is the client's; X-Forwarded-For is what anybody can write.
#[test]
fn behind_a_balancer_the_header_says_who_is_calling() {
    let list = "[{address = '127.0.0.1:0', proxy = true}]";
    let broker =
        Start::dev().env(LISTEN.0, list).env("HOMING__PROXY__TRUSTED", "['127.0.0.0/8']").start();
    let tcp = behind(broker.ws(), &line("192.0.2.7:40000"));
    let stream = WebStream::open(tcp, broker.ws());
    let (_, ack) = Connect::v5("alice", "phone").password("wrong").try_on(stream).expect("CONNACK");
    assert_eq!(ack.code, 0x86);
    broker.log.wait_for(&["connection refused", "192.0.2.7:40000"]);
}

#[test]
fn a_forwarded_address_is_not_believed() {
    let broker = broker();
    let mut tcp = TcpStream::connect(broker.ws()).expect("connect");
    let local = tcp.local_addr().expect("an address").to_string();
    let head = request(broker.ws());
    let head = head.replacen("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n", 1);
    tcp.write_all(head.as_bytes()).expect("request");
    let mut stream = Stream::from(tcp);
    accepted(&mut stream);
    let connect = Connect::v5("alice", "phone").password("wrong").encode();
    stream.write_all(&frame(0x82, &connect)).expect("connect");
    assert!(read_frame(&mut stream).is_some());
    broker.log.wait_for(&["connection refused", &local]);
    assert_eq!(broker.log.matching(&["192.0.2.7"]), Vec::<String>::new());
}

/// A session that began over WebSocket goes on over TCP, and the other way round.
#[test]
fn a_session_moves_between_transports() {
    let broker = broker();
    let phone = Connect::v5("alice", "phone").durable();
    open(&phone, broker.ws(), 1).ping();
    let mut bob = broker.device("bob", "post");
    bob.publish_acked("alice", "while away", 1);
    let (mut alice, ack) = phone.clone().clean(false).open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    assert_eq!(alice.take_text(), "while away");
    alice.ping();
    let mut again = open(&phone, broker.ws(), 2);
    assert!(
        alice.expect_closed().iter().any(|p| matches!(p, Packet::Disconnect { reason: 0x8E, .. }))
    );
    again.expect_marker_from(&mut bob, "alice");
}

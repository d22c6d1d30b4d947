//! MQTT and HTTP over TLS: every kind of client, every version that is served, and nothing lost or
//! changed on the way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use super::support::certificates::{Authority, params, self_signed};
use super::support::client::message;
use super::support::command::Running;
use super::support::python::Paho;
use super::support::random::Random;
use super::support::tls::TlsStream;
use super::support::wire;
use super::support::{Broker, Connect, Gone, HANG, Secured, TlsClient, V5, words};

#[test]
fn mail_goes_through_tls_in_both_directions() {
    let secured = Secured::new();
    let broker = secured.broker();
    let mut alice = Connect::v311("alice", "phone").secure(broker.mqtts(), &secured.client());
    alice.ping();
    let mut bob = Connect::v5("bob", "post").secure(broker.mqtts(), &secured.client());
    bob.publish_acked("alice", "Hi", 1);
    assert_eq!(alice.take_text(), "Hi");
    // The other listener serves the same users.
    alice.publish_acked("bob", "and back", 1);
    assert_eq!(broker.device("bob", "desk").take_text(), "and back");
    assert_eq!(broker.metrics("homing_tls_handshakes_total", &[("result", "full")]), 2.0);
    alice.disconnect();
}

#[test]
fn paho_speaks_over_tls() {
    let secured = Secured::new();
    let broker = secured.broker();
    for paho in [Paho::V1, Paho::V2] {
        paho.run(&format!(
            "import paho.mqtt.client as mqtt, ssl\n\
             c = mqtt.Client({api}client_id='laptop')\n\
             c.username_pw_set('alice', 'dev')\n\
             c.tls_set(ca_certs={ca:?})\n\
             c.on_connect = lambda c, *rest: c.publish('alice', 'over TLS', qos=1)\n\
             c.on_message = lambda c, u, m: (print(m.payload.decode()), c.disconnect())\n\
             c.connect('127.0.0.1', {port})\n\
             c.loop_forever()\n",
            api = paho.api(),
            ca = secured.ca(),
            port = broker.mqtts().port(),
        ));
    }
}

#[test]
fn mosquittos_clients_speak_over_tls() {
    let secured = Secured::new();
    let broker = secured.broker();
    let port = broker.mqtts().port().to_string();
    let common = ["-h", "localhost", "-p", &port, "--cafile", secured.ca(), "-P", "dev"];
    let mut sub = Command::new("mosquitto_sub");
    sub.args(common).args(["-u", "alice", "-i", "phone", "-t", "alice", "-C", "1", "-q", "1"]);
    broker.know("alice", "phone");
    let sub = Running::start(sub, "");
    let mut pub_ = Command::new("mosquitto_pub");
    pub_.args(common).args(["-u", "bob", "-i", "post", "-t", "alice", "-q", "1", "-m", "over TLS"]);
    Running::start(pub_, "").succeed();
    sub.stdout.wait_for(&["over TLS"]);
    sub.succeed();
}

#[test]
fn mqtt_js_speaks_over_tls() {
    let secured = Secured::new();
    let broker = secured.broker();
    let modules = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/test-env/mqttjs/node_modules");
    assert!(modules.exists(), "{} is missing: run scripts/test-env", modules.display());
    for version in [4, 5] {
        let script = format!(
            "const mqtt = require('mqtt'), fs = require('fs');\n\
             const c = mqtt.connect('mqtts://localhost:{port}', {{ clientId: 'web', \
               username: 'alice', password: 'dev', ca: fs.readFileSync({ca:?}), \
               protocolVersion: {version} }});\n\
             c.on('error', (e) => {{ console.error(e); process.exit(1); }});\n\
             c.on('message', (t, m) => {{ console.log(m.toString()); c.end(); }});\n\
             c.on('connect', () => c.publish('alice', 'over TLS', {{ qos: 1 }}));\n",
            port = broker.mqtts().port(),
            ca = secured.ca(),
        );
        let mut node = Command::new("node");
        node.env("NODE_PATH", &modules).args(["-e", &script]);
        Running::start(node, "").succeed();
    }
}

/// TLS 1.2 and 1.3 are served; nothing older, and with `min_version` 1.2 neither.
#[test]
fn versions_of_tls() {
    let secured = Secured::new();
    let broker = secured.broker();
    let strict = secured.start().env("HOMING__TLS__MIN_VERSION", "1.3").start();
    let connects = |broker: &Broker, version: &str| {
        let connect = format!("127.0.0.1:{}", broker.mqtts().port());
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &connect, "-CAfile", secured.ca(), version]);
        openssl.args(["-verify_return_error", "-brief", "-cipher", "DEFAULT:@SECLEVEL=0"]);
        Running::start(openssl, "").done().status.success()
    };
    assert!(connects(&broker, "-tls1_2"));
    assert!(connects(&broker, "-tls1_3"));
    assert!(!connects(&broker, "-tls1_1"));
    assert!(connects(&strict, "-tls1_3"));
    assert!(!connects(&strict, "-tls1_2"));
    broker.log.wait_for(&["no TLS connection", "no common version"]);
}

fn shown(stream: &TlsStream) -> Vec<u8> {
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

#[test]
fn the_name_that_a_client_asks_for_picks_the_certificate() {
    let secured = Secured::new();
    let chat = secured.authority.server("chat", &["chat.example.org", "*.chat.example.org"]);
    let setting = format!("[{}, {}]", secured.server.setting(), chat.setting());
    let broker = secured.start().env("HOMING__TLS__CERTIFICATES", &setting).start();
    let named = |name| shown(&secured.client().name(name).open(broker.mqtts()));
    let default = named("localhost");
    let other = named("chat.example.org");
    assert_ne!(default, other);
    assert_eq!(named("a.chat.example.org"), other);
    // Who asks for none gets the first.
    assert_eq!(named("127.0.0.1"), default);
    let expiry = "homing_tls_cert_expiry_timestamp_seconds";
    for certificate in ["localhost", "chat.example.org"] {
        assert!(broker.metrics(expiry, &[("certificate", certificate)]) > 1.8e9);
    }
}

#[test]
fn a_client_that_expects_another_server_goes_away_and_the_log_says_so() {
    let secured = Secured::new();
    let broker = secured.broker();
    let stranger = Authority::new(secured.dir.path(), "stranger");
    assert!(TlsClient::new(&stranger.file, None).try_open(broker.mqtts()).is_err());
    broker.log.wait_for(&["no TLS connection", "the client refused", "UnknownCA"]);
    assert!(secured.client().name("bank.example.org").try_open(broker.mqtts()).is_err());
}

#[test]
fn alpn_is_mqtt() {
    let secured = Secured::new();
    let broker = secured.broker();
    let stream = secured.client().alpn("mqtt").open(broker.mqtts());
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"mqtt"[..]));
    assert!(secured.client().alpn("h2").try_open(broker.mqtts()).is_err());
}

#[test]
fn a_session_is_resumed_by_its_ticket() {
    let secured = Secured::new();
    let broker = secured.broker();
    let tls = secured.client();
    for _ in 0..2 {
        // The ticket comes behind the handshake; an answer behind the ticket.
        Connect::v311("alice", "phone").secure(broker.mqtts(), &tls).disconnect();
    }
    assert_eq!(broker.metrics("homing_tls_handshakes_total", &[("result", "resumed")]), 1.0);
}

const MESSAGES: usize = 16;

fn random_bytes(count: usize) -> Vec<u8> {
    let mut random = Random(7);
    (0..count).map(|_| random.next() as u8).collect()
}

/// 1 MiB at a time in both directions, more than all buffers on the way hold.
#[test]
fn large_messages_arrive_byte_for_byte_at_a_slow_reader() {
    let secured = Secured::new();
    let broker = secured
        .start()
        .env("HOMING__LIMITS__PACKET", "2MiB")
        .env("HOMING__LIMITS__OUTBOX", "4MiB")
        .start();
    let payload = random_bytes(1 << 20);
    let mut slow = Connect::v311("alice", "phone").secure(broker.mqtts(), &secured.client());
    slow.ping();
    let mut bob = Connect::v311("bob", "post").secure(broker.mqtts(), &secured.client());
    for _ in 0..MESSAGES {
        bob.publish_acked("alice", &payload, 1);
    }
    for _ in 0..MESSAGES {
        assert!(slow.take().payload == payload);
    }
    slow.expect_silence();
}

/// A TLS client whose bytes the test holds in its hands.
struct Hands {
    tls: rustls::ClientConnection,
    tcp: TcpStream,
}

impl Hands {
    fn new(broker: &Broker, tls: &TlsClient) -> Hands {
        let tcp = TcpStream::connect(broker.mqtts()).expect("connect");
        tcp.set_read_timeout(Some(HANG)).expect("read timeout");
        tcp.set_nodelay(true).expect("nodelay");
        Hands { tls: tls.connection(), tcp }
    }

    /// What TLS has to send, in pieces of this many bytes.
    fn send(&mut self, piece: usize) {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).expect("a vector");
        }
        for piece in bytes.chunks(piece) {
            self.tcp.write_all(piece).expect("sent");
        }
    }

    fn read(&mut self, piece: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        loop {
            let state = self.tls.process_new_packets().expect("TLS");
            self.send(piece);
            plain.resize(state.plaintext_bytes_to_read(), 0);
            if !plain.is_empty() {
                self.tls.reader().read_exact(&mut plain).expect("there");
                return plain;
            }
            assert_ne!(self.tls.read_tls(&mut self.tcp).expect("read"), 0, "closed");
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).expect("room");
    }
}

/// The CONNECT comes right behind the end of the handshake, and every record in single bytes.
#[test]
fn records_may_be_split_anywhere() {
    let secured = Secured::new();
    let broker = secured.broker();
    for piece in [1, 7, 100_000] {
        let mut hands = Hands::new(&broker, &secured.client());
        hands.write(&Connect::v311("alice", "phone").encode());
        hands.write(&[0xC0, 0]);
        let mut got = hands.read(piece);
        while got.len() < 6 {
            got.extend(hands.read(piece));
        }
        assert_eq!(got, [0x20, 2, 0, 0, 0xD0, 0], "pieces of {piece}");
        hands.write(&wire::publish(4, &message("bob", "x", 1, 9), &[]));
        let mut got = hands.read(piece);
        while got.len() < 4 {
            got.extend(hands.read(piece));
        }
        assert_eq!(got[..4], [0x40, 2, 0, 9], "pieces of {piece}");
    }
}

#[test]
fn keys_are_renewed_in_mid_connection() {
    let secured = Secured::new();
    let broker = secured.broker();
    let mut hands = Hands::new(&broker, &secured.client());
    hands.write(&Connect::v311("alice", "phone").encode());
    assert_eq!(hands.read(1000), [0x20, 2, 0, 0]);
    for _ in 0..3 {
        hands.tls.refresh_traffic_keys().expect("TLS 1.3");
        hands.write(&[0xC0, 0]);
        assert_eq!(hands.read(1000), [0xD0, 0]);
    }
}

#[test]
fn the_end_is_said_on_both_sides() {
    let secured = Secured::new();
    let broker = secured.broker();
    // The server's end: close_notify, so that nobody can cut a connection short unseen.
    let mut stream = secured.client().open(broker.mqtts());
    stream.write_all(&Connect::v311("alice", "phone").encode()).expect("sent");
    stream.write_all(&[0xE0, 0]).expect("sent");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("close_notify");
    assert_eq!(got, [0x20, 2, 0, 0]);
    // A refusal too.
    let mut stream = secured.client().open(broker.mqtts());
    stream.write_all(&Connect::v311("alice", "phone").password("no").encode()).expect("sent");
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("close_notify");
    assert_eq!(got, [0x20, 2, 0, 4]);
    // The client's end, with its TCP connection left open: what came before still counts.
    let mut stream = secured.client().open(broker.mqtts());
    stream.write_all(&Connect::v311("bob", "post").encode()).expect("sent");
    for number in 0..100u16 {
        let publish = message("alice", number.to_string(), 1, number + 1);
        stream.write_all(&wire::publish(4, &publish, &[])).expect("sent");
    }
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).expect("sent");
    let mut alice = broker.device("alice", "phone");
    for number in 0..100 {
        assert_eq!(alice.take_text(), number.to_string());
    }
}

#[test]
fn bytes_that_were_changed_on_the_way_end_the_connection() {
    let secured = Secured::new();
    let broker = secured.broker();
    let mut alice = secured.client().open(broker.mqtts());
    alice.write_all(&Connect::v311("alice", "phone").encode()).expect("sent");
    alice.read_exact(&mut [0; 4]).expect("CONNACK");
    let mut forged = vec![0x17, 3, 3, 0, 32];
    forged.extend([0; 32]);
    alice.sock.write_all(&forged).expect("sent");
    assert!(!matches!(alice.read(&mut [0; 1]), Ok(1..)));
    broker.log.wait_for(&["a TLS connection is broken"]);
    broker.device("bob", "post").ping();
}

#[test]
fn http_over_tls() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__LISTEN__HTTPS", "[\"127.0.0.1:0\"]").start();
    let addr = broker.listeners("https")[0];
    let mut stream = secured.client().alpn("http/1.1").open(addr);
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("close_notify");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("# EOF\n"), "{answer}");
}

/// Threat I9. Each port has one parser; the one of another protocol is not to be reached by it.
#[test]
fn the_wrong_protocol_is_told() {
    let secured = Secured::new();
    let broker = secured.start().env("HOMING__LISTEN__HTTPS", "[\"127.0.0.1:0\"]").start();
    let gone = Connect::v311("alice", "phone").try_open(broker.mqtts()).err();
    assert!(matches!(gone, Some(Gone::Closed | Gone::Broken(_))), "{gone:?}");
    broker.log.wait_for(&["what came is no TLS", "without TLS"]);
    assert!(secured.client().try_open(broker.mqtt).is_err());
    broker.log.wait_for(&["this is TLS", "listen.mqtts"]);
    // MQTT within TLS on the port of HTTP, and the other way round.
    let https = broker.listeners("https")[0];
    assert!(Connect::v5("alice", "phone").try_secure(https, &secured.client()).is_err());
    let mut stream = secured.client().open(broker.mqtts());
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    // Closed, with or without a word.
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    broker.device("bob", "post").ping();
}

#[test]
fn files_that_cannot_be_used_stop_the_start_in_words() {
    let secured = Secured::new();
    let dir = secured.dir.path();
    let other = secured.authority.server("other", &["other.example.org"]);
    let mut old = params(&["old.example.org"], "");
    (old.not_before, old.not_after) =
        (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    let old = self_signed(dir, "old", &old);
    let files = |cert: &std::path::Path, key: &std::path::Path| {
        format!("[{{ cert = {cert:?}, key = {key:?} }}]")
    };
    let server = &secured.server;
    let nothing = dir.join("nothing.pem");
    for (certificates, needles) in [
        (files(&nothing, &server.key), ["nothing.pem", "cannot be read"]),
        (files(&server.cert, &nothing), ["nothing.pem", "cannot be read"]),
        (files(&server.key, &server.key), ["server.key.pem", "has no certificate in it"]),
        (files(&server.cert, &server.cert), ["server.cert.pem", "has no private key in it"]),
        (files(&server.cert, &other.key), ["other.key.pem", "is not the key of"]),
        (files(&old.cert, &old.key), ["old.cert.pem", "expired on"]),
        ("[]".into(), ["listen.mqtts", "tls.certificates is empty"]),
    ] {
        let start = secured.start().env("HOMING__TLS__CERTIFICATES", &certificates);
        let said = start.refused().said;
        for needle in needles {
            assert!(said.contains(needle), "{needle} is not in {said}");
        }
        assert!(!said.contains("PRIVATE KEY-----\n"), "{said}");
    }
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let secured = Secured::new();
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&secured.server.key, readable).expect("chmod");
    let broker = secured.broker();
    broker.log.wait_for(&["server.key.pem", "can be read by everybody"]);
    assert_eq!(broker.log.matching(&[words::MALFORMED]).len(), 0);
    Connect::new(V5, "alice", "phone").secure(broker.mqtts(), &secured.client()).ping();
}

//! Client certificates: as the login, as a second factor, and every way in which one is refused.

use std::io::{Read, Write};

use super::support::broker::Start;
use super::support::certificates::{Authority, email, params, self_signed};
use super::support::command::Running;
use super::support::member_api::MemberApi;
use super::support::python::Paho;
use super::support::{Broker, Connect, HANG, Secured, TlsClient, V5, V311, wait_until};

/// With certificates that are required, from the same authority as the server's.
fn required(secured: &Secured) -> Start {
    asking(secured, "required")
}

fn asking(secured: &Secured, how: &str) -> Start {
    let start = secured.start().env("HOMING__TLS__CLIENT_CERTIFICATE", how);
    start.env("HOMING__TLS__CLIENT_CA", secured.ca())
}

fn as_login(start: Start) -> Start {
    start.env("HOMING__AUTH__PROVIDER", "['certificate']")
}

/// CONNECT with neither user name nor password.
fn nameless(version: u8, client_id: &str) -> Connect {
    let mut connect = Connect::new(version, "", client_id);
    (connect.uid, connect.password) = (None, None);
    connect
}

/// The CONNACK code; `None` if there is none.
fn answer(broker: &Broker, connect: &Connect, tls: &TlsClient) -> Option<u8> {
    connect.try_secure(broker.mqtts(), tls).ok().map(|(_, ack)| ack.code)
}

#[test]
fn the_certificate_is_the_login() {
    let secured = Secured::new();
    let broker = as_login(required(&secured)).start();
    let mut alice = nameless(V311, "phone").secure(broker.mqtts(), &secured.client_named("alice"));
    alice.ping();
    let bob = secured.client_named("bob");
    let mut bob = nameless(V5, "post").secure(broker.mqtts(), &bob);
    bob.publish_acked("alice", "Hi", 1);
    assert_eq!(alice.take_text(), "Hi");
}

#[test]
fn a_user_name_beside_it_has_to_be_the_same() {
    let secured = Secured::new();
    let broker = as_login(required(&secured)).start();
    let tls = secured.client_named("alice");
    assert_eq!(answer(&broker, &Connect::v5("alice", "phone"), &tls), Some(0));
    assert_eq!(answer(&broker, &Connect::v5("bob", "phone"), &tls), Some(0x86));
    broker.log.wait_for(&["user name and certificate differ", "alice", "bob"]);
}

#[test]
fn names_are_taken_from_where_the_template_says() {
    let secured = Secured::new();
    let template = |template: &str| {
        as_login(required(&secured)).env("HOMING__TLS__IDENTITY", template).start()
    };
    let mut names = params(&["phone.example.org"], "someone");
    names.subject_alt_names.push(email("alice@example.org"));
    let files = secured.authority.issue("mail", names);
    let tls = TlsClient::new(&secured.authority.file, Some(&files));
    for (text, uid) in [
        ("{san.email%@example.org}", "alice"),
        ("{san.dns}", "phone.example.org"),
        ("{cn}-tv", "someone-tv"),
    ] {
        let broker = template(text);
        assert_eq!(answer(&broker, &Connect::v5(uid, "phone"), &tls), Some(0), "{text}");
    }
    let broker = template("{san.email%@example.com}");
    assert_eq!(answer(&broker, &nameless(V5, "phone"), &tls), Some(0x86));
    broker.log.wait_for(&["tls.identity makes no uid", "alice@example.org"]);
}

#[test]
fn a_name_that_is_no_uid_is_refused() {
    let secured = Secured::new();
    let broker = as_login(required(&secured)).start();
    let long = "x".repeat(129);
    let bad = ["#", "+", "a/b", "*", "*.example.org", "$SYS", "group", "a\nb", &long];
    for (number, name) in bad.iter().enumerate() {
        let files = secured.authority.issue(&format!("bad-{number}"), params(&[], name));
        let tls = TlsClient::new(&secured.authority.file, Some(&files));
        assert_eq!(answer(&broker, &nameless(V5, "phone"), &tls), Some(0x86), "{name:?}");
    }
    // No name at all.
    let files = secured.authority.issue("none", params(&["x.example.org"], ""));
    let tls = TlsClient::new(&secured.authority.file, Some(&files));
    assert_eq!(answer(&broker, &nameless(V311, "phone"), &tls), Some(4));
}

#[test]
fn nobody_comes_in_without_one_where_it_is_required() {
    let secured = Secured::new();
    let broker = required(&secured).start();
    assert_eq!(answer(&broker, &Connect::v5("alice", "phone"), &secured.client()), None);
    broker.log.wait_for(&["no TLS connection", "the client has no certificate"]);
    // Nor by the ticket of a session without, from a listener that asks for none.
    let mixed = secured
        .start()
        .env("HOMING__TLS__CLIENT_CA", secured.ca())
        .env(
            "HOMING__LISTEN__MQTTS",
            "['127.0.0.1:0', {address='127.0.0.1:0', client_certificate='required'}]",
        )
        .start();
    let tls = secured.client();
    let [free, strict] = mixed.listeners("mqtts")[..] else { panic!("two listeners") };
    Connect::v5("alice", "phone").secure(free, &tls).disconnect();
    assert!(Connect::v5("alice", "phone").try_secure(strict, &tls).is_err());
    Connect::v5("alice", "phone").secure(strict, &secured.client_named("x")).disconnect();
}

#[test]
fn a_certificate_that_is_not_good_is_refused() {
    let secured = Secured::new();
    let mut revoked = params(&[], "revoked");
    revoked.serial_number = Some(4711.into());
    let revoked = secured.authority.issue("revoked-client", revoked);
    let mut old = params(&[], "old");
    (old.not_before, old.not_after) =
        (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 1, 1));
    let old = secured.authority.issue("old", old);
    let foreign = Authority::new(secured.dir.path(), "foreign").client("alice");
    let own = self_signed(secured.dir.path(), "own", &params(&[], "alice"));
    let crl = secured.authority.revoke(&[4711]);
    let broker = as_login(asking(&secured, "optional"))
        .env("HOMING__TLS__CLIENT_CRL", crl.to_str().expect("UTF-8"))
        .start();
    for (files, why) in [
        (&revoked, "it is revoked"),
        (&old, "expired"),
        (&foreign, "not from tls.client_ca"),
        (&own, "the client's certificate is refused"),
    ] {
        let tls = TlsClient::new(&secured.authority.file, Some(files));
        assert_eq!(answer(&broker, &Connect::v5("alice", "phone"), &tls), None, "{files:?}");
        broker.log.wait_for(&["the client's certificate is refused", why]);
    }
    let alice = secured.client_named("alice");
    assert_eq!(answer(&broker, &nameless(V5, "phone"), &alice), Some(0));
}

/// Without the provider in the list it is a second factor: the password is asked for all the same.
#[test]
fn a_certificate_alone_lets_nobody_in_where_passwords_are_asked_for() {
    let secured = Secured::new();
    let broker = required(&secured).start();
    let tls = secured.client_named("alice");
    assert_eq!(answer(&broker, &Connect::v5("alice", "phone").password("no"), &tls), Some(0x86));
    assert_eq!(answer(&broker, &nameless(V5, "phone"), &tls), Some(0x86));
    assert_eq!(answer(&broker, &Connect::v5("alice", "phone"), &tls), Some(0));
}

#[test]
fn certificates_and_passwords_side_by_side() {
    let secured = Secured::new();
    let both = "['certificate', 'accounts']";
    let broker = asking(&secured, "optional").env("HOMING__AUTH__PROVIDER", both).start();
    let alice = secured.client_named("alice");
    assert_eq!(answer(&broker, &nameless(V5, "phone"), &alice), Some(0));
    // With a certificate the password does not help another one in.
    assert_eq!(answer(&broker, &Connect::v5("bob", "phone"), &alice), Some(0x86));
    assert_eq!(answer(&broker, &Connect::v5("bob", "phone"), &secured.client()), Some(0));
    assert_eq!(answer(&broker, &nameless(V5, "phone"), &secured.client()), Some(0x86));
    // Without TLS nobody has a certificate.
    assert_eq!(Connect::v5("alice", "phone").password("no").refused(broker.mqtt), 0x86);
    broker.device("alice", "phone").ping();
}

/// One that was refused in TLS 1.3 is told why by its TLS library.
#[test]
fn the_client_is_told_by_an_alert() {
    let secured = Secured::new();
    let broker = required(&secured).start();
    let (connect, tls) = (Connect::v311("alice", "phone"), secured.client());
    let mut client = super::support::Client::new(tls.open(broker.mqtts()), V311, "phone");
    client.send_raw(&connect.encode());
    assert!(client.try_recv(HANG).is_err());
    let refused = || broker.metrics("homing_tls_handshakes_total", &[("result", "refused")]);
    wait_until("the count", || (refused() == 1.0).then_some(()));
}

#[test]
fn paho_shows_its_certificate() {
    let secured = Secured::new();
    let broker = as_login(required(&secured)).start();
    let files = secured.authority.client("alice");
    for paho in [Paho::V1, Paho::V2] {
        paho.run(&format!(
            "import paho.mqtt.client as mqtt, ssl\n\
             c = mqtt.Client({api}client_id='laptop')\n\
             c.tls_set(ca_certs={ca:?}, certfile={cert:?}, keyfile={key:?})\n\
             c.on_connect = lambda c, *rest: c.publish('alice', 'mine', qos=1)\n\
             c.on_message = lambda c, u, m: (print(m.topic), c.disconnect())\n\
             c.connect('127.0.0.1', {port})\n\
             c.loop_forever()\n",
            api = paho.api(),
            ca = secured.ca(),
            cert = files.cert,
            key = files.key,
            port = broker.mqtts().port(),
        ));
    }
    let mut pub_ = std::process::Command::new("mosquitto_pub");
    let port = broker.mqtts().port().to_string();
    pub_.args(["-h", "localhost", "-p", &port, "--cafile", secured.ca(), "-i", "post"]);
    pub_.arg("--cert").arg(&files.cert).arg("--key").arg(&files.key);
    pub_.args(["-t", "alice", "-q", "1", "-m", "mine"]);
    Running::start(pub_, "").succeed();
}

#[test]
fn settings_that_let_nobody_in_stop_the_start() {
    let secured = Secured::new();
    let start = secured.start().env("HOMING__TLS__CLIENT_CERTIFICATE", "required");
    assert!(start.refused().said.contains("tls.client_ca"));
    let said = as_login(secured.start()).refused().said;
    assert!(said.contains("\"certificate\" needs a listener in listen.mqtts"), "{said}");
    let said = required(&secured).env("HOMING__TLS__CLIENT_CRL", secured.ca()).refused().said;
    assert!(said.contains("has no revocation list"), "{said}");
}

/// `GET /v1/route` over HTTPS, with these header lines.
fn route(broker: &Broker, tls: &TlsClient, headers: &str) -> String {
    let mut stream = tls.clone().alpn("http/1.1").open(broker.listeners("https")[0]);
    let head = format!("GET /v1/route HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn https(start: Start) -> Start {
    let start = start.env("HOMING__LISTEN__HTTPS", "['127.0.0.1:0']");
    let start = start.env("HOMING__ADVERTISE__MQTT", "1883");
    start.env("HOMING__ADVERTISE__HOSTS", "['chat.example.org']")
}

#[test]
fn the_certificate_is_the_login_over_https_too() {
    let secured = Secured::new();
    let broker = https(as_login(asking(&secured, "optional"))).start();
    let answer = route(&broker, &secured.client_named("alice"), "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"uid\":\"alice\""), "{answer}");
    // `bob:dev`
    let bob = "Authorization: Basic Ym9iOmRldg==\r\n";
    let answer = route(&broker, &secured.client_named("alice"), bob);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(route(&broker, &secured.client(), "").contains("no_login"));
}

#[test]
fn the_member_api_hears_by_which_listener_a_page_was_asked() {
    let (secured, api) = (Secured::new(), MemberApi::says(200, "{\"allow\":true}"));
    let url = format!("http://{}/check?via={{listener}}", api.addr);
    let start = https(secured.start()).env("HOMING__AUTH__PROVIDER", "http");
    let broker = start.env("HOMING__AUTH__HTTP__URL", &url).start();
    let bob = "Authorization: Basic Ym9iOmRldg==\r\n";
    let answer = route(&broker, &secured.client(), bob);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(api.only_call().line, "POST /check?via=https HTTP/1.1");
}

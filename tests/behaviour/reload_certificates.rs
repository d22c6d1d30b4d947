//! Certificates, authorities and revocation lists are read anew by a reload, by SIGHUP as by the
//! command: new connections see them, old ones live on, and a broken file changes nothing.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::support::broker::Start;
use super::support::certificates::{Authority, Files, params};
use super::support::{Broker, Client, Connect, Secured, TlsClient};

/// How a reload is asked for.
#[derive(Clone, Copy, Debug)]
enum Way {
    Signal,
    Command,
}

const WAYS: [Way; 2] = [Way::Signal, Way::Command];

/// Reloads; the words with which it succeeded or failed.
fn reload(broker: &Broker, way: Way, succeeds: bool) -> String {
    match way {
        Way::Signal => {
            let before = broker.log.len();
            broker.signal("HUP");
            let words = if succeeds { "settings reloaded" } else { "nothing has changed" };
            broker.log.find_after(before, &[words]).expect("the end of the reload")
        }
        Way::Command if succeeds => broker.command(&["reload"]).ok(),
        Way::Command => broker.command(&["reload"]).fails(),
    }
}

/// The certificate that a newcomer is shown.
fn shown(broker: &Broker, secured: &Secured) -> CertificateDer<'static> {
    let stream = secured.client().open(broker.mqtts());
    stream.conn.peer_certificates().expect("certificates")[0].clone()
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("PEM")
}

/// Nobody was cut off since the start, for whatever reason.
fn assert_nobody_left(broker: &Broker) {
    assert_eq!(broker.metrics("homing_disconnects_total", &[]), 0.0);
}

#[test]
fn newcomers_see_the_new_certificate_and_old_connections_live_on() {
    let secured = Secured::new();
    let broker = secured.broker();
    let comes = |name: &str| Connect::v5("alice", name).secure(broker.mqtts(), &secured.client());
    let mut all: Vec<Client> = (0..20).map(|n| comes(&format!("d{n}"))).collect();
    for way in WAYS {
        let before = shown(&broker, &secured);
        let files = secured.authority.server("server", &["localhost"]);
        assert_eq!(shown(&broker, &secured), before, "not before the reload");
        reload(&broker, way, true);
        let after = shown(&broker, &secured);
        assert_eq!(after, certificate(&files.cert), "{way:?}");
        assert_ne!(after, before, "{way:?}");
        all.push(comes(&format!("{way:?}")));
    }
    all.iter_mut().for_each(Client::ping);
    assert_nobody_left(&broker);
}

/// A broker that logs in by certificate, from this authority of clients.
fn by_certificate(secured: &Secured, clients: &Authority) -> Start {
    let file = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    secured
        .start()
        .env("HOMING__TLS__CLIENT_CERTIFICATE", "required")
        .env("HOMING__TLS__CLIENT_CA", &file(&clients.file))
        .env("HOMING__TLS__CLIENT_CRL", &file(&clients.revoke(&[1])))
        .env("HOMING__AUTH__PROVIDER", "['certificate']")
}

fn client(secured: &Secured, files: &Files) -> TlsClient {
    TlsClient::new(&secured.authority.file, Some(files))
}

fn comes_in(broker: &Broker, name: &str, tls: &TlsClient) -> bool {
    let connect = Connect::v5(name, "phone");
    matches!(connect.try_secure(broker.mqtts(), tls), Ok((_, ack)) if ack.code == 0)
}

#[test]
fn clients_of_another_authority_come_in_and_those_of_the_old_one_do_not() {
    let secured = Secured::new();
    for way in WAYS {
        let old = Authority::new(secured.dir.path(), "clients");
        let alice = client(&secured, &old.client("alice"));
        let broker = by_certificate(&secured, &old).start();
        let mut connected = Connect::v5("alice", "laptop").secure(broker.mqtts(), &alice);
        let new = Authority::new(secured.dir.path(), "clients");
        new.revoke(&[1]);
        reload(&broker, way, true);
        // It has a ticket of the time before, which is worth nothing any more.
        assert!(!comes_in(&broker, "alice", &alice), "{way:?}");
        assert!(comes_in(&broker, "bob", &client(&secured, &new.client("bob"))), "{way:?}");
        connected.ping();
    }
}

#[test]
fn a_revoked_client_is_refused_from_then_on() {
    let secured = Secured::new();
    for way in WAYS {
        let clients = Authority::new(secured.dir.path(), "clients");
        let numbered = |name: &str, serial: u64| {
            let mut params = params(&[], name);
            params.serial_number = Some(serial.into());
            client(&secured, &clients.issue(name, params))
        };
        let (eve, bob) = (numbered("eve", 4711), numbered("bob", 4712));
        let broker = by_certificate(&secured, &clients).start();
        let mut connected = Connect::v5("eve", "laptop").secure(broker.mqtts(), &eve);
        assert!(comes_in(&broker, "eve", &eve));
        clients.revoke(&[4711]);
        reload(&broker, way, true);
        assert!(!comes_in(&broker, "eve", &eve), "{way:?}: by the ticket that it has");
        assert!(!comes_in(&broker, "eve", &numbered("eve", 4711)), "{way:?}");
        broker.log.wait_for(&["the client's certificate is refused", "it is revoked"]);
        assert!(comes_in(&broker, "bob", &bob), "{way:?}");
        connected.ping();
    }
}

/// Threat I4.
#[test]
fn a_broken_file_changes_nothing_and_is_named() {
    let secured = Secured::new();
    let clients = Authority::new(secured.dir.path(), "clients");
    let broker = by_certificate(&secured, &clients).start();
    let alice = client(&secured, &clients.client("alice"));
    let mut connected = Connect::v5("alice", "laptop").secure(broker.mqtts(), &alice);
    let served = certificate(&secured.server.cert);
    let other_key = secured.authority.server("other", &["localhost"]).key;
    let other_key = std::fs::read(other_key).expect("a key");
    let crl = secured.dir.path().join("revoked.pem");
    for (file, text) in [
        (&secured.server.cert, b"no certificate".as_slice()),
        (&secured.server.cert, b""),
        (&secured.server.key, &other_key),
        (&clients.file, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        (&crl, b""),
    ] {
        let right = std::fs::read(file).expect("the right one");
        std::fs::write(file, text).expect("write");
        for way in WAYS {
            let words = reload(&broker, way, false);
            let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
            assert!(words.contains("nothing has changed"), "{words}");
            assert!(words.contains(name), "{words} names {name}");
        }
        let stream = alice.open(broker.mqtts());
        assert_eq!(stream.conn.peer_certificates().expect("certificates")[0], served);
        std::fs::write(file, right).expect("write");
    }
    connected.ping();
    assert_eq!(broker.metrics("homing_config_last_reload_success", &[]), 0.0);
    reload(&broker, Way::Command, true);
    assert_eq!(broker.metrics("homing_config_last_reload_success", &[]), 1.0);
    assert_nobody_left(&broker);
}

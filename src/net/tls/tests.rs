//! Certificates that are replaced under living connections, through sockets.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::config::CertificateFiles;
use crate::net::Stream;

/// A self-signed certificate for localhost, and its files.
fn made(dir: &TempDir, name: &str) -> CertificateFiles {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), format!("{name}.example.org")];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let file = |end: &str, text: String| {
        let path = dir.path().join(format!("{name}.{end}"));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    CertificateFiles {
        cert: file("cert.pem", certificate.pem()),
        key: file("key.pem", key.serialize_pem()),
    }
}

fn settings(files: &CertificateFiles) -> config::Tls {
    config::Tls { certificates: vec![files.clone()], ..config::Tls::default() }
}

fn load(settings: &config::Tls) -> Result<Loaded, String> {
    Tls::load(settings, SystemClock::default().wall())
}

fn tls(settings: &config::Tls) -> Tls {
    let clock = Arc::new(SystemClock::default());
    Tls::new(load(settings).unwrap(), Arc::new(Metrics::default()), clock)
}

/// A client that trusts this certificate alone, in a thread of its own: says `ping`, hears `pong`.
struct Client {
    thread: std::thread::JoinHandle<()>,
    say: std::sync::mpsc::Sender<()>,
}

fn client(address: std::net::SocketAddr, trusts: &CertificateFiles) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusts.cert).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (say, heard) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = std::net::TcpStream::connect(address).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        while heard.recv().is_ok() {
            stream.write_all(b"ping").unwrap();
            let mut pong = [0; 4];
            stream.read_exact(&mut pong).unwrap();
            assert_eq!(&pong, b"pong");
        }
    });
    Client { thread, say }
}

async fn accept(tls: &Tls, listener: &tokio::net::TcpListener) -> Option<Stream> {
    let (tcp, peer) = listener.accept().await.unwrap();
    let wait = Duration::from_secs(30);
    let secure = tls.accept(&tcp, (Protocol::Mqtt, None), peer, wait).await?;
    Some(Stream::new(tcp, Some(secure)))
}

async fn pong(stream: &mut Stream) {
    let mut ping = [0; 4];
    stream.read_exact(&mut ping).await.unwrap();
    assert_eq!(&ping, b"ping");
    stream.write_all(b"pong").await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn who_is_connected_stays_so_and_who_comes_gets_the_new_certificate() {
    let dir = TempDir::new().unwrap();
    let (old, new) = (made(&dir, "old"), made(&dir, "new"));
    let tls = tls(&settings(&old));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let first = client(address, &old);
    first.say.send(()).unwrap();
    let mut living = accept(&tls, &listener).await.unwrap();
    pong(&mut living).await;

    tls.swap(load(&settings(&new)).unwrap());
    let second = client(address, &new);
    second.say.send(()).unwrap();
    pong(&mut accept(&tls, &listener).await.unwrap()).await;
    first.say.send(()).unwrap();
    pong(&mut living).await;

    drop((first.say, second.say));
    first.thread.join().unwrap();
    second.thread.join().unwrap();
    let text = tls.metrics.text().unwrap();
    assert!(text.contains("homing_tls_handshakes_total{result=\"full\"} 2\n"), "{text}");
}

#[test]
fn the_end_of_each_certificate_is_a_figure_and_old_ones_go() {
    let dir = TempDir::new().unwrap();
    let (old, new) = (made(&dir, "old"), made(&dir, "new"));
    let tls = tls(&settings(&old));
    let figure = "homing_tls_cert_expiry_timestamp_seconds{certificate=";
    assert_eq!(tls.metrics.text().unwrap().matches(figure).count(), 1);
    let both = config::Tls { certificates: vec![new, old], ..config::Tls::default() };
    tls.swap(load(&both).unwrap());
    // Both have the same first name: the one that ends first counts.
    assert_eq!(tls.metrics.text().unwrap().matches(figure).count(), 1);
    tls.swap(load(&config::Tls::default()).unwrap());
    assert_eq!(tls.metrics.text().unwrap().matches(figure).count(), 0);
}

/// All or nothing: what cannot be loaded changes nothing.
#[test]
fn what_is_wrong_is_told_before_anything_changes() {
    let dir = TempDir::new().unwrap();
    let files = made(&dir, "server");
    let good = settings(&files);
    let wrong = |change: &dyn Fn(&mut config::Tls)| {
        let mut settings = good.clone();
        change(&mut settings);
        load(&settings).err().unwrap()
    };
    let ca = wrong(&|tls| tls.client_ca = "no/ca.pem".into());
    assert!(ca.contains("no/ca.pem: cannot be read"), "{ca}");
    let ca = wrong(&|tls| tls.client_ca = files.key.clone());
    assert!(ca.contains("server.key.pem: has no certificate in it"), "{ca}");
    std::fs::write(dir.path().join("broken.pem"), "-----BEGIN CERTIFICATE-----\n?").unwrap();
    let broken = dir.path().join("broken.pem").to_str().unwrap().to_owned();
    let words = wrong(&|tls| tls.certificates[0].cert = broken.clone());
    assert!(words.contains("broken.pem: is no PEM file"), "{words}");
    let words = wrong(&|tls| {
        tls.client_ca = files.cert.clone();
        tls.client_crl = files.cert.clone();
    });
    assert!(words.contains("server.cert.pem: has no revocation list"), "{words}");
}

#[test]
fn a_certificate_is_used_within_its_time_alone() {
    let dir = TempDir::new().unwrap();
    let files = made(&dir, "server");
    let day = 24 * 60 * 60 * 1000;
    let at = |days: i64| Tls::load(&settings(&files), Stamp(days * day)).err();
    assert_eq!(at(20_000), None);
    assert!(at(0).unwrap().contains("not valid before"));
    assert!(at(1_000_000).unwrap().contains("expired on"));
}

/// A ticket may be older than the certificate's time: it is looked at again.
#[test]
fn a_clients_certificate_is_looked_at_again_when_its_session_is_resumed() {
    let dir = TempDir::new().unwrap();
    let files = made(&dir, "client");
    let shown = CertificateDer::from_pem_file(&files.cert).unwrap();
    let clock = Arc::new(ManualClock::default());
    let none = load(&config::Tls::default()).unwrap();
    let tls = Tls::new(none, Arc::new(Metrics::default()), clock.clone());
    assert!(tls.names(&shown).is_ok());
    clock.advance(Duration::from_secs(1_000_000 * 24 * 60 * 60));
    assert!(tls.names(&shown).unwrap_err().contains("expired on"));
}

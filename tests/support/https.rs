//! One page over HTTPS, with a certificate of an authority that was made for it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// A page that can be changed, and counts. Its thread ends with the test's process.
pub struct Page {
    pub url: String,
    body: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    dir: TempDir,
}

impl Page {
    pub fn new(body: &str) -> Page {
        let dir = TempDir::new().expect("temporary directory");
        let config = Arc::new(server_config(&dir.path().join("authority.pem")));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url =
            format!("https://localhost:{}/keys", listener.local_addr().expect("bound").port());
        let (body, asked) = (Arc::new(Mutex::new(body.to_owned())), Arc::new(AtomicUsize::new(0)));
        let (shown, count) = (body.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(config.clone()).expect("TLS");
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                count.fetch_add(1, Ordering::SeqCst);
                let body = shown.lock().expect("body").clone();
                // A client that goes away in the middle has its answer in its own test.
                let _ = answer(&mut stream, &body);
            }
        });
        Page { url, body, asked, dir }
    }

    pub fn says(&self, body: &str) {
        *self.body.lock().expect("body") = body.to_owned();
    }

    /// Connections so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The PEM file of the authority, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }
}

type Stream = BufReader<StreamOwned<ServerConnection, std::net::TcpStream>>;

fn answer(stream: &mut Stream, body: &str) -> std::io::Result<()> {
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}", body.len());
    write!(stream.get_mut(), "{head}\r\n\r\n{body}")?;
    stream.get_mut().conn.send_close_notify();
    stream.get_mut().flush()
}

fn server_config(authority: &Path) -> ServerConfig {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(authority, params.self_signed(&key).expect("signed").pem()).expect("a file");
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).expect("parameters");
    let certificate = params.signed_by(&own, &issuer).expect("signed");
    let own = PrivateKeyDer::try_from(own.serialize_der()).expect("DER");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    config.with_single_cert(vec![certificate.der().clone()], own).expect("a certificate")
}

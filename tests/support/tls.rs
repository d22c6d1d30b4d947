//! TLS clients of the tests: whom they trust, who they are, and a stream that is plain, TLS or
//! WebSocket.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::broker::{Broker, Start};
use super::certificates::{Authority, Files};
use super::client::Gone;
use super::websocket::WebStream;

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A connection as the client sees it.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
    Web(Box<WebStream>),
}

impl Stream {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref(),
            Stream::Web(web) => web.inner().tcp(),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Stream {
        Stream::Plain(tcp)
    }
}

impl From<TlsStream> for Stream {
    fn from(tls: TlsStream) -> Stream {
        Stream::Tls(Box::new(tls))
    }
}

impl From<WebStream> for Stream {
    fn from(web: WebStream) -> Stream {
        Stream::Web(Box::new(web))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(into),
            Stream::Tls(tls) => tls.read(into),
            Stream::Web(web) => web.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
            Stream::Web(web) => web.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
            Stream::Web(web) => web.flush(),
        }
    }
}

/// Whom a client trusts, who it is, and which server it asks for.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: &'static str,
}

impl TlsClient {
    pub fn new(authority: &Path, identity: Option<&Files>) -> TlsClient {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(authority).expect("authority") {
            roots.add(root.expect("PEM")).expect("an authority");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let chain = CertificateDer::pem_file_iter(&files.cert).expect("certificate");
                let chain = chain.map(|one| one.expect("PEM")).collect();
                let key = PrivateKeyDer::from_pem_file(&files.key).expect("key");
                builder.with_client_auth_cert(chain, key).expect("fits")
            }
        };
        TlsClient { config: Arc::new(config), name: "localhost" }
    }

    /// The name it asks for (SNI) and expects.
    pub fn name(mut self, name: &'static str) -> TlsClient {
        self.name = name;
        self
    }

    pub fn alpn(mut self, protocol: &str) -> TlsClient {
        Arc::make_mut(&mut self.config).alpn_protocols = vec![protocol.into()];
        self
    }

    pub fn connection(&self) -> ClientConnection {
        let name = self.name.try_into().expect("a server's name");
        ClientConnection::new(self.config.clone(), name).expect("a client")
    }

    /// Connected, with the handshake behind it.
    pub fn try_open(&self, addr: SocketAddr) -> std::result::Result<TlsStream, Gone> {
        let tcp = TcpStream::connect(addr).map_err(|_| Gone::Closed)?;
        tcp.set_read_timeout(Some(super::HANG)).expect("read timeout");
        let mut stream = StreamOwned::new(self.connection(), tcp);
        while stream.conn.is_handshaking() {
            let done = stream.conn.complete_io(&mut stream.sock);
            done.map_err(|error| Gone::Broken(error.to_string()))?;
        }
        Ok(stream)
    }

    pub fn open(&self, addr: SocketAddr) -> TlsStream {
        self.try_open(addr).unwrap_or_else(|gone| panic!("{gone}"))
    }
}

/// An authority, a server certificate for localhost, and the settings to serve it.
pub struct Secured {
    pub dir: TempDir,
    pub authority: Authority,
    pub server: Files,
}

impl Secured {
    pub fn new() -> Secured {
        let dir = TempDir::new().expect("temporary directory");
        let authority = Authority::new(dir.path(), "authority");
        let server = authority.server("server", &["localhost", "127.0.0.1"]);
        Secured { dir, authority, server }
    }

    pub fn ca(&self) -> &str {
        self.authority.file.to_str().expect("UTF-8")
    }

    /// `homing dev` with a listener for MQTT over TLS beside the one without.
    pub fn start(&self) -> Start {
        Start::dev()
            .env("HOMING__LISTEN__MQTTS", "[\"127.0.0.1:0\"]")
            .env("HOMING__TLS__CERTIFICATES", &format!("[{}]", self.server.setting()))
    }

    pub fn broker(&self) -> Broker {
        self.start().start()
    }

    pub fn client(&self) -> TlsClient {
        TlsClient::new(&self.authority.file, None)
    }

    /// A client with the certificate of this common name.
    pub fn client_named(&self, common_name: &str) -> TlsClient {
        TlsClient::new(&self.authority.file, Some(&self.authority.client(common_name)))
    }
}

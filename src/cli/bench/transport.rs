//! What lies between a connection of the generator and MQTT: nothing, TLS, WebSocket, or both.

use std::io::{ErrorKind, Read, Result, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::args::Target;
use super::web::Web;
use crate::cli::exit::Failure;

/// How all connections are made.
pub struct Transport {
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The path of MQTT over WebSocket, and the host that is asked for.
    web: Option<(String, String)>,
}

impl Transport {
    /// # Errors
    /// A file that holds no certificate, a host that TLS cannot ask for.
    pub fn new(target: &Target) -> std::result::Result<Transport, Failure> {
        let host = &target.server.host;
        let tls = match &target.ca {
            None => None,
            Some(file) => {
                let name = ServerName::try_from(host.clone());
                Some((trusting(file)?, name.map_err(|error| Failure::usage(error.to_string()))?))
            }
        };
        let host = format!("{host}:{}", target.server.port);
        Ok(Transport { tls, web: target.ws.clone().map(|path| (path, host)) })
    }

    /// # Errors
    /// None with a configuration that was built.
    pub fn stream(&self, tcp: TcpStream) -> Result<Stream> {
        let tls = match &self.tls {
            None => None,
            Some((config, name)) => {
                let connection = ClientConnection::new(config.clone(), name.clone());
                Some(Box::new(connection.map_err(std::io::Error::other)?))
            }
        };
        let web = self.web.as_ref().map(|(path, host)| Box::new(Web::new(path, host)));
        Ok(Stream { secure: Secure { tcp, tls }, web })
    }
}

/// Every handshake is a whole one: a phone that comes back after a night has no ticket either.
fn trusting(file: &str) -> std::result::Result<Arc<ClientConfig>, Failure> {
    let problem = |error: &dyn std::fmt::Display| Failure::usage(format!("--ca {file}: {error}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| problem(&error))? {
        let certificate = certificate.map_err(|error| problem(&error))?;
        roots.add(certificate).map_err(|error| problem(&error))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(&error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// TCP, with TLS on it if it is wanted.
pub struct Secure {
    pub tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// A connection as MQTT sees it. What cannot be done at once is `WouldBlock`.
pub struct Stream {
    pub secure: Secure,
    web: Option<Box<Web>>,
}

impl Stream {
    /// Whether bytes may be left in a layer after a read that did not fill its room.
    pub fn layered(&self) -> bool {
        self.secure.tls.is_some() || self.web.is_some()
    }

    /// Sends on what waits in the layers.
    ///
    /// # Errors
    /// Those of the connection, but for being busy or not there yet.
    pub fn pump(&mut self) -> Result<()> {
        let done = match &mut self.web {
            None => self.secure.pump(),
            Some(web) => web.pump(&mut self.secure).and_then(|()| self.secure.pump()),
        };
        match done {
            Err(error) if is_busy(error.kind()) => Ok(()),
            other => other,
        }
    }
}

pub fn is_busy(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        match &mut self.web {
            None => self.secure.read(room),
            Some(web) => web.read(&mut self.secure, room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match &mut self.web {
            None => self.secure.write(bytes),
            Some(web) => web.write(&mut self.secure, bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.pump()
    }
}

impl Secure {
    fn pump(&mut self) -> Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.tcp)?;
            }
        }
        Ok(())
    }
}

impl Read for Secure {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(room) };
        loop {
            match tls.reader().read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(std::io::Error::other)?;
            // Answers of the handshake, and what was written before it was done.
            while tls.wants_write() {
                match tls.write_tls(&mut self.tcp) {
                    Err(error) if is_busy(error.kind()) => break,
                    done => done?,
                };
            }
        }
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(bytes) };
        // Zero bytes: as much waits as is allowed to.
        let count = tls.writer().write(bytes)?;
        match self.pump() {
            Err(error) if !is_busy(error.kind()) => Err(error),
            _ if count == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.pump()
    }
}

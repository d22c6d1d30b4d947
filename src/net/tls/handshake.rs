//! The TLS handshake of one connection, within its time; what comes of it in words and figures.

use std::io;
use std::time::Duration;

use rustls::{CertificateError, Error, HandshakeKind, InvalidMessage};
use tokio::net::TcpStream;

use super::{Protocol, Secure, Tls};
use crate::config::ClientCertificate;
use crate::metrics::Handshake;
use crate::net::stream::{Direct, linger};

/// Why there is no TLS connection.
enum Failed {
    Late,
    Closed,
    Tls(Error),
}

impl Tls {
    /// `None` if the handshake failed: then the log says why. `own` is what the listener asks for
    /// other than the rest, `left` what is left of the time to connect.
    pub async fn accept(
        &self,
        tcp: &TcpStream,
        (protocol, own): (Protocol, Option<ClientCertificate>),
        peer: std::net::SocketAddr,
        left: Duration,
    ) -> Option<Box<Secure>> {
        let now = self.now.load_full();
        let Some(config) = now.config(protocol, own) else {
            tracing::error!(%peer, "no TLS: tls.client_ca is gone, and this listener needs it");
            return None;
        };
        let mut secure = match Secure::new(config) {
            Ok(secure) => secure,
            Err(error) => {
                tracing::error!(%peer, "no TLS: {error}");
                return None;
            }
        };
        let shaking = tokio::time::timeout(now.handshake_wait.min(left), shake(&mut secure, tcp));
        let (result, words) = match shaking.await.unwrap_or(Err(Failed::Late)) {
            Ok(()) if secure.kind() == Some(HandshakeKind::Resumed) => (Handshake::Resumed, None),
            Ok(()) => (Handshake::Full, None),
            Err(failed) => told(failed),
        };
        self.metrics.doors.tls_handshakes(result).inc();
        if let Some(words) = words
            && let Some(left_out) = self.failures.say()
        {
            let result = result.name();
            tracing::warn!(%peer, result, left_out, "no TLS connection: {words}");
        }
        match result {
            Handshake::Full | Handshake::Resumed => return Some(secure),
            // The client is still there and may read why.
            Handshake::Refused => linger(tcp).await,
            Handshake::Timeout | Handshake::Closed => {}
        }
        None
    }
}

async fn shake(secure: &mut Secure, tcp: &TcpStream) -> Result<(), Failed> {
    let gone = |_: io::Error| Failed::Closed;
    loop {
        while !secure.send(Direct(tcp)).map_err(gone)? {
            tcp.writable().await.map_err(gone)?;
        }
        if !secure.is_handshaking() {
            return Ok(());
        }
        tcp.readable().await.map_err(gone)?;
        match secure.receive(Direct(tcp)) {
            Ok(0) => return Err(Failed::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Failed::Closed),
        }
        if let Err(error) = secure.process() {
            // The alert; a client that does not take it is not waited for.
            _ = secure.send(Direct(tcp));
            return Err(Failed::Tls(error));
        }
    }
}

/// Somebody who only looks whether the port is open is not worth a line.
fn told(failed: Failed) -> (Handshake, Option<String>) {
    match failed {
        Failed::Closed => (Handshake::Closed, None),
        Failed::Late => (Handshake::Timeout, Some("the handshake took too long".into())),
        Failed::Tls(error) => (Handshake::Refused, Some(words(&error))),
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "what came is no TLS; is it a client for the port without TLS?".into(),
        Error::NoCertificatesPresented => {
            "the client has no certificate, and this listener requires one".into()
        }
        Error::InvalidCertificate(why) => {
            let why = match why {
                CertificateError::Revoked => "it is revoked (tls.client_crl)".into(),
                CertificateError::UnknownIssuer => "it is not from tls.client_ca".into(),
                CertificateError::UnknownRevocationStatus => {
                    "tls.client_crl has no list of its authority".into()
                }
                other => other.to_string(),
            };
            format!("the client's certificate is refused: {why}")
        }
        Error::AlertReceived(alert) => format!("the client refused: {alert:?}"),
        Error::PeerIncompatible(why) => format!("no common version or cipher: {why:?}"),
        other => other.to_string(),
    }
}

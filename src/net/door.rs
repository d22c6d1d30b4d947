//! What stands between a listener's sockets and what is spoken on them: the PROXY header of a load
//! balancer, then TLS, then the handshake of WebSocket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy::{self, Caller, Header, ProxyError};
use super::stream::Stream;
use super::tcp::Tcp;
use super::tls::{Protocol, Secure, Tls};
use super::websocket::Upgrade;
use crate::auth::Certificate;
use crate::config::ClientCertificate;
use crate::log::Seldom;

/// Shared by all connections of one listener.
pub struct Door {
    /// As in the settings: `mqtt`, `mqtts`, `ws`, `wss`, `http`, `https`.
    pub listener: &'static str,
    pub balancer: Option<Balancer>,
    pub lock: Option<Lock>,
    /// For MQTT over WebSocket.
    pub upgrade: Option<Upgrade>,
}

/// A load balancer in front, which says who is calling.
pub struct Balancer {
    pub trusted: Vec<IpNet>,
    pub header_wait: Duration,
    pub refusals: Seldom,
}

/// TLS.
pub struct Lock {
    pub tls: Arc<Tls>,
    pub protocol: Protocol,
    /// What this listener asks for other than `tls.client_certificate`.
    pub client_certificate: Option<ClientCertificate>,
}

/// Somebody who came in.
pub struct Opened {
    pub stream: Stream,
    pub certificate: Option<Certificate>,
}

impl Door {
    /// Who is calling. `None` if the connection is over; then the log says why. `left` is what is
    /// left of the time to connect.
    pub async fn caller(
        &self,
        tcp: &mut Tcp,
        from: SocketAddr,
        left: Duration,
    ) -> Option<SocketAddr> {
        let Some(balancer) = &self.balancer else { return Some(from) };
        if !balancer.trusts(from.ip()) {
            balancer.refuse(self.listener, from, "this address is not in proxy.trusted");
            return None;
        }
        let tcp = watched(tcp, from)?;
        let wait = balancer.header_wait.min(left);
        match tokio::time::timeout(wait, Box::pin(read_header(tcp))).await {
            Ok(Ok(Some(Caller::Client(peer)))) => Some(peer),
            Ok(Ok(Some(Caller::Balancer))) => Some(from),
            // A load balancer that only looks whether the port is open.
            Ok(Ok(None)) => None,
            Ok(Err(error)) => {
                let words = format!("the PROXY header is refused: {error}");
                balancer.refuse(self.listener, from, &words);
                None
            }
            Err(_) => {
                let words = format!("the PROXY header did not come in {wait:?}");
                balancer.refuse(self.listener, from, &words);
                None
            }
        }
    }

    /// The handshake, where there is TLS. `None` as in [`Door::caller`].
    pub async fn open(&self, mut tcp: Tcp, peer: SocketAddr, left: Duration) -> Option<Opened> {
        let Some(lock) = &self.lock else {
            return Some(Opened { stream: Stream::new(tcp, None), certificate: None });
        };
        let asks = (lock.protocol, lock.client_certificate);
        let watched = watched(&mut tcp, peer)?;
        // Boxed, so that who comes without TLS does not hold the room for it; and so below.
        let secure = Box::pin(lock.tls.accept(watched, asks, peer, left)).await?;
        let certificate = lock.names(&secure, peer)?;
        Some(Opened { stream: Stream::new(tcp, Some(secure)), certificate })
    }

    /// The handshake of WebSocket, where that is spoken; `mqtt` gets what came behind it. `None`
    /// as in [`Door::caller`].
    pub async fn upgrade(
        &self,
        stream: Stream,
        mqtt: &mut Vec<u8>,
        peer: SocketAddr,
        left: Duration,
    ) -> Option<Stream> {
        match &self.upgrade {
            None => Some(stream),
            Some(upgrade) => Box::pin(upgrade.accept(stream, mqtt, peer, left)).await,
        }
    }
}

impl Lock {
    /// `None` for a certificate that was valid when its session began and is no more.
    fn names(&self, secure: &Secure, peer: SocketAddr) -> Option<Option<Certificate>> {
        let Some(shown) = secure.certificate() else { return Some(None) };
        let names = self.tls.names(shown);
        let told = |words: &String| {
            if let Some(left_out) = self.tls.failures.say() {
                tracing::warn!(%peer, left_out, "refused, the client's certificate: {words}");
            }
        };
        names.inspect_err(told).ok().map(Some)
    }
}

impl Balancer {
    fn refuse(&self, listener: &str, from: SocketAddr, words: &str) {
        if let Some(left_out) = self.refusals.say() {
            tracing::warn!(%from, listener, left_out, "closed: {words}");
        }
    }

    fn trusts(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.trusted.iter().any(|network| network.contains(&from))
    }
}

/// For those who have to wait for what the peer says. `None` as in [`Door::caller`].
fn watched(tcp: &mut Tcp, peer: SocketAddr) -> Option<&mut TcpStream> {
    let told = |error: &io::Error| tracing::error!(%peer, "a connection is not watched: {error}");
    tcp.watched().inspect_err(told).ok()
}

/// Takes the header and no byte of what stands behind it. `None` if the connection was closed
/// before it said anything.
async fn read_header(tcp: &mut TcpStream) -> Result<Option<Caller>, Unread> {
    let mut bytes = Vec::new();
    loop {
        let needed = match proxy::parse(&bytes)? {
            Header::Whole(caller) => return Ok(Some(caller)),
            Header::Needs(count) => count,
        };
        let before = bytes.len();
        bytes.resize(before + needed, 0);
        let count = tcp.read(&mut bytes[before..]).await?;
        bytes.truncate(before + count);
        match (count, before) {
            (0, 0) => return Ok(None),
            (0, _) => return Err(Unread::Cut),
            _ => {}
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{0}")]
    Wrong(#[from] ProxyError),
    #[error("{0}")]
    Lost(#[from] io::Error),
    #[error("the connection ended within it")]
    Cut,
}

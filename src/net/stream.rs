//! A connection before it has its worker, and for HTTP: TCP, or TLS over TCP, read and written in
//! the same way. MQTT is heard and said through WebSocket, where that is spoken.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::layers::Layers;
use super::tcp::Tcp;
use super::tls::Secure;
use super::websocket::{End, Violation, WebSocket};

/// After the last byte the client has this long to close, so that it can read that byte.
pub const LINGER: Duration = Duration::from_secs(1);

pub struct Stream {
    tcp: Tcp,
    layers: Layers,
}

/// The same without a runtime, on its way to another thread.
pub struct Parts {
    pub tcp: std::net::TcpStream,
    pub layers: Layers,
}

impl Stream {
    pub fn new(tcp: impl Into<Tcp>, tls: Option<Box<Secure>>) -> Stream {
        Stream { tcp: tcp.into(), layers: Layers { tls, web: None } }
    }

    /// From here on MQTT is in frames.
    pub fn speak_websocket(&mut self, web: Box<WebSocket>) {
        self.layers.web = Some(web);
    }

    pub fn is_websocket(&self) -> bool {
        self.layers.web.is_some()
    }

    /// The rule of WebSocket that the client broke.
    pub fn violation(&self) -> Option<Violation> {
        match self.layers.web.as_ref()?.end()? {
            End::Violated(violation) => Some(violation),
            End::Closed(_) => None,
        }
    }

    /// Waits for MQTT bytes and appends them; 0 at the end, also that of WebSocket.
    pub async fn hear(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            if self.layers.web.as_ref().is_some_and(|web| web.end().is_some()) {
                return Ok(0);
            }
            let before = into.len();
            let read = self.read_buf(into).await?;
            let Some(web) = &mut self.layers.web else { return Ok(read) };
            let count = web.open(&mut into[before..]);
            into.truncate(before + count);
            if web.has_answer() {
                self.say(Vec::new()).await?;
            }
            if read == 0 || count > 0 {
                return Ok(count);
            }
            // What is read at once takes none: a client could keep all others waiting.
            tokio::task::consume_budget().await;
        }
    }

    /// Says MQTT bytes.
    pub async fn say(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        if let Some(web) = &mut self.layers.web {
            web.frame(&mut bytes);
        }
        self.write_all(&bytes).await?;
        self.flush().await?;
        if let Some(web) = &mut self.layers.web {
            web.left(0);
        }
        Ok(())
    }

    /// The connection broke, or the peer has closed and all that it sent was read.
    pub fn is_over(&self) -> bool {
        self.tcp.is_over()
    }

    /// What was decrypted already is appended to `rest`, which came before it.
    pub fn into_parts(mut self, rest: &mut Vec<u8>) -> io::Result<Parts> {
        self.layers.take_plain(rest)?;
        Ok(Parts { tcp: self.tcp.into_std()?, layers: self.layers })
    }

    /// Says that nothing more comes, and leaves the client the time to read what came.
    pub async fn finish(mut self) {
        self.layers.say_goodbye(&self.tcp);
        if let Ok(tcp) = self.tcp.watched() {
            linger(tcp).await;
        }
    }
}

/// A socket of the runtime, without waiting.
pub(super) struct Direct<'a>(pub &'a TcpStream);

impl Read for Direct<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Half-closes and reads until the client has closed, too: bytes that nobody read would make the
/// system reset the connection, and the client would lose the last packet.
pub(super) async fn linger(tcp: &TcpStream) {
    let socket = socket2::SockRef::from(tcp);
    // It fails if the client is gone already: nothing is left to do then.
    if socket.shutdown(std::net::Shutdown::Write).is_ok() {
        _ = tokio::time::timeout(LINGER, read_out(tcp)).await;
        _ = socket.shutdown(std::net::Shutdown::Both);
    }
}

async fn read_out(tcp: &TcpStream) {
    let mut scratch = [0; 512];
    while tcp.readable().await.is_ok() {
        match tcp.try_read(&mut scratch) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
        tokio::task::consume_budget().await;
    }
}

impl Secure {
    /// Waits for the socket until there are plain bytes, the end, or an error.
    fn poll_plain(
        &mut self,
        tcp: &TcpStream,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.read_plain(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
            ready!(tcp.poll_read_ready(context))?;
            match self.receive(Direct(tcp)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(_) => {
                    let processed = self.process();
                    // Answers of TLS itself; what the socket does not take leaves with the rest.
                    self.send(Direct(tcp))?;
                    processed.map_err(io::Error::other)?;
                }
            }
        }
    }

    fn poll_send(&mut self, tcp: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.send(Direct(tcp))? {
            ready!(tcp.poll_write_ready(context))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_seal(
        &mut self,
        tcp: &TcpStream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let count = self.seal(bytes)?;
            match self.poll_send(tcp, context) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // What was taken counts; the rest goes out with the next write or flush.
                _ if count > 0 || bytes.is_empty() => return Poll::Ready(Ok(count)),
                Poll::Ready(Ok(())) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Stream { tcp, layers: Layers { tls, .. } } = &mut *self;
        let Some(tls) = tls else { return tcp.poll_read(context, buffer) };
        let tcp = tcp.watched()?;
        let count = ready!(tls.poll_plain(tcp, context, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Stream { tcp, layers: Layers { tls, .. } } = &mut *self;
        match tls {
            None => tcp.poll_write(context, bytes),
            Some(tls) => tls.poll_seal(tcp.watched()?, context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stream { tcp, layers: Layers { tls, .. } } = &mut *self;
        let Some(tls) = tls else { return Poll::Ready(Ok(())) };
        tls.poll_send(tcp.watched()?, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stream { tcp, layers: Layers { tls, .. } } = &mut *self;
        let tcp = tcp.watched()?;
        if let Some(tls) = tls {
            tls.close();
            ready!(tls.poll_send(tcp, context))?;
        }
        Pin::new(tcp).poll_shutdown(context)
    }
}

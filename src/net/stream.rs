//! A connection before it has its worker, and for HTTP: TCP, or TLS over TCP, read and written in
//! the same way. A further layer, such as WebSocket, would stand beside `tls`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::tls::Secure;

pub struct Stream {
    tcp: TcpStream,
    tls: Option<Box<Secure>>,
}

/// The same without a runtime, on its way to another thread.
pub struct Parts {
    pub tcp: std::net::TcpStream,
    pub tls: Option<Box<Secure>>,
}

impl Stream {
    pub fn new(tcp: TcpStream, tls: Option<Box<Secure>>) -> Stream {
        Stream { tcp, tls }
    }

    /// The peer has closed, and all that it sent was read.
    pub fn is_over(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        matches!(socket2::SockRef::from(&self.tcp).peek(&mut byte), Ok(0))
    }

    /// What was decrypted already is appended to `rest`, which came before it.
    pub fn into_parts(mut self, rest: &mut Vec<u8>) -> io::Result<Parts> {
        if let Some(tls) = &mut self.tls {
            tls.take_plain(rest)?;
        }
        Ok(Parts { tcp: self.tcp.into_std()?, tls: self.tls })
    }

    /// Says that nothing more comes, and leaves the client the time to read what came.
    pub async fn finish(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
            // A client that takes nothing any more is not waited for.
            _ = tls.send(&self.tcp);
        }
        super::conn::linger(&self.tcp).await;
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
            match self.receive(tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(_) => {
                    let processed = self.process();
                    // Answers of TLS itself; what the socket does not take leaves with the rest.
                    self.send(tcp)?;
                    processed.map_err(io::Error::other)?;
                }
            }
        }
    }

    fn poll_send(&mut self, tcp: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.send(tcp)? {
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
        let Stream { tcp, tls } = &mut *self;
        let Some(tls) = tls else { return Pin::new(tcp).poll_read(context, buffer) };
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
        let Stream { tcp, tls } = &mut *self;
        match tls {
            None => Pin::new(tcp).poll_write(context, bytes),
            Some(tls) => tls.poll_seal(tcp, context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stream { tcp, tls } = &mut *self;
        tls.as_mut().map_or(Poll::Ready(Ok(())), |tls| tls.poll_send(tcp, context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stream { tcp, tls } = &mut *self;
        if let Some(tls) = tls {
            tls.close();
            ready!(tls.poll_send(tcp, context))?;
        }
        Pin::new(tcp).poll_shutdown(context)
    }
}

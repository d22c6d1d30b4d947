//! A TCP connection before it has its worker. The runtime watches it only from when it has to be
//! waited for: most clients have said their CONNECT by the time somebody looks.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub enum Tcp {
    /// It does not block, and nobody waits for it.
    Loose(std::net::TcpStream),
    /// The same; there was nothing to read yet.
    Silent(std::net::TcpStream),
    Watched(TcpStream),
    /// The runtime could not watch it.
    Lost,
}

impl From<TcpStream> for Tcp {
    fn from(tcp: TcpStream) -> Tcp {
        Tcp::Watched(tcp)
    }
}

/// As it was accepted.
impl From<mio::net::TcpStream> for Tcp {
    fn from(tcp: mio::net::TcpStream) -> Tcp {
        Tcp::Loose(tcp.into())
    }
}

impl Tcp {
    /// For those who have to wait for it.
    pub fn watched(&mut self) -> io::Result<&mut TcpStream> {
        *self = match std::mem::replace(self, Tcp::Lost) {
            Tcp::Loose(tcp) | Tcp::Silent(tcp) => Tcp::Watched(TcpStream::from_std(tcp)?),
            other => other,
        };
        match self {
            Tcp::Watched(tcp) => Ok(tcp),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self {
            Tcp::Loose(tcp) | Tcp::Silent(tcp) => Ok(tcp),
            Tcp::Watched(tcp) => tcp.into_std(),
            Tcp::Lost => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// The connection broke, or the peer has closed and all that it sent was read.
    pub fn is_over(&self) -> bool {
        let socket = match self {
            Tcp::Loose(tcp) | Tcp::Silent(tcp) => SockRef::from(tcp),
            Tcp::Watched(tcp) => SockRef::from(tcp),
            Tcp::Lost => return true,
        };
        match socket.peek(&mut [std::mem::MaybeUninit::uninit()]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Who says nothing yet is looked at once more, behind those who came with it, before the
    /// system is asked to tell.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Tcp::Loose(tcp) | Tcp::Silent(tcp) = self
            && let Some(read) = at_once(tcp.read(buffer.initialize_unfilled()))
        {
            return Poll::Ready(read.map(|count| buffer.advance(count)));
        }
        match std::mem::replace(self, Tcp::Lost) {
            Tcp::Loose(tcp) => {
                *self = Tcp::Silent(tcp);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            other => *self = other,
        }
        Pin::new(self.watched()?).poll_read(context, buffer)
    }

    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Tcp::Loose(tcp) | Tcp::Silent(tcp) = self
            && let Some(written) = at_once(tcp.write(bytes))
        {
            return Poll::Ready(written);
        }
        Pin::new(self.watched()?).poll_write(context, bytes)
    }
}

/// Without waiting. One that is watched only now seems to have no room until the system has told of
/// it, so whoever has something to say without waiting says it before.
impl Write for &Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Tcp::Loose(tcp) | Tcp::Silent(tcp) => (&*tcp).write(bytes),
            Tcp::Watched(tcp) => tcp.try_write(bytes),
            Tcp::Lost => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `None` if it has to be waited for.
fn at_once(done: io::Result<usize>) -> Option<io::Result<usize>> {
    match done {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            None
        }
        done => Some(done),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::stream::Stream;
    use super::*;

    /// The two ends, of which the first was accepted.
    fn ends() -> (Tcp, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_nonblocking(true).unwrap();
        (Tcp::Loose(tcp), client)
    }

    #[tokio::test]
    async fn it_is_watched_from_when_it_is_waited_for() {
        let (tcp, mut client) = ends();
        let mut stream = Stream::new(tcp, None);
        client.write_all(b"at once").unwrap();
        let mut into = [0; 7];
        stream.read_exact(&mut into).await.unwrap();
        assert_eq!(&into, b"at once");
        let later = std::thread::spawn(move || {
            client.write_all(b"later").unwrap();
            let mut all = String::new();
            client.read_to_string(&mut all).unwrap();
            all
        });
        let mut into = [0; 5];
        stream.read_exact(&mut into).await.unwrap();
        assert_eq!(&into, b"later");
        stream.write_all(b"answer").await.unwrap();
        drop(stream);
        assert_eq!(later.join().unwrap(), "answer");
    }

    #[tokio::test]
    async fn more_than_the_system_takes_is_waited_for() {
        let (tcp, mut client) = ends();
        let mut stream = Stream::new(tcp, None);
        let bytes = vec![7; 16 * 1024 * 1024];
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all.len()
        });
        stream.write_all(&bytes).await.unwrap();
        drop(stream);
        assert_eq!(reader.join().unwrap(), bytes.len());
    }
}

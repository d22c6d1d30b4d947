//! What stands between a socket and the bytes of MQTT: nothing, TLS, WebSocket, or both. It has no
//! IO of its own and moves between threads with its connection.

use std::io::{self, Write};

use super::tls::{Heard, Secure};
use super::websocket::{End, WebSocket};

#[derive(Default)]
pub struct Layers {
    pub tls: Option<Box<Secure>>,
    pub web: Option<Box<WebSocket>>,
}

/// What a read says.
pub struct Said<'a> {
    pub mqtt: &'a [u8],
    /// In words for the log, if the client broke a rule, and nothing more can be understood.
    pub broken: Result<(), String>,
}

impl Layers {
    /// The client has said all that it will say.
    pub fn said_all(&self) -> bool {
        let closed = |tls: &Secure| tls.heard() == Heard::Closed;
        self.tls.as_deref().is_some_and(closed)
            || self.web.as_ref().is_some_and(|web| web.end().is_some())
    }

    /// A Ping of WebSocket waits for its Pong, which goes out with the next write.
    pub fn has_answer(&self) -> bool {
        self.web.as_ref().is_some_and(|web| web.has_answer())
    }

    /// What bytes from the socket say; `tcp` is where answers go, `plain` is where they are decrypted to.
    pub fn open<'a>(
        &mut self,
        tcp: impl Write,
        wire: &'a mut [u8],
        plain: &'a mut Vec<u8>,
    ) -> Said<'a> {
        let mut broken = Ok(());
        let bytes = match &mut self.tls {
            None => wire,
            Some(tls) => {
                let opened = tls.open(wire, plain);
                // Answers of TLS itself. What the socket does not take leaves with the next
                // packet; that it is broken is seen by the next read.
                _ = tls.send(tcp);
                broken = opened
                    .map(|_| ())
                    .map_err(|error| format!("a TLS connection is broken: {error}"));
                plain.as_mut_slice()
            }
        };
        let Some(web) = &mut self.web else { return Said { mqtt: bytes, broken } };
        let count = web.open(bytes);
        if let Some(End::Violated(violation)) = web.end() {
            broken = broken.and(Err(format!("a WebSocket connection is broken: {violation}")));
        }
        Said { mqtt: &bytes[..count], broken }
    }

    /// Appends to `rest` what TLS has decrypted already.
    pub fn take_plain(&mut self, rest: &mut Vec<u8>) -> io::Result<()> {
        let before = rest.len();
        if let Some(tls) = &mut self.tls {
            tls.take_plain(rest)?;
        }
        if let Some(web) = &mut self.web {
            let count = web.open(&mut rest[before..]);
            rest.truncate(before + count);
        }
        Ok(())
    }

    /// True if everything went out; otherwise `out` holds what is left, some of it as it goes over
    /// the wire: it has to stand at the front of what is written next.
    pub fn write_all(&mut self, tcp: impl Write, out: &mut Vec<u8>) -> io::Result<bool> {
        if let Some(web) = &mut self.web {
            web.frame(out);
        }
        let all = match &mut self.tls {
            None => write_all(tcp, out),
            Some(tls) => tls.write_all(tcp, out),
        }?;
        if let Some(web) = &mut self.web {
            web.left(if all { 0 } else { out.len() });
        }
        Ok(all)
    }

    /// Says that nothing more will come. A client that takes nothing any more is not waited for.
    pub fn say_goodbye(&mut self, mut tcp: impl Write) {
        if let Some(mut close) = self.web.as_ref().and_then(|web| web.close_frame()) {
            _ = match &mut self.tls {
                None => write_all(&mut tcp, &mut close),
                Some(tls) => tls.write_all(&mut tcp, &mut close),
            };
        }
        if let Some(tls) = &mut self.tls {
            tls.close();
            _ = tls.send(tcp);
        }
    }
}

/// True if everything went out; otherwise `out` holds what is left.
fn write_all(mut tcp: impl Write, out: &mut Vec<u8>) -> io::Result<bool> {
    let mut done = 0;
    while done < out.len() {
        match tcp.write(&out[done..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                out.drain(..done);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

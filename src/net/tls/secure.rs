//! The TLS state of one connection, beside its socket: it moves between threads with it and needs
//! no task of its own. What it may hold back for a slow client is bounded.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

/// Encrypted bytes that wait for the socket; what is more waits unencrypted in the outbox.
const SENDABLE_BYTES_MAX: usize = 64 * 1024;

pub struct Secure {
    tls: ServerConnection,
    heard: Heard,
}

/// Whether more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Open,
    /// The client has said that it sends no more (`close_notify`).
    Closed,
}

impl Secure {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Box<Secure>, rustls::Error> {
        let mut tls = ServerConnection::new(config)?;
        tls.set_buffer_limit(Some(SENDABLE_BYTES_MAX));
        Ok(Box::new(Secure { tls, heard: Heard::Open }))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(super) fn kind(&self) -> Option<HandshakeKind> {
        self.tls.handshake_kind()
    }

    /// The client's own certificate, if it showed one; verified in this handshake or in the one
    /// that is resumed.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.peer_certificates()?.first()
    }

    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Reads from the socket once; 0 is its end.
    pub fn receive(&mut self, mut tcp: impl Read) -> io::Result<usize> {
        self.tls.read_tls(&mut tcp)
    }

    /// Makes sense of what was received.
    ///
    /// # Errors
    /// If it is no TLS, or was changed on its way.
    pub fn process(&mut self) -> Result<(), rustls::Error> {
        let state = self.tls.process_new_packets()?;
        if state.peer_has_closed() {
            self.heard = Heard::Closed;
        }
        Ok(())
    }

    /// Takes bytes that came from the socket, and appends what they say to `plain`.
    ///
    /// # Errors
    /// As [`Secure::process`]; what was right before is in `plain`.
    pub fn open(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> io::Result<Heard> {
        while !wire.is_empty() && self.heard == Heard::Open {
            self.tls.read_tls(&mut wire)?;
            let processed = self.process();
            self.take_plain(plain)?;
            processed.map_err(io::Error::other)?;
        }
        Ok(self.heard)
    }

    /// Appends what is decrypted already.
    pub fn take_plain(&mut self, plain: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let mut reader = self.tls.reader();
            let count = match reader.fill_buf() {
                Ok(chunk) => {
                    plain.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if is_end(&error) => 0,
                Err(error) => return Err(error),
            };
            if count == 0 {
                return Ok(());
            }
            reader.consume(count);
        }
    }

    /// Plain bytes that are there already; `WouldBlock` if there are none, 0 at the end.
    pub fn read_plain(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.tls.reader().read(into) {
            // Most clients close without a word, and what is complete is known to MQTT and HTTP.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    /// Encrypts as much as there is room for; the number of bytes that were taken.
    pub fn seal(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.tls.writer().write(plain)
    }

    /// Writes what waits encrypted, without waiting itself. True if nothing is left.
    pub fn send(&mut self, mut tcp: impl Write) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut tcp) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// True if everything went out; otherwise `out` holds what is not encrypted yet.
    pub fn write_all(&mut self, mut tcp: impl Write, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut done = 0;
        while self.send(&mut tcp)? {
            if done == out.len() {
                return Ok(true);
            }
            done += self.seal(&out[done..])?;
        }
        out.drain(..done);
        Ok(false)
    }

    /// Says that nothing more will come (`close_notify`).
    pub fn close(&mut self) {
        self.tls.send_close_notify();
    }
}

/// Nothing more is there now, or will ever be: whoever reads the socket next sees which.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::UnexpectedEof)
}

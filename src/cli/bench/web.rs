//! A WebSocket client as small as a generator needs it (RFC 6455): the handshake, then each write
//! is one masked binary frame. What the server's proof of the handshake says is not checked: this
//! measures brokers, it does not trust them.

use std::io::{Error, ErrorKind, Read, Result, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A header of a frame without a mask, and all of a control frame.
const CONTROL_BYTES_MAX: usize = 2 + 125;

pub struct Web {
    /// The server has agreed.
    open: bool,
    /// Bytes of the frame that is being read and are still to come.
    left: u64,
    /// What is not whole: of the answer, of a header, of a control frame.
    rest: Vec<u8>,
    /// What waits to be sent: the request, then frames.
    out: Vec<u8>,
    mask: [u8; 4],
}

impl Web {
    pub fn new(path: &str, host: &str) -> Web {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        let (rest, mask) = (Vec::new(), rand::random());
        Web { open: false, left: 0, rest, out: request.into_bytes(), mask }
    }

    /// Sends on what waits.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn pump(&mut self, below: &mut impl Write) -> Result<()> {
        while !self.out.is_empty() {
            let count = below.write(&self.out)?;
            self.out.drain(..count);
        }
        Ok(())
    }

    /// Reads what is inside of frames.
    ///
    /// # Errors
    /// `WouldBlock`, those of the connection, an answer that is no WebSocket.
    pub fn read(&mut self, below: &mut (impl Read + Write), room: &mut [u8]) -> Result<usize> {
        loop {
            let kept = self.rest.len();
            room[..kept].copy_from_slice(&self.rest);
            let count = match below.read(&mut room[kept..])? {
                0 => return Ok(0),
                count => kept + count,
            };
            let begun = if self.open { 0 } else { self.answer(&room[..count])? };
            let (inside, taken) = match self.open {
                true => self.unframe(&mut room[..count], begun)?,
                false => (0, 0),
            };
            self.rest.clear();
            self.rest.extend_from_slice(&room[taken..count]);
            if inside > 0 {
                return Ok(inside);
            }
            match self.pump(below) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Takes the answer to the handshake, if it is whole; where it ends.
    fn answer(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if !line.starts_with(b"HTTP/1.1 101") {
            let line = String::from_utf8_lossy(line);
            return Err(Error::other(format!("the broker answers '{line}', not with WebSocket")));
        }
        self.open = true;
        Ok(end + 4)
    }

    /// Moves what is inside of frames to the front of the buffer: its length, and how much of the
    /// buffer is done with.
    fn unframe(&mut self, buffer: &mut [u8], begun: usize) -> Result<(usize, usize)> {
        let (mut at, mut inside) = (begun, 0);
        loop {
            let count = (buffer.len() - at).min(self.left as usize);
            buffer.copy_within(at..at + count, inside);
            (at, inside, self.left) = (at + count, inside + count, self.left - count as u64);
            let Some(head) = Head::read(&buffer[at..]) else { return Ok((inside, at)) };
            let whole = head.bytes + head.length as usize;
            match head.opcode {
                CONTINUATION | BINARY => (at, self.left) = (at + head.bytes, head.length),
                _ if whole > CONTROL_BYTES_MAX => return Err(Error::other("an endless frame")),
                _ if buffer.len() < at + whole => return Ok((inside, at)),
                CLOSE => return Err(ErrorKind::ConnectionReset.into()),
                PING => {
                    let payload = buffer[at + head.bytes..at + whole].to_vec();
                    self.frame(PONG, &payload);
                    at += whole;
                }
                _ => at += whole,
            }
        }
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// `WouldBlock` before the handshake is done or while a frame waits; those of the connection.
    pub fn write(&mut self, below: &mut impl Write, bytes: &[u8]) -> Result<usize> {
        self.pump(below)?;
        if !self.open {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.frame(BINARY, bytes);
        match self.pump(below) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    /// Section 5.2: final, masked.
    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.out.push(0x80 | opcode);
        match payload.len() {
            length @ 0..=125 => self.out.push(0x80 | length as u8),
            length @ 126..=0xFFFF => {
                self.out.push(0x80 | 126);
                self.out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                self.out.push(0x80 | 127);
                self.out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.out.extend_from_slice(&self.mask);
        self.out
            .extend(payload.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }
}

const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The front of a frame of a server, which has no mask.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    opcode: u8,
    /// Of the payload.
    length: u64,
    /// Of the header.
    bytes: usize,
}

impl Head {
    /// `None` if it is not whole.
    fn read(bytes: &[u8]) -> Option<Head> {
        let [first, second, more @ ..] = bytes else { return None };
        let (length, wide) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(*more.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*more.first_chunk()?), 8),
            length => (u64::from(length), 0),
        };
        Some(Head { opcode: first & 0x0F, length, bytes: 2 + wide })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A server that gives its bytes in pieces, and keeps what it got.
    struct Peer {
        gives: Vec<u8>,
        piece: usize,
        got: Vec<u8>,
    }

    impl Read for Peer {
        fn read(&mut self, room: &mut [u8]) -> Result<usize> {
            let count = self.piece.min(self.gives.len()).min(room.len());
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            room[..count].copy_from_slice(&self.gives[..count]);
            self.gives.drain(..count);
            Ok(count)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.got.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(length as u8),
            length => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn read_all(web: &mut Web, peer: &mut Peer) -> Vec<u8> {
        let (mut room, mut all) = ([0; 4096], Vec::new());
        while let Ok(count) = web.read(peer, &mut room) {
            all.extend_from_slice(&room[..count]);
        }
        all
    }

    const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    proptest! {
        #[test]
        fn frames_are_read_however_they_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
            piece in 1usize..500,
        ) {
            let mut gives = AGREED.to_vec();
            for payload in &payloads {
                gives.extend(server_frame(BINARY, payload));
                gives.extend(server_frame(PING, b"?"));
            }
            let mut web = Web::new("/mqtt", "localhost");
            let mut peer = Peer { gives, piece, got: Vec::new() };
            prop_assert_eq!(read_all(&mut web, &mut peer), payloads.concat());
            web.pump(&mut peer).unwrap();
            let pongs = peer.got.windows(2).filter(|two| two == &[0x80 | PONG, 0x81]).count();
            prop_assert!(pongs >= payloads.len());
        }
    }

    #[test]
    fn nothing_is_written_before_the_server_has_agreed() {
        let mut web = Web::new("/mqtt", "localhost:80");
        let mut peer = Peer { gives: AGREED.to_vec(), piece: 9, got: Vec::new() };
        assert_eq!(web.write(&mut peer, b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(peer.got.starts_with(b"GET /mqtt HTTP/1.1\r\nHost: localhost:80\r\n"));
        assert!(peer.got.ends_with(b"\r\n\r\n"));
        peer.got.clear();
        assert!(read_all(&mut web, &mut peer).is_empty());
        assert_eq!(web.write(&mut peer, b"MQTT").unwrap(), 4);
        assert_eq!((peer.got[0], peer.got[1]), (0x82, 0x84));
        let payload: Vec<u8> = (0..4).map(|n| peer.got[6 + n] ^ peer.got[2 + n]).collect();
        assert_eq!(payload, b"MQTT");
    }

    #[test]
    fn another_answer_and_a_close_are_errors() {
        let mut web = Web::new("/mqtt", "localhost");
        let gives = b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec();
        let mut peer = Peer { gives, piece: 99, got: Vec::new() };
        let error = web.read(&mut peer, &mut [0; 512]).unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
        let gives = [AGREED, &server_frame(CLOSE, b"")].concat();
        let mut peer = Peer { gives, piece: 999, got: Vec::new() };
        let error = web.read(&mut peer, &mut [0; 512]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn long_headers_are_read() {
        assert_eq!(Head::read(&[0x82, 126, 1]), None);
        let head = Head::read(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap();
        assert_eq!((head.length, head.bytes), (65_536, 10));
    }
}

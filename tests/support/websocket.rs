//! MQTT over WebSocket from the client's side: a stream that cuts what it sends into frames as
//! told, read and written by tungstenite; and single frames byte by byte.

use std::io::{Error, Read, Result, Write};
use std::net::SocketAddr;

use tungstenite::handshake::client::Request;
use tungstenite::{Message, WebSocket};

use super::broker::Broker;
use super::tls::Stream;
use super::{HANG, page};

/// A stream of MQTT bytes in frames of `cut` bytes.
pub struct WebStream {
    socket: WebSocket<Stream>,
    /// Of a frame that was read in part.
    rest: Vec<u8>,
    cut: usize,
}

impl WebStream {
    /// Over a connection that is there.
    pub fn open(stream: impl Into<Stream>, addr: SocketAddr) -> WebStream {
        let stream = stream.into();
        stream.tcp().set_read_timeout(Some(HANG)).expect("read timeout");
        let request = Request::builder()
            .uri(format!("ws://{addr}/mqtt"))
            .header("Host", addr.to_string())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
            .header("Sec-WebSocket-Protocol", "mqtt")
            .body(())
            .expect("a request");
        let (socket, answer) = tungstenite::client(request, stream).expect("a WebSocket");
        assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "mqtt");
        WebStream { socket, rest: Vec::new(), cut: usize::MAX }
    }

    /// Every frame has so many bytes at most.
    pub fn cut(mut self, bytes: usize) -> WebStream {
        self.cut = bytes;
        self
    }

    pub fn inner(&self) -> &Stream {
        self.socket.get_ref()
    }
}

impl Read for WebStream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => self.rest = bytes.to_vec(),
                Ok(Message::Text(text)) => return Err(Error::other(format!("text: {text}"))),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => return Err(error),
                Err(tungstenite::Error::ConnectionClosed) => return Ok(0),
                Err(error) => return Err(Error::other(error)),
            }
        }
        let count = into.len().min(self.rest.len());
        into[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

impl Write for WebStream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        for piece in bytes.chunks(self.cut) {
            let sent = self.socket.send(Message::Binary(piece.to_vec().into()));
            sent.map_err(Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The lines of a right request behind its first.
pub const HEADERS: [&str; 5] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
];

/// A right request with its end.
pub fn request(addr: SocketAddr) -> String {
    format!("GET /mqtt HTTP/1.1\r\nHost: {addr}\r\n{}\r\n\r\n", HEADERS.join("\r\n"))
}

/// A connection behind its handshake, for frames byte by byte.
pub fn raw(stream: impl Into<Stream>, addr: SocketAddr) -> Stream {
    let mut stream = stream.into();
    stream.write_all(request(addr).as_bytes()).expect("request");
    accepted(&mut stream);
    stream
}

/// The answer to a request, up to its empty line and not a byte behind it: it has to be 101.
pub fn accepted(stream: &mut Stream) -> String {
    stream.tcp().set_read_timeout(Some(HANG)).expect("read timeout");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    head
}

/// A frame as clients send it, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut out = match payload.len() {
        short @ 0..=125 => vec![first, 0x80 | short as u8],
        long => [&[first, 0xFE][..], &(long as u16).to_be_bytes()].concat(),
    };
    out.extend(mask);
    out.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// First byte and payload of the next frame that a server sends; `None` at the end.
pub fn read_frame(stream: &mut Stream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    match stream.read(&mut head[..1]).expect("a frame or the end") {
        0 => return None,
        _ => stream.read_exact(&mut head[1..]).expect("a length"),
    }
    assert!(head[1] < 126, "a short frame without mask");
    let mut payload = vec![0; head[1].into()];
    stream.read_exact(&mut payload).expect("a payload");
    Some((head[0], payload))
}

/// So many bytes of MQTT, in however many frames.
pub fn read_mqtt(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut mqtt = Vec::new();
    while mqtt.len() < count {
        let Some((0x82, payload)) = read_frame(stream) else { panic!("after {mqtt:?}") };
        mqtt.extend(payload);
    }
    mqtt
}

/// The status code of the Close frame that comes next; the connection ends behind it.
pub fn closed_with(stream: &mut Stream) -> u16 {
    let Some((0x88, payload)) = read_frame(stream) else { panic!("no Close frame") };
    assert!(read_frame(stream).is_none(), "more behind the Close frame");
    payload[..2].try_into().map(u16::from_be_bytes).expect("a code")
}

/// The answer to a request with `own` lines in place of the right ones of the same names.
pub fn ask(addr: SocketAddr, method: &str, path: &str, own: &[&str]) -> page::Answer {
    let name = |line: &str| line.split(':').next().expect("a name").to_lowercase();
    let others = HEADERS.iter().filter(|line| own.iter().all(|own| name(own) != name(line)));
    let lines: Vec<&str> = others.chain(own).copied().collect();
    page::ask_raw(addr, &format!("{method} {path} HTTP/1.1"), &lines)
}

/// `homing dev` with a listener for MQTT over WebSocket.
pub fn broker() -> Broker {
    Broker::with(&[LISTEN])
}

pub const LISTEN: (&str, &str) = ("HOMING__LISTEN__WS", "[\"127.0.0.1:0\"]");

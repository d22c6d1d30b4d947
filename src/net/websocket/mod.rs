//! MQTT over WebSocket (RFC 6455; MQTT 5, section 6): the state of one connection, beside its
//! socket as that of TLS is. No extension is spoken, and nothing is kept but what is not whole.

mod frame;
mod handshake;
mod reader;
#[cfg(test)]
mod tests;
mod upgrade;

pub use frame::Violation;
pub use handshake::Rules;
pub use reader::End;
pub use upgrade::Upgrade;

use reader::Reader;

/// Payload of one frame that is sent: many clients take no longer ones.
const SENT_FRAME_BYTES_MAX: usize = 32 * 1024;
/// Of a frame of that length.
const SENT_HEADER_BYTES_MAX: usize = 4;
/// What the Close frame says where nothing went wrong (section 7.4.1).
const NORMAL_CLOSURE: u16 = 1000;

const LAST_BINARY: u8 = 0x82;
const LAST_CLOSE: u8 = 0x88;
const LAST_PONG: u8 = 0x8A;

#[derive(Default)]
pub struct WebSocket {
    reader: Reader,
    /// So many bytes at the front of what is to be sent are frames already.
    framed: usize,
}

impl WebSocket {
    /// Why nothing more comes, if that is so.
    pub fn end(&self) -> Option<End> {
        self.reader.end()
    }

    /// Moves the MQTT bytes in `wire` to its front; their number.
    pub fn open(&mut self, wire: &mut [u8]) -> usize {
        self.reader.open(wire)
    }

    /// A Ping waits for its Pong: [`WebSocket::frame`] puts it into what is sent next.
    pub fn has_answer(&self) -> bool {
        self.reader.has_ping()
    }

    /// Puts all of `out` into frames that is not in frames yet.
    pub fn frame(&mut self, out: &mut Vec<u8>) {
        match out.len() - self.framed {
            0 => {}
            length @ ..=SENT_FRAME_BYTES_MAX => {
                out.splice(self.framed..self.framed, header(LAST_BINARY, length));
            }
            _ => self.frame_much(out),
        }
        if let Some(ping) = self.reader.take_ping() {
            let pong = header(LAST_PONG, ping.len()).chain(ping);
            out.splice(self.framed..self.framed, pong);
        }
        self.framed = out.len();
    }

    /// Copies each byte once, however many frames there are.
    fn frame_much(&self, out: &mut Vec<u8>) {
        let plain = out.split_off(self.framed);
        let frames = plain.len().div_ceil(SENT_FRAME_BYTES_MAX);
        out.reserve_exact(plain.len() + frames * SENT_HEADER_BYTES_MAX);
        for part in plain.chunks(SENT_FRAME_BYTES_MAX) {
            out.extend(header(LAST_BINARY, part.len()));
            out.extend_from_slice(part);
        }
    }

    /// So many bytes of it could not be sent; they will stand at the front of what is sent next.
    pub fn left(&mut self, count: usize) {
        self.framed = count;
    }

    /// The last frame. `None` where a frame is cut, so that nothing can be said any more.
    pub fn close_frame(&self) -> Option<Vec<u8>> {
        if self.framed > 0 {
            return None;
        }
        let payload = match self.end() {
            None => NORMAL_CLOSURE.to_be_bytes().to_vec(),
            Some(End::Closed(code)) => code.map(u16::to_be_bytes).into_iter().flatten().collect(),
            Some(End::Violated(violation)) => {
                let words = violation.to_string();
                violation.code().to_be_bytes().into_iter().chain(words.into_bytes()).collect()
            }
        };
        Some(header(LAST_CLOSE, payload.len()).chain(payload).collect())
    }
}

/// In front of so many bytes; servers do not mask (section 5.1).
fn header(first: u8, length: usize) -> impl Iterator<Item = u8> {
    let (short, wide) = match u8::try_from(length) {
        Ok(short @ 0..=125) => (short, None),
        _ => (126, Some((length as u16).to_be_bytes())),
    };
    [first, short].into_iter().chain(wide.into_iter().flatten())
}

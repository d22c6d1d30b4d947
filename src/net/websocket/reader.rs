//! From the bytes of a client's frames to the bytes of MQTT, in place: what is not whole is kept as
//! a few numbers, so that a connection needs no buffer of its own, however its packets are cut
//! into frames.

use super::frame::{self, HEADER_BYTES_MAX, Header, Kind, Parsed, Violation};

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has sent a Close frame, with a code or without.
    Closed(Option<u16>),
    Violated(Violation),
}

#[derive(Default)]
pub struct Reader {
    /// The beginning of a header.
    head: [u8; HEADER_BYTES_MAX],
    head_bytes: usize,
    frame: Option<Frame>,
    /// A message has begun whose last frame has not come.
    fragmented: bool,
    /// The payload of a control frame that is not whole.
    control: Vec<u8>,
    /// The payload of the last Ping that is not answered.
    ping: Option<Vec<u8>>,
    end: Option<End>,
}

/// A frame whose payload is coming.
struct Frame {
    last: bool,
    kind: Kind,
    /// Bytes that are still to come.
    left: u64,
    /// Turned so that its first byte is for the next one.
    mask: [u8; 4],
}

impl Reader {
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The last Ping that has not been answered; earlier ones need no answer (section 5.5.3).
    pub fn take_ping(&mut self) -> Option<Vec<u8>> {
        self.ping.take()
    }

    pub fn has_ping(&self) -> bool {
        self.ping.is_some()
    }

    /// Moves the payload of the data frames in `wire` to its front; the number of its bytes. What
    /// stands behind the end of all is dropped.
    pub fn open(&mut self, wire: &mut [u8]) -> usize {
        let (mut at, mut kept) = (0, 0);
        while at < wire.len() && self.end.is_none() {
            let Some(frame) = &mut self.frame else {
                at += self.take_header(&wire[at..]);
                continue;
            };
            let piece = at..at + frame.there(wire.len() - at);
            frame.unmask(&mut wire[piece.clone()]);
            at = piece.end;
            if frame.kind.is_control() {
                self.control.extend_from_slice(&wire[piece]);
            } else {
                wire.copy_within(piece.clone(), kept);
                kept += piece.len();
            }
            self.finish_frame();
        }
        kept
    }

    /// The number of bytes that were taken; a frame has begun if its header is whole.
    fn take_header(&mut self, wire: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            match frame::parse(&self.head[..self.head_bytes]) {
                Ok(Parsed::Needs(count)) => {
                    let count = count.min(wire.len() - taken);
                    if count == 0 {
                        return taken;
                    }
                    let piece = &wire[taken..taken + count];
                    self.head[self.head_bytes..self.head_bytes + count].copy_from_slice(piece);
                    self.head_bytes += count;
                    taken += count;
                }
                Ok(Parsed::Whole(header)) => {
                    self.head_bytes = 0;
                    self.begin(header);
                    return taken;
                }
                Err(violation) => {
                    self.violated(violation);
                    return taken;
                }
            }
        }
    }

    fn violated(&mut self, violation: Violation) {
        self.end = Some(End::Violated(violation));
    }

    fn begin(&mut self, header: Header) {
        let Header { last, kind, length, mask } = header;
        match kind {
            Kind::Continuation if !self.fragmented => self.violated(Violation::NothingToContinue),
            Kind::Binary if self.fragmented => self.violated(Violation::NotContinued),
            _ => {
                self.frame = Some(Frame { last, kind, left: length, mask });
                self.finish_frame();
            }
        }
    }

    /// If all of its payload is there.
    fn finish_frame(&mut self) {
        let Some(Frame { last, kind, .. }) = self.frame.take_if(|frame| frame.left == 0) else {
            return;
        };
        match kind {
            Kind::Continuation | Kind::Binary => self.fragmented = !last,
            Kind::Ping => self.ping = Some(std::mem::take(&mut self.control)),
            Kind::Pong => self.control = Vec::new(),
            Kind::Close => {
                let payload = std::mem::take(&mut self.control);
                self.end = Some(close(&payload).map_or_else(End::Violated, End::Closed));
            }
        }
    }
}

impl Frame {
    /// How many of so many bytes belong to it.
    fn there(&self, count: usize) -> usize {
        usize::try_from(self.left).map_or(count, |left| left.min(count))
    }

    fn unmask(&mut self, piece: &mut [u8]) {
        for chunk in piece.chunks_mut(4) {
            chunk.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        }
        self.mask.rotate_left(piece.len() % 4);
        self.left -= piece.len() as u64;
    }
}

/// The code in a Close frame (sections 5.5.1 and 7.4).
fn close(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::CloseCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::CloseReason);
    }
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some(code)),
        _ => Err(Violation::CloseCode),
    }
}

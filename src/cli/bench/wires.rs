//! What waits to be written, per connection; written once per pass.

use std::io::{ErrorKind, Write};

use crate::mqtt::{Packet, Version, encode};

pub struct Wires {
    version: Version,
    wires: Vec<Wire>,
    /// Connections with something to write.
    dirty: Vec<usize>,
}

#[derive(Default)]
struct Wire {
    bytes: Vec<u8>,
    written: usize,
    dirty: bool,
}

impl Wires {
    pub fn new(version: Version) -> Wires {
        Wires { version, wires: Vec::new(), dirty: Vec::new() }
    }

    /// One more connection.
    pub fn add(&mut self) {
        self.wires.push(Wire::default());
    }

    pub fn clear(&mut self) {
        self.wires.clear();
        self.dirty.clear();
    }

    /// Drops what waits for a connection that is closed.
    pub fn forget(&mut self, id: usize) {
        self.wires[id] = Wire::default();
    }

    pub fn send(&mut self, id: usize, packet: &Packet<'_>) {
        encode(packet, self.version, &mut self.wires[id].bytes);
        self.mark(id);
    }

    /// Looks again whether a connection has something to write.
    pub fn mark(&mut self, id: usize) {
        let Some(wire) = self.wires.get_mut(id) else { return };
        if !wire.dirty && !wire.bytes.is_empty() {
            wire.dirty = true;
            self.dirty.push(id);
        }
    }

    pub fn next_dirty(&mut self) -> Option<usize> {
        let id = self.dirty.pop()?;
        self.wires[id].dirty = false;
        Some(id)
    }

    /// Writes what the connection takes at once.
    ///
    /// # Errors
    /// Those of the connection, but for being busy or not there yet.
    pub fn flush(&mut self, id: usize, stream: &mut impl Write) -> std::io::Result<()> {
        let wire = &mut self.wires[id];
        while wire.written < wire.bytes.len() {
            match stream.write(&wire.bytes[wire.written..]) {
                Ok(count) => wire.written += count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(()),
                    ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        wire.bytes.clear();
        wire.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and is busy then.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let count = bytes.len().min(self.1);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.1 -= count;
            self.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_connection_is_written_once_and_the_rest_later() {
        let mut wires = Wires::new(Version::V311);
        (0..2).for_each(|_| wires.add());
        (0..3).for_each(|_| wires.send(1, &Packet::PingReq));
        assert_eq!((wires.next_dirty(), wires.next_dirty()), (Some(1), None));
        let mut stream = Narrow(Vec::new(), 5);
        wires.flush(1, &mut stream).unwrap();
        assert_eq!(stream.0.len(), 5);
        wires.mark(0);
        wires.mark(1);
        assert_eq!((wires.next_dirty(), wires.next_dirty()), (Some(1), None));
        stream.1 = 100;
        wires.flush(1, &mut stream).unwrap();
        assert_eq!(stream.0, [0xC0, 0, 0xC0, 0, 0xC0, 0]);
        wires.mark(1);
        assert_eq!(wires.next_dirty(), None);
    }
}

//! A device that reads its mail through all crashes and writes down what it gets before it
//! acknowledges it.

use std::net::SocketAddr;
use std::time::Duration;

use super::support::Connect;
use super::support::client::Gone;
use super::support::history::{Event, Key, Stamp};
use super::support::random::Random;
use super::support::wire::{Packet, Publish, Version, acknowledgement};

/// One in so many messages is followed by a cut of the device's own connection.
const CUT_ONE_IN: usize = 3000;
/// A device that gets nothing for so long will never get anything.
const STALLED: Duration = Duration::from_secs(60);
/// The last message of every inbox.
pub const END: &str = "end";

pub struct Receiver {
    pub device: u32,
    pub uid: &'static str,
    pub version: Version,
    pub random: Random,
    pub events: Vec<Event>,
}

impl Receiver {
    pub fn connect(&self) -> Connect {
        Connect::new(self.version, self.uid, &format!("device-{}", self.device))
    }

    /// Reads until the last message is there.
    pub fn run(mut self, addr: SocketAddr) -> Vec<Event> {
        loop {
            match self.session(addr) {
                Ok(()) => return self.events,
                Err(Gone::Closed) => std::thread::sleep(Duration::from_millis(2)),
                Err(gone) => panic!("device {}: {gone}", self.device),
            }
        }
    }

    fn session(&mut self, addr: SocketAddr) -> Result<(), Gone> {
        let (mut client, ack) = self.connect().try_open(addr)?;
        assert_eq!(ack.code, 0, "device {} is refused", self.device);
        self.events.push(Event::Connect { device: self.device });
        client.try_send(&[0xC0, 0])?;
        loop {
            let publish = match client.try_recv(STALLED)? {
                Packet::Publish(publish) => publish,
                Packet::PingResp => continue,
                Packet::Disconnect { .. } => return Err(Gone::Closed),
                other => panic!("device {} got {other:?}", self.device),
            };
            let end = publish.payload == END.as_bytes();
            if !end {
                self.record(&publish);
            }
            client.try_send(&acknowledgement(0x40, publish.id))?;
            if end {
                client.disconnect();
                return Ok(());
            }
            if self.random.below(CUT_ONE_IN) == 0 {
                client.cut();
                return Err(Gone::Closed);
            }
        }
    }

    fn record(&mut self, publish: &Publish) {
        let device = self.device;
        let key = std::str::from_utf8(&publish.payload).ok().and_then(parse);
        self.events.push(match key {
            Some(key) if publish.topic == self.uid && publish.qos == 1 => {
                Event::Received { device, key, stamp: stamp(publish) }
            }
            _ => Event::Foreign { device, what: format!("{publish:?}") },
        });
    }
}

fn parse(payload: &str) -> Option<Key> {
    let (sender, number) = payload.split_once(' ')?;
    Some(Key { sender: sender.parse().ok()?, number: number.parse().ok()? })
}

fn stamp(publish: &Publish) -> Option<Stamp> {
    let id = publish.props.user("id")?.to_owned();
    let seq = publish.props.user("seq")?.parse().expect("seq is a number");
    Some(Stamp { id, seq })
}

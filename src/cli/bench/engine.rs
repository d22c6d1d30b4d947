//! Many connections on one thread: one read buffer, one write per connection and pass, no timers.
//! It has to be cheaper than any broker, so it knows nothing of what is measured: that is the
//! [`Scenario`].

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::client::ClientError;
use super::super::exit::{FAILURE, Failure, LOGIN, REFUSED, UNREACHABLE};
use super::transport::{Stream, Transport};
use super::visitor::{Connecting, Visitor};
use super::wires::Wires;
use crate::clock::Stopwatch;
use crate::mqtt::{ConnAck, Disconnect, Packet, Properties, Version, decode, frame_bytes, reason};

const EVENTS_COUNT: usize = 1024;
const READ_BYTES: usize = 256 * 1024;
const PACKET_BYTES_MAX: u32 = 268_435_455 + 5;
/// Nothing happened for so long: nothing will.
const STALL_NANOS: u64 = 5_000_000_000;
const PROGRESS_NANOS: u64 = 1_000_000_000;
/// A client address has about 28,000 ports; on loopback there are more addresses.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// What to do after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for the network.
    Wait,
    /// Something is due at this time, in nanoseconds of the stopwatch.
    Until(u64),
    Done,
}

/// What is done with the connections.
pub trait Scenario {
    /// The broker took the connection.
    fn welcome(&mut self, id: usize, connack: &ConnAck<'_>, at: u64, wires: &mut Wires);
    /// A packet came that was read at this time.
    ///
    /// # Errors
    /// What makes going on pointless.
    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure>;
    /// After everything that came is taken: what to send now, and when to look again.
    ///
    /// # Errors
    /// What makes going on pointless.
    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure>;
    /// Grows as long as something happens.
    fn moved(&self) -> u64;
    /// Nothing happens any more: an end, or words for why it is none.
    ///
    /// # Errors
    /// If without it nothing is measured.
    fn stalled(&mut self) -> Result<(), Failure>;
    /// One line for people who wait.
    fn progress(&self) -> String;
}

struct Link {
    stream: Stream,
    /// The front of a packet that is not whole.
    rest: Vec<u8>,
    welcomed: bool,
}

pub struct Engine {
    poll: Poll,
    links: Vec<Option<Link>>,
    pub wires: Wires,
    pub watch: Stopwatch,
    server: SocketAddr,
    transport: Transport,
    version: Version,
    quiet: bool,
}

fn io_failure(what: &str, error: std::io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::AddrNotAvailable => "; this machine has no free ports left for the broker",
        _ if error.raw_os_error() == Some(24) => "; allow more open files with `ulimit -n`",
        _ => "",
    };
    Failure::new(FAILURE, format!("{what}: {error}{hint}"))
}

impl Engine {
    /// # Errors
    /// If the system has no way to wait for sockets.
    pub fn new(
        (server, transport): (SocketAddr, Transport),
        version: Version,
        quiet: bool,
    ) -> Result<Engine, Failure> {
        let poll = Poll::new().map_err(|error| io_failure("no poll", error))?;
        let wires = Wires::new(version);
        let watch = Stopwatch::start();
        Ok(Engine { poll, links: Vec::new(), wires, watch, server, transport, version, quiet })
    }

    /// Begins to connect; the id of the connection, counted from 0.
    ///
    /// # Errors
    /// No socket: too many open files or no free port.
    pub fn open(&mut self, visitor: &Visitor, connect: &Connecting) -> Result<usize, Failure> {
        let id = self.links.len();
        let failed = |error| io_failure(&format!("connection {}", id + 1), error);
        let mut socket = self.socket(id).map_err(failed)?;
        let registry = self.poll.registry();
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut socket, Token(id), both).map_err(failed)?;
        let stream = self.transport.stream(socket).map_err(failed)?;
        self.links.push(Some(Link { stream, rest: Vec::new(), welcomed: false }));
        self.wires.add();
        self.wires.send(id, &connect.packet(visitor, self.version));
        Ok(id)
    }

    fn socket(&self, id: usize) -> std::io::Result<TcpStream> {
        let socket =
            Socket::new(Domain::for_address(self.server), Type::STREAM, Some(Protocol::TCP))?;
        if let IpAddr::V4(address) = self.server.ip()
            && address.is_loopback()
            && id >= CONNECTIONS_PER_ADDRESS
        {
            let host = (2 + id / CONNECTIONS_PER_ADDRESS) as u8;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into())?;
        }
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    /// Says goodbye and closes.
    pub fn close(&mut self, id: usize) {
        let (reason, properties) = (reason::NORMAL_DISCONNECTION, Properties::default());
        self.wires.send(id, &Packet::Disconnect(Disconnect { reason, properties }));
        if let Some(mut link) = self.links[id].take() {
            // Whatever cannot be written at once is not worth waiting for.
            _ = self.wires.flush(id, &mut link.stream);
            self.wires.forget(id);
        }
    }

    /// Closes all connections; the ids begin at 0 again.
    pub fn close_all(&mut self) {
        (0..self.links.len()).for_each(|id| self.close(id));
        self.links.clear();
        self.wires.clear();
    }

    /// Runs until the scenario is done.
    ///
    /// # Errors
    /// The scenario's, and lost or refused connections.
    pub fn run(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        let mut events = Events::with_capacity(EVENTS_COUNT);
        let mut buffer = vec![0; READ_BYTES];
        let mut pulse = Pulse::new(self.watch.nanos());
        loop {
            let now = self.watch.nanos();
            let step = scenario.pass(self, now)?;
            self.flush_all()?;
            if step == Step::Done {
                return Ok(());
            }
            if pulse.stalled(now, scenario.moved()) {
                return scenario.stalled();
            }
            if pulse.tells(now) && !self.quiet {
                eprintln!("{}", scenario.progress());
            }
            self.wait(&mut events, step, now)?;
            for event in &events {
                self.serve(event, &mut buffer, scenario)?;
            }
        }
    }

    /// Something due within a millisecond, the finest sleep there is, is waited for awake.
    fn wait(&mut self, events: &mut Events, step: Step, now: u64) -> Result<(), Failure> {
        let nanos = match step {
            Step::Until(at) => at.saturating_sub(now).min(PROGRESS_NANOS),
            _ => PROGRESS_NANOS,
        };
        match self.poll.poll(events, Some(Duration::from_millis(nanos / 1_000_000))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(io_failure("poll", error)),
            _ => Ok(()),
        }
    }

    fn flush_all(&mut self) -> Result<(), Failure> {
        while let Some(id) = self.wires.next_dirty() {
            if let Some(link) = &mut self.links[id] {
                let flushed = self.wires.flush(id, &mut link.stream);
                flushed.map_err(|error| lost(self.server, error))?;
            }
        }
        Ok(())
    }

    fn serve(
        &mut self,
        event: &mio::event::Event,
        buffer: &mut Vec<u8>,
        scenario: &mut impl Scenario,
    ) -> Result<(), Failure> {
        let id = event.token().0;
        if event.is_writable() {
            self.writable(id)?;
        }
        if event.is_readable() {
            self.read_all(id, buffer, scenario)?;
        }
        Ok(())
    }

    /// What waits in the layers of the connection goes before what waits here.
    fn writable(&mut self, id: usize) -> Result<(), Failure> {
        if let Some(link) = self.links.get_mut(id).and_then(Option::as_mut) {
            link.stream.pump().map_err(|error| lost(self.server, error))?;
        }
        self.wires.mark(id);
        Ok(())
    }

    /// Reads until there is nothing left; a layer may then have agreed to be written to.
    fn read_all(
        &mut self,
        id: usize,
        buffer: &mut Vec<u8>,
        scenario: &mut impl Scenario,
    ) -> Result<(), Failure> {
        while let Some(link) = self.links.get_mut(id).and_then(Option::as_mut) {
            let kept = std::mem::take(&mut link.rest);
            if buffer.len() < kept.len() + READ_BYTES / 2 {
                buffer.resize(2 * buffer.len(), 0);
            }
            buffer[..kept.len()].copy_from_slice(&kept);
            let room = &mut buffer[kept.len()..];
            let room_bytes = room.len();
            let count = match link.stream.read(room) {
                Ok(0) => return Err(closed(link.welcomed)),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    link.rest = kept;
                    self.wires.mark(id);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    link.rest = kept;
                    continue;
                }
                Err(error) => return Err(lost(self.server, error)),
            };
            let drained = count < room_bytes && !link.stream.layered();
            let whole = kept.len() + count;
            self.take(id, &buffer[..whole], scenario)?;
            if drained {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes all whole packets of what was read.
    fn take(
        &mut self,
        id: usize,
        mut bytes: &[u8],
        scenario: &mut impl Scenario,
    ) -> Result<(), Failure> {
        let protocol = |error| Failure::from(ClientError::Protocol(error));
        let at = self.watch.nanos();
        while frame_bytes(bytes, PACKET_BYTES_MAX)
            .map_err(protocol)?
            .is_some_and(|n| n <= bytes.len())
        {
            let decoded = decode(bytes, self.version, PACKET_BYTES_MAX).map_err(protocol)?;
            let Some((packet, length)) = decoded else { break };
            bytes = &bytes[length..];
            match packet {
                Packet::ConnAck(connack) => self.welcome(id, &connack, at, scenario)?,
                Packet::Disconnect(disconnect) => return Err(ended(&disconnect)),
                packet => scenario.packet(id, &packet, at, &mut self.wires)?,
            }
        }
        if let Some(link) = &mut self.links[id] {
            link.rest.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn welcome(
        &mut self,
        id: usize,
        connack: &ConnAck<'_>,
        at: u64,
        scenario: &mut impl Scenario,
    ) -> Result<(), Failure> {
        if connack.code != reason::SUCCESS {
            return Err(refused(connack, self.version));
        }
        if let Some(link) = &mut self.links[id] {
            link.welcomed = true;
        }
        scenario.welcome(id, connack, at, &mut self.wires);
        Ok(())
    }
}

/// EINPROGRESS on Linux: a connection that is not there yet.
const IN_PROGRESS: i32 = 115;

fn lost(server: SocketAddr, error: std::io::Error) -> Failure {
    if error.kind() == ErrorKind::ConnectionRefused {
        let (server, cause) = (server.to_string(), error.to_string());
        return ClientError::Unreachable { server, cause }.into();
    }
    Failure::new(UNREACHABLE, format!("a connection to {server} was lost: {error}"))
}

fn closed(welcomed: bool) -> Failure {
    let words = match welcomed {
        true => "the broker closed a connection; its log may say why (a limit, a refused message)",
        false => "the broker closed a connection before its CONNACK; its log may say why (a limit)",
    };
    Failure::new(if welcomed { REFUSED } else { UNREACHABLE }, words)
}

fn refused(connack: &ConnAck<'_>, version: Version) -> Failure {
    let name = match version {
        Version::V5 => reason::name(connack.code),
        Version::V311 => reason::v311::name(connack.code),
    };
    let words = format!("the broker refuses a connection: {name}; see --users and --password");
    Failure::new(LOGIN, words)
}

fn ended(disconnect: &Disconnect<'_>) -> Failure {
    let name = reason::name(disconnect.reason);
    Failure::new(REFUSED, format!("the broker ended a connection: {name}"))
}

/// When progress was told last, and when there was any.
struct Pulse {
    told: u64,
    moved: u64,
    moved_at: u64,
}

impl Pulse {
    fn new(now: u64) -> Pulse {
        Pulse { told: now, moved: 0, moved_at: now }
    }

    fn tells(&mut self, now: u64) -> bool {
        let tells = now >= self.told + PROGRESS_NANOS;
        if tells {
            self.told = now;
        }
        tells
    }

    fn stalled(&mut self, now: u64, moved: u64) -> bool {
        if moved != self.moved {
            (self.moved, self.moved_at) = (moved, now);
        }
        now >= self.moved_at + STALL_NANOS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_a_time_without_movement() {
        let mut pulse = Pulse::new(0);
        assert!(!pulse.stalled(STALL_NANOS - 1, 0));
        assert!(!pulse.stalled(STALL_NANOS, 1));
        assert!(!pulse.stalled(2 * STALL_NANOS - 1, 1));
        assert!(pulse.stalled(2 * STALL_NANOS, 1));
    }

    #[test]
    fn progress_is_told_once_a_second() {
        let mut pulse = Pulse::new(0);
        assert!(!pulse.tells(PROGRESS_NANOS - 1));
        assert!(pulse.tells(PROGRESS_NANOS));
        assert!(!pulse.tells(PROGRESS_NANOS + 1));
    }
}

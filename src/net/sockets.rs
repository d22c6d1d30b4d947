//! The sockets of a worker and what is known of each: whether there is something to read, whether
//! its client takes what is written. The system tells of a change once (edge-triggered), so each is
//! registered once, and once more when its client takes no more for the first time; then it is
//! asked no more than it has to say. An idle one is an entry in a table: no task, no buffer, no
//! channel and no timer of its own.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry};

use crate::metrics::Counted;
use crate::model::Moment;
use crate::shard::Token;

use super::admission::Seat;
use super::layers::Layers;
use super::lingering::{Guest, Lingering};
use super::stream::Parts;
use super::watched::Own;

/// A socket beside its session.
pub struct Socket {
    pub token: Token,
    pub tcp: TcpStream,
    /// Nothing but this connection is in them (threat N12).
    pub layers: Own<Layers>,
    /// The beginning of a packet that is not whole yet.
    pub rest: Vec<u8>,
    /// It is not read for now.
    pub paused: bool,
    pub input: Input,
    /// The client takes no more for now; it has to go on until then.
    blocked: Option<Moment>,
    /// It was blocked once: from then on the system tells of room to write, too.
    tells_writable: bool,
    /// Until the session has ended; what lingers counts no more.
    pub counted: Option<Counted>,
    /// Free again when the socket is closed.
    pub seat: Seat,
}

/// What is known of a socket's input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input {
    /// There may be something: the system said so, and no read has found that this was all.
    pub readable: bool,
    /// Behind the last byte is the end, of which the system tells no more.
    pub ended: bool,
    /// It is in the queue of those that are read next.
    queued: bool,
}

impl Input {
    /// The system names it.
    pub fn notice(&mut self, event: &Event) {
        self.ended |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.ended;
    }

    /// A read has found `count` bytes where there was room for `room`: with less than that it has
    /// found all, and what comes from now on is told anew.
    pub fn was_read(&mut self, count: usize, room: usize) {
        self.readable = count == room || self.ended;
    }
}

impl Socket {
    /// It is not read yet.
    pub fn new(token: Token, stream: Parts, rest: Vec<u8>, counted: Counted, seat: Seat) -> Socket {
        Socket {
            token,
            tcp: TcpStream::from_std(stream.tcp),
            layers: Own::new(stream.layers),
            rest,
            paused: true,
            input: Input::default(),
            blocked: None,
            tells_writable: false,
            counted: Some(counted),
            seat,
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }
}

/// All sockets of a worker.
#[derive(Default)]
pub struct Sockets {
    /// At the index of their token.
    all: Vec<Option<Socket>>,
    /// Those that may have something to say, in turn.
    ready: VecDeque<Token>,
    /// Those not read, that are looked at in each turn.
    pub paused: Vec<Token>,
    /// Those whose clients take something again.
    pub writable: Vec<Token>,
    /// By the time until which their clients have to take something.
    blocked: BTreeSet<(Moment, Token)>,
    /// Of connections that have ended.
    pub lingering: Lingering,
}

impl Sockets {
    pub fn get(&mut self, token: Token) -> Option<&mut Socket> {
        let socket = self.all.get_mut(token.index())?.as_mut()?;
        (socket.token == token).then_some(socket)
    }

    /// Takes it in, paused, and has the system tell of it from now on.
    pub fn add(&mut self, mut socket: Socket, system: &Registry) -> io::Result<()> {
        let token = mio::Token(socket.token.0 as usize);
        // That there is room to write is told only to those who wait for it: it is true at first.
        system.register(&mut socket.tcp, token, Interest::READABLE)?;
        let index = socket.token.index();
        if self.all.len() <= index {
            self.all.resize_with(index + 1, || None);
        }
        self.paused.push(socket.token);
        self.all[index] = Some(socket);
        Ok(())
    }

    pub fn remove(&mut self, token: Token) -> Option<Socket> {
        self.unblock(token);
        self.get(token)?;
        self.all[token.index()].take()
    }

    /// At least as many as there are.
    pub fn len(&self) -> usize {
        self.all.len() + self.lingering.len()
    }

    /// The system says something about a socket.
    pub fn notice(&mut self, event: &Event) {
        let token = Token(event.token().0 as u64);
        if let Some(socket) = self.get(token) {
            socket.input.notice(event);
            if event.is_writable() || event.is_error() {
                self.unblock(token);
            }
            self.queue(token);
        } else if self.lingering.notice(token, event) {
            self.ready.push_back(token);
        }
    }

    /// It is read in its turn, if there is something and it is to be read at all.
    pub fn queue(&mut self, token: Token) {
        let Some(socket) = self.get(token) else { return };
        if socket.input.readable && !socket.paused && !socket.input.queued {
            socket.input.queued = true;
            self.ready.push_back(token);
        }
    }

    pub fn some_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    pub fn next_ready(&mut self) -> Option<Token> {
        let token = self.ready.pop_front()?;
        if let Some(socket) = self.get(token) {
            socket.input.queued = false;
        }
        Some(token)
    }

    /// What is left to write waits until the client takes it, but no longer than `until`.
    pub fn block(&mut self, token: Token, until: Moment, system: &Registry) -> io::Result<()> {
        let Some(socket) = self.get(token) else { return Ok(()) };
        if !std::mem::replace(&mut socket.tells_writable, true) {
            // What it has to say by now is told at once, and again.
            let both = Interest::READABLE | Interest::WRITABLE;
            system.reregister(&mut socket.tcp, mio::Token(token.0 as usize), both)?;
        }
        socket.blocked = Some(until);
        self.blocked.insert((until, token));
        Ok(())
    }

    fn unblock(&mut self, token: Token) {
        if let Some(until) = self.get(token).and_then(|socket| socket.blocked.take()) {
            self.blocked.remove(&(until, token));
            self.writable.push(token);
        }
    }

    /// One whose client has taken nothing for too long.
    pub fn next_slow(&mut self, now: Moment) -> Option<Token> {
        let (until, token) = *self.blocked.first()?;
        if until > now {
            return None;
        }
        self.unblock(token);
        Some(token)
    }

    /// Keeps one that is half-closed until its client closes, too.
    pub fn linger(&mut self, socket: Socket, until: Moment) {
        let Socket { token, tcp, input, seat, .. } = socket;
        if input.readable {
            self.ready.push_back(token);
        }
        self.lingering.add(token, Guest { tcp, input, _seat: seat }, until);
    }

    /// Reads what a client still says whose connection has ended.
    pub fn read_out(&mut self, token: Token, scratch: &mut [u8]) {
        if self.lingering.read_out(token, scratch) {
            self.ready.push_back(token);
        }
    }

    /// When the next one of them has to go that wait for their clients.
    pub fn deadline(&self) -> Option<Moment> {
        let blocked = self.blocked.first().map(|(until, _)| *until);
        [blocked, self.lingering.deadline()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener};
    use std::time::Duration;

    use super::*;

    /// What the system says until `enough` is known of a socket to which `say` was done.
    fn told(say: impl FnOnce(&std::net::TcpStream), enough: fn(&Input) -> bool) -> Input {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let (mut server, mut poll) = (TcpStream::from_std(server), mio::Poll::new().unwrap());
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut server, mio::Token(0), both).unwrap();
        say(&client);
        let (mut events, mut input) = (mio::Events::with_capacity(8), Input::default());
        while !enough(&input) {
            poll.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
            assert!(!events.is_empty(), "nothing was told");
            events.iter().for_each(|event| input.notice(event));
        }
        assert_eq!(server.read(&mut [0; 64]).unwrap(), 3);
        input
    }

    #[test]
    fn a_read_that_leaves_room_has_found_all() {
        let say = |mut client: &std::net::TcpStream| client.write_all(b"abc").unwrap();
        let mut input = told(say, |input| input.readable);
        assert!(!input.ended);
        input.was_read(3, 3);
        assert!(input.readable);
        input.was_read(3, 64);
        assert!(!input.readable);
    }

    /// The end that came with the last bytes is not told again.
    #[test]
    fn behind_the_last_bytes_the_end_is_read() {
        let say = |mut client: &std::net::TcpStream| {
            client.write_all(b"abc").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        let mut input = told(say, |input| input.ended);
        input.was_read(3, 64);
        assert!(input.readable);
    }
}

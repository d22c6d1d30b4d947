//! One connection's bytes. Reading borrows the worker's one buffer, writing happens at once, and
//! what is ready is read once before any of it is read again.

use std::io::{self, Read};
use std::net::Shutdown;

use crate::metrics::Count;
use crate::model::{Reason, SessionKey};
use crate::shard::{Shard, Taken, Token};

use super::greet::Arrival;
use super::layers::Said;
use super::sockets::Socket;
use super::stream::LINGER;
use super::worker::Worker;

/// One read takes this much at most.
pub const SCRATCH_BYTES: usize = 64 * 1024;
/// When so much was read, what came of it is finished before more is read.
const READ_PER_TURN_BYTES_MAX: usize = 1024 * 1024;
/// So often at most is a connection read that another one takes over.
const LAST_READS_COUNT_MAX: usize = 16;

/// What one read said.
struct Opened<'a> {
    said: Said<'a>,
    /// Nothing comes after it.
    said_all: bool,
    has_answer: bool,
}

impl Socket {
    /// As [`super::layers::Layers::open`]; `None` after a panic.
    fn open<'a>(
        &mut self,
        panics: &Count,
        wire: &'a mut [u8],
        plain: &'a mut Vec<u8>,
    ) -> Option<Opened<'a>> {
        let tcp = &self.tcp;
        self.layers.with(panics, move |layers| {
            let said = layers.open(tcp, wire, plain);
            Opened { said, said_all: layers.said_all(), has_answer: layers.has_answer() }
        })
    }

    /// As [`super::layers::Layers::write_all`]; `None` after a panic.
    fn write_all(&mut self, panics: &Count, out: &mut Vec<u8>) -> Option<io::Result<bool>> {
        let tcp = &self.tcp;
        self.layers.with(panics, |layers| layers.write_all(tcp, out))
    }

    /// The client has said all that it will say, or what it says is not understood any more.
    fn said_all(&mut self, panics: &Count) -> bool {
        self.layers.with(panics, |layers| layers.said_all()).unwrap_or(true)
    }

    /// Reads once. `None` at the end, or if the connection is broken; 0 if there is nothing yet.
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let count = match (&self.tcp).read(into) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return None,
        };
        self.input.was_read(count, into.len());
        Some(count)
    }

    /// Gives bytes to the session; keeps what is no whole packet.
    fn feed(&mut self, shard: &mut Shard, data: &[u8]) -> Taken {
        if self.rest.is_empty() {
            let taken = shard.bytes(self.token, data);
            self.rest = data[taken.bytes..].to_vec();
            return taken;
        }
        self.rest.extend_from_slice(data);
        let taken = shard.bytes(self.token, &self.rest);
        self.rest.drain(..taken.bytes);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        taken
    }
}

impl Worker {
    /// A greeted connection moves in: its session first, then its bytes.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let Arrival { stream, hello, peer, rest, seat, counted } = arrival;
        let key = hello.key.clone();
        self.hear_out(&key);
        let token = self.shard.connect(hello, peer);
        // A ban made while this was on its way.
        if self.gate.is_banned(&key, peer.ip()) {
            self.shard.give_up(token, Reason::Banned);
        }
        let socket = Socket::new(token, stream, rest, counted, seat);
        if let Err(error) = self.sockets.add(socket, self.poll.registry()) {
            tracing::error!(%peer, "a connection could not move in: {error}");
            self.shard.lost(token);
        }
    }

    /// What an older connection of this client has said before it is taken over, its DISCONNECT
    /// above all, is not to be lost: a script that publishes and goes comes again at once.
    fn hear_out(&mut self, key: &SessionKey) {
        let Some(token) = self.shard.connected(key) else { return };
        self.hear(token);
        // It may stay, if the new one is late: what was left is seen in its turn.
        if let Some(socket) = self.sockets.get(token) {
            socket.input.readable = true;
            self.sockets.queue(token);
        }
    }

    /// What has come already, within bounds.
    fn hear(&mut self, token: Token) {
        let mut taken = self.feed_rest(token);
        for _ in 0..LAST_READS_COUNT_MAX {
            if taken.is_none_or(|taken| taken.paused) {
                return;
            }
            // That it is broken or has ended is seen when it is read in its turn.
            let Some(socket) = self.sockets.get(token) else { return };
            let Some(count @ 1..) = socket.read(&mut self.scratch) else { return };
            taken = self.take_in(token, count);
        }
    }

    /// Reads each connection once that has something to say. False if some were left out, as too
    /// much waits for others.
    pub(super) fn read_ready(&mut self) -> bool {
        let mut bytes = 0;
        for _ in 0..self.sockets.ready_count() {
            if self.is_held_back() {
                return false;
            }
            let Some(token) = self.sockets.next_ready() else { break };
            bytes += self.read_once(token);
            if bytes >= READ_PER_TURN_BYTES_MAX {
                self.finish_turn();
                // Answers and other workers' copies do not wait for everybody.
                self.take_letters();
                bytes = 0;
            }
        }
        !self.is_held_back()
    }

    /// The number of bytes.
    fn read_once(&mut self, token: Token) -> usize {
        let Some(socket) = self.sockets.get(token) else {
            self.sockets.read_out(token, &mut self.scratch);
            return 0;
        };
        if socket.paused {
            return 0;
        }
        let Some(count) = socket.read(&mut self.scratch) else {
            self.shard.lost(token);
            return 0;
        };
        match self.take_in(token, count) {
            None => self.shard.lost(token),
            Some(taken) if taken.paused => self.pause(token),
            Some(_) => self.sockets.queue(token),
        }
        count
    }

    /// Gives what the last read of a socket has found to its session. `None` if no more may come.
    fn take_in(&mut self, token: Token, count: usize) -> Option<Taken> {
        let socket = self.sockets.get(token)?;
        let (wire, panics) = (&mut self.scratch[..count], &self.gate.metrics.panics);
        let Some(opened) = socket.open(panics, wire, &mut self.plain) else {
            self.plain.clear();
            return None;
        };
        let Opened { said: Said { mqtt, broken }, said_all, has_answer } = opened;
        let taken = socket.feed(&mut self.shard, mqtt);
        self.plain.clear();
        if has_answer {
            self.shard.effects().flush.push(token);
        }
        match broken {
            Ok(()) if said_all && !taken.paused => None,
            Ok(()) => Some(taken),
            Err(words) => {
                self.shard.broke_rule(token, words);
                None
            }
        }
    }

    /// Gives what was kept to the session once more. `None` for a closed socket.
    fn feed_rest(&mut self, token: Token) -> Option<Taken> {
        Some(self.sockets.get(token)?.feed(&mut self.shard, &[]))
    }

    fn pause(&mut self, token: Token) {
        if let Some(socket) = self.sockets.get(token) {
            socket.paused = true;
            self.look_at_again(token);
        }
    }

    /// A paused connection is looked at in each turn, unless it waits for nothing but time, or for
    /// what the store keeps of its session: then the shard says when that is over, and any number
    /// of them costs the others nothing.
    fn look_at_again(&mut self, token: Token) {
        let is_told_of = self.shard.is_throttled(token) || self.shard.is_opening(token);
        if !is_told_of && self.sockets.get(token).is_some() {
            self.sockets.paused.push(token);
        }
    }

    /// Reads on where there is room again.
    pub(super) fn resume_paused(&mut self) {
        let resumed = std::mem::take(&mut self.shard.effects().resumed);
        self.sockets.paused.extend(resumed);
        if self.is_held_back() {
            return;
        }
        for token in std::mem::take(&mut self.sockets.paused) {
            let wanted = self.shard.wants_input(token);
            if wanted && self.feed_rest(token).is_some_and(|taken| !taken.paused) {
                self.resume(token);
                continue;
            }
            self.look_at_again(token);
        }
    }

    /// What the turn did, like writing out answers, may have made room for a paused connection.
    pub(super) fn some_paused_may_go_on(&self) -> bool {
        self.sockets.paused.iter().any(|token| self.shard.wants_input(*token))
    }

    fn resume(&mut self, token: Token) {
        let Some(socket) = self.sockets.get(token) else { return };
        socket.paused = false;
        match socket.said_all(&self.gate.metrics.panics) {
            true => self.shard.lost(token),
            false => self.sockets.queue(token),
        }
    }

    /// Writes whatever waits, once per connection.
    pub(super) fn flush_all(&mut self) {
        let writable = std::mem::take(&mut self.sockets.writable);
        writable.into_iter().for_each(|token| self.flush(token));
        loop {
            let tokens = std::mem::take(&mut self.shard.effects().flush);
            if tokens.is_empty() {
                return;
            }
            tokens.into_iter().for_each(|token| self.flush(token));
        }
    }

    fn flush(&mut self, token: Token) {
        let Some(socket) = self.sockets.get(token).filter(|socket| !socket.is_blocked()) else {
            return;
        };
        let mut out = self.shard.take_out(token);
        match socket.write_all(&self.gate.metrics.panics, &mut out) {
            Some(Ok(true)) => self.shard.drained(token, out),
            Some(Ok(false)) => {
                self.shard.put_back(token, out);
                // The client takes nothing for now.
                let until = self.now.after(self.outbox_wait);
                if self.sockets.block(token, until, self.poll.registry()).is_err() {
                    self.shard.lost(token);
                }
            }
            Some(Err(_)) | None => self.shard.lost(token),
        }
    }

    /// Sockets of connections that have ended: what was flushed is out, the rest is not waited
    /// for. False if there were none.
    pub(super) fn close_all(&mut self) -> bool {
        let closed = std::mem::take(&mut self.shard.effects().closed);
        let some = !closed.is_empty();
        for token in closed {
            self.flush(token);
            let socket = self.sockets.remove(token);
            self.shard.remove(token);
            if let Some(socket) = socket {
                self.leave(socket);
            }
        }
        some
    }

    fn leave(&mut self, mut socket: Socket) {
        socket.counted = None;
        let tcp = &socket.tcp;
        socket.layers.with(&self.gate.metrics.panics, |layers| layers.say_goodbye(tcp));
        // It fails if the client is gone already: nothing is left to do then.
        if tcp.shutdown(Shutdown::Write).is_ok() {
            self.sockets.linger(socket, self.now.after(LINGER));
        }
    }
}

//! One connection's bytes. Reading borrows the worker's one buffer, writing happens at once; an
//! idle connection holds no buffer, no channel and no timer of its own.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::metrics::{Count, Counted};
use crate::model::{Reason, SessionKey};
use crate::shard::{Taken, Token};

use super::admission::Seat;
use super::greet::Arrival;
use super::layers::{Layers, Said};
use super::stream::Parts;
use super::watched::Own;
use super::worker::Worker;

/// One read takes this much at most.
pub const SCRATCH_BYTES: usize = 64 * 1024;
/// So often at most is a connection read that another one takes over.
const LAST_READS_COUNT_MAX: usize = 16;
/// After the last byte the client has this long to close, so that it can read that byte.
const LINGER: Duration = Duration::from_secs(1);

/// A socket beside its session.
struct Socket {
    token: Token,
    write: Rc<OwnedWriteHalf>,
    /// Nothing but this connection is in them (threat N12).
    layers: Own<Layers>,
    /// The beginning of a packet that is not whole yet.
    rest: Vec<u8>,
    /// Not read for now; the reading half waits here.
    paused: Option<OwnedReadHalf>,
    /// A task waits until the client takes more.
    blocked: bool,
    /// Until the session has ended; what lingers counts no more.
    counted: Option<Counted>,
    /// Free again when the socket is closed.
    _seat: Seat,
}

/// All sockets of a worker, at the index of their token.
#[derive(Default)]
pub struct Sockets {
    all: Vec<Option<Box<Socket>>>,
    paused: Vec<Token>,
}

impl Sockets {
    fn get(&mut self, token: Token) -> Option<&mut Socket> {
        let socket = self.all.get_mut(token.index())?.as_deref_mut()?;
        (socket.token == token).then_some(socket)
    }

    fn add(&mut self, socket: Socket) {
        let index = socket.token.index();
        if self.all.len() <= index {
            self.all.resize_with(index + 1, || None);
        }
        self.all[index] = Some(Box::new(socket));
    }

    fn remove(&mut self, token: Token) -> Option<Box<Socket>> {
        self.get(token)?;
        self.all[token.index()].take()
    }
}

/// What one read said.
struct Opened<'a> {
    said: Said<'a>,
    /// Nothing comes after it.
    said_all: bool,
    has_answer: bool,
}

impl Socket {
    /// As [`Layers::open`]; `None` after a panic.
    fn open<'a>(
        &mut self,
        panics: &Count,
        wire: &'a mut [u8],
        plain: &'a mut Vec<u8>,
    ) -> Option<Opened<'a>> {
        let tcp = self.write.as_ref().as_ref();
        self.layers.with(panics, move |layers| {
            let said = layers.open(tcp, wire, plain);
            Opened { said, said_all: layers.said_all(), has_answer: layers.has_answer() }
        })
    }

    /// As [`Layers::write_all`]; `None` after a panic.
    fn write_all(&mut self, panics: &Count, out: &mut Vec<u8>) -> Option<io::Result<bool>> {
        let tcp = self.write.as_ref().as_ref();
        self.layers.with(panics, |layers| layers.write_all(tcp, out))
    }

    /// The client has said all that it will say, or what it says is not understood any more.
    fn said_all(&mut self, panics: &Count) -> bool {
        self.layers.with(panics, |layers| layers.said_all()).unwrap_or(true)
    }
}

enum ReadEnd {
    /// Closed, or not ours any more.
    Over,
    Paused,
}

impl Worker {
    /// A greeted connection moves in: its session first, then its bytes.
    pub(super) fn arrived(self: &Rc<Self>, arrival: Arrival) {
        let Arrival { stream, hello, peer, rest, seat, counted } = arrival;
        let Parts { tcp, layers } = stream;
        let stream = match TcpStream::from_std(tcp) {
            Ok(stream) => stream,
            Err(error) => {
                return tracing::error!(%peer, "a connection could not move in: {error}");
            }
        };
        let (read, write) = stream.into_split();
        let key = hello.key.clone();
        self.hear_out(&key);
        let token = self.with_shard(|shard| shard.connect(hello, peer));
        // A ban made while this was on its way.
        if self.gate.is_banned(&key, peer.ip()) {
            self.with_shard(|shard| shard.give_up(token, Reason::Banned));
        }
        let (write, paused, layers) = (Rc::new(write), None, Own::new(layers));
        let (counted, blocked) = (Some(counted), false);
        let socket = Socket { token, write, layers, rest, paused, blocked, counted, _seat: seat };
        self.sockets.borrow_mut().add(socket);
        self.pause(token, read);
    }

    /// What an older connection of this client has said before it is taken over, its DISCONNECT
    /// above all, is not to be lost: a script that publishes and goes comes again at once.
    fn hear_out(&self, key: &SessionKey) {
        let Some(token) = self.shard.borrow().connected(key) else { return };
        let mut scratch = self.scratch.borrow_mut();
        let mut taken = self.feed_rest(token);
        for _ in 0..LAST_READS_COUNT_MAX {
            if taken.is_none_or(|taken| taken.paused) {
                return;
            }
            let count = self.read_at_once(token, &mut scratch);
            if count == 0 {
                return;
            }
            taken = self.take_in(token, &mut scratch[..count]);
        }
    }

    /// What has come already, without waiting for the runtime to notice it. 0 if that is nothing.
    fn read_at_once(&self, token: Token, into: &mut [u8]) -> usize {
        let mut sockets = self.sockets.borrow_mut();
        let Some(socket) = sockets.get(token) else { return 0 };
        let tcp: &TcpStream = socket.write.as_ref().as_ref();
        // That it is broken or has ended is seen by whoever waits for it.
        (&*socket2::SockRef::from(tcp)).read(into).unwrap_or(0)
    }

    async fn read_loop(self: Rc<Self>, token: Token, mut read: OwnedReadHalf) {
        let panics = &self.gate.metrics.panics;
        if self.sockets.borrow_mut().get(token).is_some_and(|socket| socket.said_all(panics)) {
            self.with_shard(|shard| shard.lost(token));
            return self.end_turn();
        }
        match poll_fn(|context| self.poll_read(token, &mut read, context)).await {
            ReadEnd::Paused => self.pause(token, read),
            ReadEnd::Over => {
                self.with_shard(|shard| shard.lost(token));
                self.end_turn();
            }
        }
    }

    /// Reads while there is something to read; `Pending` waits for the socket.
    fn poll_read(
        self: &Rc<Self>,
        token: Token,
        read: &mut OwnedReadHalf,
        context: &mut std::task::Context<'_>,
    ) -> Poll<ReadEnd> {
        if self.is_held_back() {
            return Poll::Ready(ReadEnd::Paused);
        }
        let mut scratch = self.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        match Pin::new(read).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(ReadEnd::Over),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(ReadEnd::Over),
            Poll::Ready(Ok(())) => {
                let fed = self.take_in(token, buffer.filled_mut());
                self.end_turn();
                match fed {
                    // The socket is closed; whoever lingers on it reads the rest.
                    None => return Poll::Ready(ReadEnd::Over),
                    Some(taken) if taken.paused => return Poll::Ready(ReadEnd::Paused),
                    Some(_) => {}
                }
                // Others get their turn before this socket is read again.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Gives what bytes of the socket say to the session. `None` if no more may come.
    fn take_in(&self, token: Token, wire: &mut [u8]) -> Option<Taken> {
        let mut sockets = self.sockets.borrow_mut();
        let socket = sockets.get(token)?;
        let mut plain = self.plain.borrow_mut();
        let Some(opened) = socket.open(&self.gate.metrics.panics, wire, &mut plain) else {
            plain.clear();
            return None;
        };
        let Opened { said: Said { mqtt, broken }, said_all, has_answer } = opened;
        let taken = self.feed(socket, mqtt);
        plain.clear();
        if has_answer {
            self.shard.borrow_mut().effects().flush.push(token);
        }
        match broken {
            Ok(()) if said_all && !taken.paused => None,
            Ok(()) => Some(taken),
            Err(words) => {
                self.with_shard(|shard| shard.broke_rule(token, words));
                None
            }
        }
    }

    /// Gives bytes to the session; keeps what is no whole packet.
    fn feed(&self, socket: &mut Socket, data: &[u8]) -> Taken {
        let token = socket.token;
        let mut rest = std::mem::take(&mut socket.rest);
        let taken: Taken = if rest.is_empty() {
            let taken = self.with_shard(|shard| shard.bytes(token, data));
            rest = data[taken.bytes..].to_vec();
            taken
        } else {
            rest.extend_from_slice(data);
            let taken = self.with_shard(|shard| shard.bytes(token, &rest));
            rest.drain(..taken.bytes);
            taken
        };
        socket.rest = if rest.is_empty() { Vec::new() } else { rest };
        taken
    }

    /// Gives what was kept to the session once more. `None` for a closed socket.
    fn feed_rest(&self, token: Token) -> Option<Taken> {
        let mut sockets = self.sockets.borrow_mut();
        Some(self.feed(sockets.get(token)?, &[]))
    }

    fn pause(&self, token: Token, read: OwnedReadHalf) {
        let mut sockets = self.sockets.borrow_mut();
        if let Some(socket) = sockets.get(token) {
            socket.paused = Some(read);
            drop(sockets);
            self.look_at_again(token);
            self.end_turn();
        }
    }

    /// A paused connection is looked at in each turn, unless it waits for nothing but time: then
    /// the shard says when that is over, and any number of them costs the others nothing.
    fn look_at_again(&self, token: Token) {
        let mut sockets = self.sockets.borrow_mut();
        if !self.shard.borrow().is_throttled(token) && sockets.get(token).is_some() {
            sockets.paused.push(token);
        }
    }

    /// Reads on where there is room again.
    pub(super) fn resume_paused(self: &Rc<Self>) {
        if self.is_held_back() {
            return;
        }
        let resumed = std::mem::take(&mut self.shard.borrow_mut().effects().resumed);
        let paused = std::mem::take(&mut self.sockets.borrow_mut().paused);
        for token in paused.into_iter().chain(resumed) {
            let wanted = self.shard.borrow().wants_input(token);
            if wanted && self.feed_rest(token).is_some_and(|taken| !taken.paused) {
                self.resume(token);
                continue;
            }
            self.look_at_again(token);
        }
    }

    /// What the turn did, like writing out answers, may have made room for a paused connection.
    pub(super) fn some_paused_may_go_on(&self) -> bool {
        let (sockets, shard) = (self.sockets.borrow(), self.shard.borrow());
        !self.is_held_back() && sockets.paused.iter().any(|token| shard.wants_input(*token))
    }

    fn resume(self: &Rc<Self>, token: Token) {
        let read = self.sockets.borrow_mut().get(token).and_then(|socket| socket.paused.take());
        if let Some(read) = read {
            self.tasks.spawn(self.clone().read_loop(token, read));
        }
    }

    /// Writes whatever waits, once per connection.
    pub(super) fn flush_all(self: &Rc<Self>) {
        loop {
            let tokens = std::mem::take(&mut self.shard.borrow_mut().effects().flush);
            if tokens.is_empty() {
                return;
            }
            tokens.into_iter().for_each(|token| self.flush(token));
        }
    }

    fn flush(self: &Rc<Self>, token: Token) {
        let mut sockets = self.sockets.borrow_mut();
        let Some(socket) = sockets.get(token).filter(|socket| !socket.blocked) else { return };
        let mut out = self.shard.borrow_mut().take_out(token);
        match socket.write_all(&self.gate.metrics.panics, &mut out) {
            Some(Ok(true)) => self.with_shard(|shard| shard.drained(token, out)),
            Some(Ok(false)) => {
                socket.blocked = true;
                let write = socket.write.clone();
                self.shard.borrow_mut().put_back(token, out);
                self.wait_writable(token, write);
            }
            Some(Err(_)) | None => self.with_shard(|shard| shard.lost(token)),
        }
    }

    /// The client takes nothing for now: it has `outbox_wait` to go on.
    fn wait_writable(self: &Rc<Self>, token: Token, write: Rc<OwnedWriteHalf>) {
        let worker = self.clone();
        self.tasks.spawn(async move {
            let waited = tokio::time::timeout(worker.outbox_wait.get(), write.writable()).await;
            if let Some(socket) = worker.sockets.borrow_mut().get(token) {
                socket.blocked = false;
            }
            match waited {
                Ok(_) => worker.flush(token),
                Err(_) => worker.with_shard(|shard| shard.give_up(token, Reason::SlowReader)),
            }
            worker.end_turn();
        });
    }

    /// Sockets of connections that have ended: what was flushed is out, the rest is not waited for.
    pub(super) fn close_all(self: &Rc<Self>) {
        let closed = std::mem::take(&mut self.shard.borrow_mut().effects().closed);
        for token in closed {
            self.flush(token);
            let socket = self.sockets.borrow_mut().remove(token);
            self.shard.borrow_mut().remove(token);
            if let Some(mut socket) = socket {
                socket.counted = None;
                self.lingering.update(|count| count + 1);
                self.tasks.spawn(self.clone().leave(socket));
            }
        }
    }

    /// A lingering socket counts as a connection: it holds a file.
    async fn leave(self: Rc<Self>, mut socket: Box<Socket>) {
        let tcp = socket.write.as_ref().as_ref();
        socket.layers.with(&self.gate.metrics.panics, |layers| layers.say_goodbye(tcp));
        linger(tcp).await;
        drop(socket);
        self.lingering.update(|count| count - 1);
        self.end_turn();
    }
}

/// Half-closes and reads until the client has closed, too: bytes that nobody read would make the
/// system reset the connection, and the client would lose the last packet.
pub(super) async fn linger(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // It fails if the client is gone already: nothing is left to do then.
    if socket.shutdown(std::net::Shutdown::Write).is_ok() {
        _ = tokio::time::timeout(LINGER, read_out(stream)).await;
        _ = socket.shutdown(std::net::Shutdown::Both);
    }
}

async fn read_out(stream: &TcpStream) {
    let mut scratch = [0; 512];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut scratch) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
        tokio::task::consume_budget().await;
    }
}

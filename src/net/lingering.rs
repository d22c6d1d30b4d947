//! Half-closed sockets of connections that have ended, read until their clients have closed, too:
//! bytes that nobody read would make the system reset the connection, and the client would lose the
//! last packet.

use std::collections::{HashMap, VecDeque};
use std::io::Read;

use mio::event::Event;
use mio::net::TcpStream;

use super::admission::Seat;
use super::sockets::Input;
use crate::model::Moment;
use crate::shard::Token;

/// One of them. It counts as a connection: it holds a file.
pub struct Guest {
    pub tcp: TcpStream,
    pub input: Input,
    pub _seat: Seat,
}

#[derive(Default)]
pub struct Lingering {
    all: HashMap<Token, Guest>,
    /// In the order in which they have to go; some have gone by themselves.
    until: VecDeque<(Moment, Token)>,
}

impl Lingering {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// `until` is no earlier than that of those before it.
    pub fn add(&mut self, token: Token, guest: Guest, until: Moment) {
        self.all.insert(token, guest);
        self.until.push_back((until, token));
    }

    /// The system says something about a socket. True if it is to be read.
    pub fn notice(&mut self, token: Token, event: &Event) -> bool {
        let Some(guest) = self.all.get_mut(&token) else { return false };
        let before = std::mem::replace(&mut guest.input.readable, false);
        guest.input.notice(event);
        guest.input.readable && !before
    }

    /// Reads once, and forgets what it reads. True if there may be more.
    pub fn read_out(&mut self, token: Token, scratch: &mut [u8]) -> bool {
        let Some(guest) = self.all.get_mut(&token) else { return false };
        match guest.tcp.read(scratch) {
            Ok(count @ 1..) => guest.input.was_read(count, scratch.len()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                guest.input.was_read(0, scratch.len());
            }
            Ok(0) | Err(_) => {
                self.all.remove(&token);
                return false;
            }
        }
        guest.input.readable
    }

    pub fn deadline(&self) -> Option<Moment> {
        self.until.front().map(|(until, _)| *until)
    }

    /// Closes those whose time is over.
    pub fn end(&mut self, now: Moment) {
        while let Some((_, token)) = self.until.pop_front_if(|(until, _)| *until <= now) {
            self.all.remove(&token);
        }
        if self.all.is_empty() {
            self.until.clear();
        }
    }
}

//! Bytes of one connection: whole packets go to its session, what cannot be one ends it.

use crate::model::{Moment, Reason};
use crate::mqtt::{DecodeError, Packet, decode, reason};
use crate::session::Input;

use super::{Asked, Conn, Live, Shard, Token};

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub bytes: usize,
    /// The session takes no more for now: read no further until [`Shard::wants_input`].
    pub paused: bool,
}

/// Buffers that are kept for connections that write now and then.
const SPARE_BUFFERS_COUNT_MAX: usize = 256;
/// A larger buffer is given back to the system.
const SPARE_BUFFER_BYTES_MAX: usize = 64 * 1024;

impl Conn {
    /// A client that does not take its answers gets no more of them: what it sends next waits.
    fn wants_input(&self, live: &Live) -> bool {
        let room = self.out.len() < live.outbox_bytes_max;
        let behind = self.orders && self.committing > 0;
        let waits = behind || self.asking.is_some() || self.throttled_until().is_some();
        room && !waits && self.session.wants_input(self.committing)
    }
}

impl Shard {
    /// Takes as many whole packets as there are.
    pub fn bytes(&mut self, token: Token, data: &[u8]) -> Taken {
        let mut taken = 0;
        loop {
            let conn = self.conns.get_mut(token.index()).filter(|conn| conn.token == token);
            let Some(conn) = conn.filter(|conn| !conn.is_closing && !conn.session.has_ended())
            else {
                return Taken { bytes: data.len(), paused: false };
            };
            if !conn.wants_input(&self.live) || self.effects.is_full() {
                return Taken { bytes: taken, paused: true };
            }
            let (version, max) = (conn.session.version(), conn.session.packet_bytes_max());
            match decode(&data[taken..], version, max) {
                Ok(None) => return Taken { bytes: taken, paused: false },
                Ok(Some((ref packet, length))) => {
                    conn.orders = conn.committing > 0 && is_about_subscriptions(packet);
                    if conn.orders {
                        return Taken { bytes: taken, paused: true };
                    }
                    taken += length;
                    self.tally.traffic.received(length);
                    let is_publish = matches!(packet, Packet::Publish(_));
                    self.handle(token, Input::Packet(packet));
                    if is_publish {
                        self.meter(token, length);
                    }
                }
                Err(error) => {
                    let words = error.to_string().into();
                    self.handle(token, Input::End(decode_reason(&error), words));
                }
            }
        }
    }

    /// The session takes input again.
    pub fn wants_input(&self, token: Token) -> bool {
        let conn = self.conns.get(token.index()).filter(|conn| conn.token == token);
        !self.effects.is_full() && conn.is_some_and(|conn| conn.wants_input(&self.live))
    }

    /// The store is asked what it keeps for this session: until it answers nothing is read, and
    /// then the session is among the effects' `resumed`.
    pub fn is_opening(&self, token: Token) -> bool {
        let conn = self.conns.get(token.index()).filter(|conn| conn.token == token);
        conn.is_some_and(|conn| conn.asked == Asked::Waiting)
    }

    /// Takes the bytes that wait for this connection.
    pub fn take_out(&mut self, token: Token) -> Vec<u8> {
        let Some(conn) = self.conn(token) else { return Vec::new() };
        conn.flush_asked = false;
        std::mem::take(&mut conn.out)
    }

    /// Gives back what could not be sent yet; what the session wrote since stands behind it.
    pub fn put_back(&mut self, token: Token, mut rest: Vec<u8>) {
        if let Some(conn) = self.conn(token) {
            rest.extend_from_slice(&conn.out);
            conn.out = rest;
            conn.flush_asked = true;
        }
    }

    /// All bytes have left: what waited for room may be written now.
    pub fn drained(&mut self, token: Token, mut buffer: Vec<u8>) {
        buffer.clear();
        keep_spare(&mut self.spare, buffer);
        self.handle(token, Input::Writable);
    }

    /// The network connection is gone.
    pub fn lost(&mut self, token: Token) {
        self.handle(token, Input::Lost);
    }

    /// The server gives this connection up.
    pub fn give_up(&mut self, token: Token, reason: Reason) {
        self.handle(token, Input::End(reason, reason.words().into()));
    }

    /// The client broke a rule of what carries MQTT.
    pub fn broke_rule(&mut self, token: Token, words: String) {
        self.handle(token, Input::End(Reason::ProtocolError, words.into()));
    }

    /// Sets a connection's timer. Its deadlines move to later by themselves, which is seen when
    /// the timer fires; so one entry is enough.
    pub(super) fn arm(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.is_closing || conn.session.has_ended() {
            return self.timers.clear(token.place());
        }
        let deadline = conn.session.deadline();
        let deadline = conn.throttled_until().map_or(deadline, |until| until.min(deadline));
        self.timers.set(token.place(), deadline, self.now);
    }

    /// Fires what is due, or will be within a second. A deadline may have moved meanwhile: the
    /// session sees that by itself, and gives back what memory a burst has left.
    /// `reading` is false while the worker reads from nobody.
    pub fn tick(&mut self, reading: bool) {
        while let Some(place) = self.timers.pop(self.now) {
            let Some(conn) = self.conns.get(place as usize) else { continue };
            let token = conn.token;
            let (live, now) = (self.live.clone(), self.now);
            // What it sent meanwhile is still to be read.
            let resumed = self.ends_throttling(token);
            if let Some(conn) = self.conn(token)
                && (resumed || conn.session.deadline() <= now)
                && (resumed || !(reading && conn.wants_input(&live)))
            {
                conn.session.is_not_read(now);
            }
            self.handle(token, Input::Tick);
            self.arm(token);
        }
    }

    /// When [`Shard::tick`] is due.
    pub fn deadline(&self) -> Option<Moment> {
        self.timers.next()
    }
}

/// What a client published before it subscribes is no message for that subscription, and a retained
/// one is there for it: so this waits for the commit.
fn is_about_subscriptions(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Subscribe(_) | Packet::Unsubscribe(_))
}

/// For the next one that writes, if few such buffers are kept already.
pub(super) fn keep_spare(spare: &mut Vec<Vec<u8>>, buffer: Vec<u8>) {
    if spare.len() < SPARE_BUFFERS_COUNT_MAX && buffer.capacity() <= SPARE_BUFFER_BYTES_MAX {
        spare.push(buffer);
    }
}

fn decode_reason(error: &DecodeError) -> Reason {
    match error.reason() {
        reason::PACKET_TOO_LARGE => Reason::PacketTooLarge,
        reason::PROTOCOL_ERROR => Reason::ProtocolError,
        reason::TOPIC_NAME_INVALID => Reason::TopicInvalid,
        reason::TOPIC_FILTER_INVALID => Reason::FilterInvalid,
        reason::TOPIC_ALIAS_INVALID => Reason::TopicAliasInvalid,
        reason::UNSUPPORTED_PROTOCOL_VERSION => Reason::UnsupportedVersion,
        _ => Reason::Malformed,
    }
}

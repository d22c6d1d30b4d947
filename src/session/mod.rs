//! One client's MQTT state, pure: packets and answers go in ([`Session::handle`]), bytes for the
//! client and [`Request`]s to the broker come out. No socket, no clock, no other session.
//!
//! One file per behaviour: `connect`, `publish` (from the client), `deliver` (to the client; the
//! durable logs in `reader`, what lives in memory only in `live`), `subscribe`, `settle`, `will`,
//! `delayed`, `retained`, `keepalive`, `envelope`, `alias`, `subscription_id`, `end`.

mod ack;
mod alias;
mod code;
mod connect;
mod context;
mod delayed;
mod deliver;
mod end;
mod envelope;
mod keepalive;
mod live;
mod publish;
mod reader;
mod retained;
mod settings;
mod settle;
mod stamped;
mod subscribe;
mod subscription_id;
#[cfg(test)]
mod tests;
mod will;

use std::sync::Arc;
use std::time::Duration;

use crate::model::limit::AWAITING_COUNT_MAX;
use crate::model::{Delivery, Entry, Identity, Message, Moment, Reason, Seq, SessionKey};
use crate::mqtt::{Packet, Version};

pub use connect::{Hello, LoginTime, OpenedSession, refusing_connack};
pub use context::{
    Closing, Ctx, IdSource, LogName, MayReceive, Request, Tally, Ticket, Traffic, Wire,
};
pub use reader::Position;
pub use settings::Settings;
pub use subscribe::{Ask, Granted};
pub use subscription_id::SubscriptionId;
pub use will::Will;

use keepalive::KeepAlive;
use live::Live;
use publish::Publishing;
use reader::Reader;
use retained::Retained;
use settle::Settle;
use subscription_id::SubscriptionIds;

/// What happens to a session.
pub enum Input<'a> {
    /// The client sent a packet.
    Packet(&'a Packet<'a>),
    /// The store told what it keeps for this session.
    Opened(Box<OpenedSession>),
    /// The device is known now and reads from here on.
    Known(Position),
    /// A write that was asked for is committed, or refused in words.
    Answer(Ticket, Answer),
    /// The broker decided about a SUBSCRIBE or UNSUBSCRIBE.
    Granted(Granted),
    /// A record of one of this session's logs was committed.
    Committed(LogName, Entry),
    /// Records that were asked for by [`Request::Read`]; all up to `head` were looked at.
    Read(LogName, Vec<Entry>),
    /// A message for a subscription without durable queue, or live mail of a nameless connection.
    Live(&'a Arc<Message>, Delivery),
    /// A page of retained messages that was asked for by [`Request::ReadRetained`], and the topic
    /// after which the next one begins.
    Retained(Vec<Arc<Message>>, Option<Box<str>>),
    /// Earlier bytes have left; there is room again.
    Writable,
    /// The time that [`Session::deadline`] named has come.
    Tick,
    /// The server ends the connection.
    End(Reason, Box<str>),
    /// The network connection is gone.
    Lost,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// The publisher's own id was known: nothing new was stored.
    Duplicate,
    Refused(Reason, Box<str>),
}

/// Where a connection is in its life (MQTT 5, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// CONNECT was accepted; the store is asked what it keeps.
    Opening,
    Active,
    Ended,
}

/// What this client allows and wants (its CONNECT's properties; the defaults for 3.1.1).
#[derive(Clone, Copy, Debug)]
struct Peer {
    receive_maximum: u16,
    packet_bytes_max: u32,
    topic_alias_maximum: u16,
    hears_session_present: bool,
    wants_reasons: bool,
    wants_response_information: bool,
}

/// What the CONNACK tells this client: it holds as long as the connection, whatever is reloaded.
#[derive(Clone, Copy, Debug)]
struct Promised {
    receive_maximum: u16,
    packet_bytes_max: u32,
    topic_alias_maximum: u16,
    server_keep_alive_secs: Option<u16>,
}

/// One client. See the module's documentation.
pub struct Session {
    key: SessionKey,
    identity: Arc<Identity>,
    version: Version,
    phase: Phase,
    peer: Peer,
    clean_start: bool,
    /// How long the MQTT session outlives the connection; zero for a clean session.
    expiry_secs: u32,
    /// The login is good until then; [`Moment::NEVER`] is without end.
    login_expires: Moment,
    keep_alive: KeepAlive,
    promised: Promised,
    /// Until the settle time is over.
    settle: Option<Box<Settle>>,
    /// The inbox is read out as JSON envelopes.
    envelope: bool,
    /// The client is subscribed to its own inbox, as it is from the start. An envelope comes
    /// instead of the raw message.
    raw: bool,
    /// The server assigned the client id: it goes into the CONNACK of MQTT 5.
    assigned: bool,
    inbox: Option<Box<Reader>>,
    queue: Option<Box<Reader>>,
    live: Option<Box<Live>>,
    publishing: Option<Box<Publishing>>,
    will: Option<Box<Will>>,
    awaiting: Vec<Granted>,
    aliases_in: Option<Box<alias::Inbound>>,
    aliases_out: Option<Box<alias::Outbound>>,
    subscription_ids: Option<Box<SubscriptionIds>>,
    retained: Option<Box<Retained>>,
}

impl Session {
    /// Takes one input; bytes and requests are left in `ctx`.
    pub fn handle(&mut self, input: Input<'_>, ctx: &mut Ctx<'_>) {
        if self.phase == Phase::Ended {
            return;
        }
        match input {
            Input::Packet(packet) => self.packet(packet, ctx),
            Input::Opened(opened) => self.opened(*opened, ctx),
            Input::Known(position) => self.known(position, ctx),
            Input::Answer(ticket, answer) => self.answer(ticket, answer, ctx),
            Input::Granted(granted) => self.granted(granted, ctx),
            Input::Committed(log, entry) => self.committed(log, entry, ctx),
            Input::Read(log, entries) => self.read(log, entries, ctx),
            Input::Live(message, delivery) => self.live(message, delivery, ctx),
            Input::Retained(messages, next) => self.retained_page(messages, next, ctx),
            Input::Writable => self.deliver(ctx),
            Input::Tick => self.tick(ctx),
            Input::End(reason, words) => self.end(reason, words, ctx),
            Input::Lost => self.lost(ctx),
        }
    }

    /// The table of what a client may send once it is connected (threat W3): everything else ends
    /// the connection.
    fn packet(&mut self, packet: &Packet<'_>, ctx: &mut Ctx<'_>) {
        self.keep_alive.heard(ctx.now);
        match *packet {
            Packet::Publish(ref publish) => self.publish(publish, ctx),
            Packet::PubAck(ack) => self.puback(ack, ctx),
            Packet::PubRec(ack) => self.pubrec(ack, ctx),
            Packet::PubRel(ack) => self.pubrel(ack, ctx),
            Packet::PubComp(ack) => self.pubcomp(ack, ctx),
            Packet::Subscribe(subscribe) => self.subscribe(subscribe, ctx),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe, ctx),
            Packet::PingReq => self.ping(ctx),
            Packet::Disconnect(disconnect) => self.disconnect(disconnect, ctx),
            Packet::Connect(_) => self.end(
                Reason::ProtocolError,
                "a second CONNECT on one connection [MQTT-3.1.0-2]".into(),
                ctx,
            ),
            Packet::Auth(_) => self.end(
                Reason::ProtocolError,
                "AUTH without an authentication method in CONNECT".into(),
                ctx,
            ),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                self.end(Reason::ProtocolError, "a packet that only servers send".into(), ctx);
            }
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, ctx: &mut Ctx<'_>) {
        match ticket {
            Ticket::Publish(number) => self.publish_answered(number, answer, ctx),
            Ticket::Release(packet_id) => self.released(packet_id, answer, ctx),
            Ticket::Receive(seq) => self.received(seq, answer, ctx),
            Ticket::Filters(packet_id) => self.filters_stored(packet_id, answer, ctx),
            Ticket::Retained => self.retained_queued(answer, ctx),
            Ticket::Open | Ticket::Know => {
                if let Answer::Refused(reason, words) = answer {
                    self.end(reason, words, ctx);
                }
            }
        }
    }

    fn tick(&mut self, ctx: &mut Ctx<'_>) {
        if self.keep_alive.is_over(ctx.now) {
            return self.end(Reason::KeepAlive, Reason::KeepAlive.words().into(), ctx);
        }
        if self.login_is_over(ctx.now) {
            return self.end_login(ctx);
        }
        self.settle_tick(ctx);
        self.shrink();
    }

    /// The client's socket is not read for now, so its silence says nothing.
    pub fn is_not_read(&mut self, now: Moment) {
        self.keep_alive.heard(now);
    }

    /// When the client's last packet came.
    pub fn heard_at(&self) -> Moment {
        self.keep_alive.heard_at()
    }

    /// When [`Input::Tick`] is due at the latest.
    pub fn deadline(&self) -> Moment {
        let settle = self.settle.as_ref().map_or(Moment::NEVER, |settle| settle.deadline());
        self.keep_alive.deadline().min(self.login_expires).min(settle)
    }

    /// False while too much of this client's requests is unanswered: the socket is not read then,
    /// so the client's own TCP holds it back. `committing` counts its publishes that wait for their
    /// commit, those with QoS 0 too.
    pub fn wants_input(&self, committing: u32) -> bool {
        let max = usize::from(self.promised.receive_maximum);
        self.phase == Phase::Active
            && self.awaiting.len() < AWAITING_COUNT_MAX
            && (committing as usize) < max
            && self.publishing.as_ref().is_none_or(|publishing| publishing.has_room(max))
    }

    /// The largest packet that this client may send.
    pub fn packet_bytes_max(&self) -> u32 {
        self.promised.packet_bytes_max
    }

    pub fn key(&self) -> &SessionKey {
        &self.key
    }

    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// When the login ends, if it does.
    pub fn login_expires(&self) -> Option<Moment> {
        (self.login_expires < Moment::NEVER).then_some(self.login_expires)
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// A connection with an empty client id is no device, nor one without a login.
    pub fn is_device(&self) -> bool {
        self.is_named() && !self.key.uid.is_anonymous()
    }

    /// The client has chosen its client id.
    fn is_named(&self) -> bool {
        !self.key.client_id.is_empty() && !self.assigned
    }

    /// The client can come back as the same: what it left half done is worth storing.
    pub fn can_return(&self) -> bool {
        self.is_named() || self.is_durable()
    }

    /// The MQTT session outlives the connection.
    pub fn is_durable(&self) -> bool {
        self.expiry_secs > 0
    }

    pub fn expiry(&self) -> Duration {
        Duration::from_secs(self.expiry_secs.into())
    }

    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn seq_of(&self, packet_id: u16) -> Option<(LogName, Seq)> {
        let log = LogName::of_packet_id(packet_id);
        let reader = match log {
            LogName::Inbox => self.inbox.as_deref(),
            LogName::Queue => self.queue.as_deref(),
        };
        reader?.seq_of(packet_id).map(|seq| (log, seq))
    }
}

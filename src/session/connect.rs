//! CONNECT to CONNACK: what the client asked for, what it gets, and the resume of what is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    ClientId, Identity, InboxPattern, Moment, Reason, Selector, Sender, SenderState, SessionKey,
    Stamp,
};
use crate::mqtt::{self, ConnAck, Connect, Packet, Property, Version, encode_within};

use super::code::{in_connack, put_words};
use super::keepalive::KeepAlive;
use super::publish::{Publishing, is_payload_as_announced};
use super::reader::{Position, Reader};
use super::subscription_id::SubscriptionIds;
use super::will::Will;
use super::{Ctx, LogName, Peer, Phase, Promised, Session, Settings};

/// An accepted CONNECT of a known identity; owned, so that it can move between threads.
#[derive(Debug)]
pub struct Hello {
    pub key: SessionKey,
    pub identity: Arc<Identity>,
    pub clean_start: bool,
    /// The client sent an empty client id; the one in `key` is the server's. A user's client of
    /// MQTT 3.1.1 stays without.
    pub assigned: bool,
    /// When its login was asked about: what changed since is not in `identity`.
    pub asked_at: Moment,
    version: Version,
    keep_alive_secs: u16,
    expiry: Duration,
    peer: Peer,
    pub will: Option<Will>,
    /// How long the login is valid from the CONNECT on; `None` is without end.
    login_left: Option<Duration>,
}

/// When a login was decided, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct LoginTime {
    /// It was asked about then.
    pub asked_at: Moment,
    /// Its expiry is judged by this.
    pub wall: Stamp,
}

/// What the store keeps for a session that connects.
#[derive(Debug, Default)]
pub struct OpenedSession {
    pub state: SenderState,
    /// Set for a device that is known.
    pub inbox: Option<Position>,
    /// Set for a durable session that has not expired; the position is its queue's.
    pub queue: Option<Position>,
    /// A durable session was there before this connection.
    pub session_present: bool,
    /// It had subscribed to its inbox as envelopes.
    pub envelope: bool,
    /// Its subscriptions that have an identifier.
    pub subscription_ids: Vec<(Selector, u32)>,
}

impl Hello {
    pub fn version(&self) -> Version {
        self.version
    }

    /// MQTT 3.1 knows no session present: the byte is reserved there.
    pub fn speaks_v31(&mut self) {
        self.peer.hears_session_present = false;
    }

    /// `assign` makes a client id where the client left it to the server.
    pub fn new(
        connect: &Connect<'_>,
        mut identity: Identity,
        login: LoginTime,
        settings: &Settings,
        assign: impl FnOnce() -> String,
    ) -> Result<Hello, (Reason, String)> {
        let v311 = connect.version == Version::V311;
        if connect.client_id.is_empty() && v311 && !connect.clean_start {
            let words = "an empty client id needs a clean session [MQTT-3.1.3-7]";
            return Err((Reason::ClientIdInvalid, words.into()));
        }
        let named = v311 && !identity.uid.is_anonymous();
        let assigned = connect.client_id.is_empty() && !named;
        let assigned_text = if assigned { assign() } else { String::new() };
        let text = if assigned { &assigned_text } else { connect.client_id };
        let client_id =
            ClientId::parse(text).map_err(|error| (Reason::ClientIdInvalid, error.to_string()))?;
        let key = SessionKey { uid: identity.uid.clone(), client_id };
        identity.client_id = key.client_id.clone();
        Ok(Hello {
            login_left: identity.expires_at.map(|at| login.wall.until(at)),
            will: will(connect, &key, &settings.topics)?,
            identity: Arc::new(identity),
            clean_start: connect.clean_start,
            assigned,
            asked_at: login.asked_at,
            version: connect.version,
            keep_alive_secs: connect.keep_alive_secs,
            expiry: expiry(connect, settings.session_expiry_max),
            peer: peer(connect),
            key,
        })
    }
}

fn will(
    connect: &Connect<'_>,
    key: &SessionKey,
    topics: &InboxPattern,
) -> Result<Option<Will>, (Reason, String)> {
    let Some(will) = &connect.will else { return Ok(None) };
    let target = topics
        .target(will.topic)
        .map_err(|error| (error.reason(), format!("the will's topic: {error}")))?;
    if !is_payload_as_announced(will.properties, will.payload) {
        let words = "the will: its payload is announced as UTF-8 text and is none";
        return Err((Reason::PayloadInvalid, words.into()));
    }
    let from = Sender { uid: key.uid.clone(), client_id: key.client_id.clone() };
    Ok(Some(Will::new(will, target, from)))
}

/// 3.1.1 without clean session means "for ever", which is as long as the server keeps any.
fn expiry(connect: &Connect<'_>, max: Duration) -> Duration {
    match connect.version {
        Version::V5 => {
            let secs = connect.properties.session_expiry_secs().unwrap_or(0);
            Duration::from_secs(secs.into()).min(max)
        }
        _ if connect.clean_start => Duration::ZERO,
        _ => max,
    }
}

/// Nothing is rounded to zero, which would be a clean session.
pub(super) fn whole_secs(time: Duration) -> u32 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u32::MAX)
}

fn peer(connect: &Connect<'_>) -> Peer {
    let properties = connect.properties;
    Peer {
        receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
        packet_bytes_max: properties.maximum_packet_size().unwrap_or(u32::MAX),
        topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
        hears_session_present: true,
        wants_reasons: properties.request_problem_information().unwrap_or(true),
        wants_response_information: properties.request_response_information().unwrap_or(false),
    }
}

impl Session {
    /// From here on the login's expiry is a moment: setting the wall clock does not change it
    /// (threat N1).
    pub fn new(hello: Hello, settings: &Settings, now: Moment) -> Session {
        let max = settings.keep_alive_max;
        let keep_alive = KeepAlive::new(hello.keep_alive_secs, hello.version, max, now);
        let promised = Promised {
            receive_maximum: settings.receive_maximum,
            packet_bytes_max: settings.packet_bytes_max,
            topic_alias_maximum: settings.topic_alias_maximum,
            server_keep_alive_secs: KeepAlive::server_keep_alive(hello.keep_alive_secs, max),
        };
        Session {
            key: hello.key,
            login_expires: hello.login_left.map_or(Moment::NEVER, |left| now.after(left)),
            identity: hello.identity,
            version: hello.version,
            phase: Phase::Opening,
            peer: hello.peer,
            clean_start: hello.clean_start,
            expiry_secs: whole_secs(hello.expiry),
            keep_alive,
            promised,
            settle: None,
            envelope: false,
            raw: true,
            assigned: hello.assigned,
            inbox: None,
            queue: None,
            live: None,
            publishing: None,
            will: hello.will.map(Box::new),
            awaiting: Vec::new(),
            aliases_in: None,
            aliases_out: None,
            subscription_ids: None,
            retained: None,
        }
    }

    /// The store's answer: CONNACK, then what waits.
    pub(super) fn opened(&mut self, opened: OpenedSession, ctx: &mut Ctx<'_>) {
        if self.login_is_over(ctx.now) {
            return self.end_login(ctx);
        }
        let present = opened.session_present && !self.clean_start;
        if !self.write_connack(present && self.peer.hears_session_present, ctx) {
            let max = self.peer.packet_bytes_max;
            let words = format!("CONNACK does not fit into the {max} bytes that the client takes");
            return self.end(Reason::PacketTooLarge, words.into(), ctx);
        }
        self.phase = Phase::Active;
        self.keep_alive.heard(ctx.now);
        let received = opened.state.received.clone();
        self.publishing = Publishing::resume(opened.state);
        self.envelope = opened.envelope;
        self.subscription_ids = SubscriptionIds::resume(opened.subscription_ids);
        let reader = |log, position| Box::new(Reader::new(log, position));
        self.inbox = opened.inbox.map(|position| reader(LogName::Inbox, position));
        self.queue =
            opened.queue.map(|position| reader(LogName::Queue, Position { received, ..position }));
        self.settle_begin(ctx);
        self.deliver(ctx);
    }

    /// False if it is larger than the client takes [MQTT-3.1.2-24].
    #[must_use]
    fn write_connack(&mut self, session_present: bool, ctx: &mut Ctx<'_>) -> bool {
        ctx.properties.clear();
        if self.version == Version::V5 {
            self.connack_properties(ctx);
        }
        let properties = ctx.properties.as_properties();
        let packet = Packet::ConnAck(ConnAck { session_present, code: 0, properties });
        ctx.wire.write_within(&packet, self.version, self.peer.packet_bytes_max)
    }

    /// What the server's limits are and what it does not have (MQTT 5, section 3.2.2.3).
    fn connack_properties(&self, ctx: &mut Ctx<'_>) {
        let properties = &mut *ctx.properties;
        if self.is_durable() {
            properties.push(Property::SessionExpiryInterval(self.expiry_secs));
        }
        properties.push(Property::ReceiveMaximum(self.promised.receive_maximum));
        properties.push(Property::MaximumPacketSize(self.promised.packet_bytes_max));
        if self.assigned {
            properties.push(Property::AssignedClientIdentifier(self.key.client_id.as_str()));
        }
        properties.push(Property::SharedSubscriptionAvailable(true));
        if self.promised.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(self.promised.topic_alias_maximum));
        }
        if let Some(secs) = self.promised.server_keep_alive_secs {
            properties.push(Property::ServerKeepAlive(secs));
        }
        if self.peer.wants_response_information && !self.key.uid.is_anonymous() {
            // A reply to the own inbox reaches every device, also one that is away.
            let inbox = ctx.settings.topics.topic(&self.key.uid);
            properties.push(Property::ResponseInformation(&inbox));
        }
    }
}

/// A CONNACK that refuses, for a connection that never becomes a session; nothing, if the client
/// takes no packet of that size.
pub fn refusing_connack(
    version: Version,
    packet_bytes_max: u32,
    reason: Reason,
    words: &str,
    out: &mut Vec<u8>,
) {
    let mut properties = mqtt::PropertyBuffer::new();
    let code = in_connack(version, reason);
    if version == Version::V5 {
        put_words(words, packet_bytes_max, &mut properties);
    }
    let properties = properties.as_properties();
    let packet = Packet::ConnAck(ConnAck { session_present: false, code, properties });
    // Without room for it, the connection ends without words.
    let _ = encode_within(&packet, version, packet_bytes_max as usize, out);
}

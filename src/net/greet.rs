//! From an accepted socket to a known user: one whole CONNECT within the time and size allowed,
//! the authenticator's answer, then over to the worker that owns the user.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::auth::{
    AuthError, Authenticator, BanBook, Certificate, Credentials, Directory, Guard, source_of,
};
use crate::broker::Action;
use crate::broker::policy::Denial;
use crate::clock::Clock;
use crate::log;
use crate::metrics::{Counted, Metrics, Protocol, Refused};
use crate::model::limit::{CLIENT_ID_BYTES_MAX, PACKET_BEFORE_LOGIN_BYTES_MAX, UID_BYTES_MAX};
use crate::model::{ClientId, Identity, Moment, Reason, SessionKey, Uid};
use crate::mqtt::{Connect, Version, decode_connect, is_connect_v31, reason};
use crate::session::{Hello, LoginTime, refusing_connack};
use crate::shard::{Live, worker_of_session};
use crate::sys::Board;

use super::admission::{Admission, Seat, Turn};
use super::door::{Door, Opened};
use super::flapper::Banning;
use super::listen::Reception;
use super::stream::{Parts, Stream};
use super::tcp::Tcp;
use super::worker::Mail;

/// Most CONNECTs fit into it, and are read at once.
const CONNECT_BYTES: usize = 512;
/// How a TLS client begins (RFC 8446, section 5.1): a handshake record, version 3.x.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
/// A refusal that the client does not take in this time is not heard.
const TELL_WAIT: Duration = Duration::from_secs(5);

/// How soon the next one looks whether those who were sent away are gone.
const LEAVE_WAIT: Duration = Duration::from_millis(1);

/// What stands before the workers, shared by all of them.
pub struct Gate {
    pub guard: Arc<Guard>,
    pub directory: Arc<Directory>,
    /// The same that the shards have; a change reaches both.
    pub live: ArcSwap<Live>,
    pub bans: Arc<BanBook>,
    pub banning: Banning,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub admission: Arc<Admission>,
    /// Number for the client ids that the server assigns, behind a random start.
    pub assigned: AtomicU64,
    /// What is told under `$SYS`.
    pub board: Arc<Board>,
    /// Whether anybody is let in.
    pub opened: watch::Sender<bool>,
    /// Nobody is let in any more.
    pub draining: watch::Sender<bool>,
    /// Workers that have let go of their last connection.
    pub drained: AtomicUsize,
}

impl Gate {
    pub(super) async fn until_open(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        _ = self.opened.subscribe().wait_for(|opened| *opened).await;
    }

    pub(super) async fn until_drained(&self) {
        _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// A place for a connection, if there is one. It waits for others that are being sent away.
    pub(super) async fn enter(&self, peer: SocketAddr) -> Option<Seat> {
        while !*self.draining.borrow() {
            match Seat::take(&self.admission) {
                Ok(Some(seat)) => {
                    self.metrics.connections_opened.inc();
                    return Some(seat);
                }
                Ok(None) => tokio::time::sleep(LEAVE_WAIT).await,
                Err(why) => {
                    self.admission.count_refused(peer, why);
                    return None;
                }
            }
        }
        None
    }

    pub(super) fn is_banned(&self, key: &SessionKey, ip: IpAddr) -> bool {
        let bans = self.bans.now();
        !bans.is_empty() && bans.hits(key, ip, self.clock.stamp())
    }

    /// Nothing is read from a banned address, and nothing said to it.
    fn is_address_banned(&self, ip: IpAddr) -> bool {
        let bans = self.bans.now();
        if bans.is_empty() {
            return false;
        }
        let ban = bans.of_address(ip, self.clock.stamp());
        if let Some(ban) = ban {
            tracing::debug!(%ip, "refused: {} is banned", ban.target);
            self.metrics.connects_refused(Reason::Banned).inc();
        }
        ban.is_some()
    }

    fn assign_client_id(&self) -> String {
        let number = self.assigned.fetch_add(1, Ordering::Relaxed);
        format!("homing-{number:016x}")
    }
}

/// A greeted connection on its way to its worker.
pub struct Arrival {
    pub stream: Parts,
    pub hello: Hello,
    pub peer: SocketAddr,
    /// Bytes that came behind the CONNECT.
    pub rest: Vec<u8>,
    pub seat: Seat,
    pub counted: Counted,
}

/// Why nobody comes in: what the client hears, if it speaks MQTT, and the log.
struct Refusal {
    version: Option<Version>,
    /// The largest packet that the client takes.
    packet_bytes_max: u32,
    reason: Reason,
    words: String,
    /// Who it said it was.
    uid: String,
    client_id: String,
}

/// Why a login leads nowhere.
enum NotIn {
    Refused(Refusal),
    /// Nobody is there any more, and all that was said is the CONNECT.
    Gone,
}

impl From<Refusal> for NotIn {
    fn from(refusal: Refusal) -> NotIn {
        NotIn::Refused(refusal)
    }
}

/// Somebody who came through a door.
struct Guest {
    peer: SocketAddr,
    listener: &'static str,
    certificate: Option<Certificate>,
}

/// A guest with all that was read: up to the end of its CONNECT, or until it was refused.
struct Heard {
    stream: Stream,
    guest: Guest,
    bytes: Vec<u8>,
    connect: Result<usize, Refusal>,
}

/// A guest whose login was accepted, with what came behind its CONNECT.
struct Known {
    stream: Stream,
    guest: Guest,
    hello: Hello,
    rest: Vec<u8>,
}

/// To the worker of its user, or to its end.
pub async fn greet(reception: &Reception, door: &Door, tcp: Tcp, from: SocketAddr, mut seat: Seat) {
    let told_to_go = seat.told_to_go();
    let known = tokio::select! {
        // What it has said already comes first.
        biased;
        known = meet(reception, door, tcp, from, &mut seat) => known,
        () = told_to_go => {
            return reception.gate.admission.count_refused(from, Refused::Unauthenticated);
        }
    };
    if let Some(known) = known {
        seat.logged_in();
        hand_over(reception, known, seat);
    }
}

/// `None` if the connection is over.
async fn meet(
    reception: &Reception,
    door: &Door,
    tcp: Tcp,
    from: SocketAddr,
    seat: &mut Seat,
) -> Option<Known> {
    let gate = &reception.gate;
    let Heard { stream, guest, bytes, connect } = hear(reception, door, tcp, from, seat).await?;
    seat.asks();
    let hello = match connect {
        Ok(length) => {
            let hello = introduce(gate, &guest, &stream, &bytes, length).await;
            hello.map(|hello| (hello, bytes[length..].to_vec()))
        }
        Err(refusal) => Err(NotIn::Refused(refusal)),
    };
    match hello {
        Ok((hello, rest)) => return Some(Known { stream, guest, hello, rest }),
        Err(NotIn::Refused(refusal)) => {
            // Boxed, as it is seldom: a future has room for all of its branches.
            Box::pin(refuse(gate, stream, guest.peer, refusal)).await;
        }
        Err(NotIn::Gone) => {
            tracing::debug!(peer = %guest.peer, "gone before its login was decided");
        }
    }
    None
}

/// Who is calling, then TLS, then WebSocket, then the CONNECT, all in one time. `None` if the
/// connection is over.
async fn hear(
    reception: &Reception,
    door: &Door,
    mut tcp: Tcp,
    from: SocketAddr,
    seat: &mut Seat,
) -> Option<Heard> {
    let gate = &reception.gate;
    let since = gate.clock.moment();
    let connect_wait = gate.admission.limits.load().connect_wait;
    let left = || connect_wait.saturating_sub(gate.clock.moment().since(since));
    let peer = door.caller(&mut tcp, from, left()).await?;
    if gate.is_address_banned(peer.ip()) {
        return None;
    }
    seat.comes_from(peer.ip()).map_err(|why| gate.admission.count_refused(peer, why)).ok()?;
    let Opened { stream, certificate } = door.open(tcp, peer, left()).await?;
    let guest = Guest { peer, listener: door.listener, certificate };
    let mut bytes = Vec::with_capacity(CONNECT_BYTES);
    let mut stream = door.upgrade(stream, &mut bytes, peer, left()).await?;
    let reading = read_connect(&mut stream, &mut bytes);
    let connect = match tokio::time::timeout(left(), reading).await {
        Ok(Ok(Some(length))) => Ok(length),
        Ok(Ok(None)) => {
            if stream.is_websocket() {
                Box::pin(stream.finish()).await;
            }
            return None;
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            let reason = Reason::TooSlowToConnect;
            Err(Refusal::unknown(None, reason, reason.words().into()))
        }
    };
    // It may have to wait for its turn.
    bytes.shrink_to_fit();
    Some(Heard { stream, guest, bytes, connect })
}

/// Logs the guest in, by the first `length` bytes of what it said.
async fn introduce(
    gate: &Gate,
    guest: &Guest,
    stream: &Stream,
    bytes: &[u8],
    length: usize,
) -> Result<Hello, NotIn> {
    let malformed = || Refusal::unknown(None, Reason::Malformed, "no CONNECT".into());
    let decoded = decode_connect(bytes, PACKET_BEFORE_LOGIN_BYTES_MAX).ok().flatten();
    let (connect, _) = decoded.ok_or_else(malformed)?;
    let v31 = is_connect_v31(bytes, PACKET_BEFORE_LOGIN_BYTES_MAX);
    if v31 && connect.client_id.is_empty() {
        let words = "MQTT 3.1 needs a client id: give one, or speak 3.1.1".into();
        return Err(Refusal::unknown(Some(connect.version), Reason::ClientIdInvalid, words).into());
    }
    let asked_at = gate.clock.moment();
    // Nobody gives up in the time in which most logins are decided.
    let took_time = || gate.clock.moment() > asked_at;
    let is_gone = || bytes.len() == length && took_time() && stream.is_over();
    let mut hello = login(gate, &connect, guest, (bytes.len(), asked_at), is_gone).await?;
    if v31 {
        hello.speaks_v31();
    }
    // Its login may have taken longer than it waited.
    if is_gone() { Err(NotIn::Gone) } else { Ok(hello) }
}

fn hand_over(reception: &Reception, known: Known, seat: Seat) {
    let Known { stream, guest, hello, mut rest } = known;
    match stream.into_parts(&mut rest) {
        Ok(stream) => {
            let owner = worker_of_session(&hello.key, reception.mailboxes.len() as u16);
            let (peer, metrics) = (guest.peer, &reception.gate.metrics);
            let counted = metrics.connections.count(guest.listener, protocol(hello.version()));
            metrics.connects_accepted().inc();
            let arrival = Arrival { stream, hello, peer, rest, seat, counted };
            reception.mailboxes[usize::from(owner)].post([Mail::Connect(Box::new(arrival))]);
        }
        Err(error) => {
            let peer = guest.peer;
            tracing::error!(%peer, "a connection could not be handed over: {error}");
        }
    }
}

fn protocol(version: Version) -> Protocol {
    match version {
        Version::V311 => Protocol::V311,
        Version::V5 => Protocol::V5,
    }
}

/// Reads until the CONNECT is whole; its length. More may have come behind it.
async fn read_connect(stream: &mut Stream, buffer: &mut Vec<u8>) -> Result<Option<usize>, Refusal> {
    loop {
        match decode_connect(buffer, PACKET_BEFORE_LOGIN_BYTES_MAX) {
            Ok(Some((_, length))) => return Ok(Some(length)),
            Ok(None) => {}
            Err(error) => {
                let (version, reason) = match error.reason() {
                    reason::UNSUPPORTED_PROTOCOL_VERSION => {
                        (Some(Version::V311), Reason::UnsupportedVersion)
                    }
                    reason::PACKET_TOO_LARGE => (None, Reason::PacketTooLarge),
                    reason::PROTOCOL_ERROR => (None, Reason::ProtocolError),
                    _ => (None, Reason::Malformed),
                };
                let words = match buffer.starts_with(&TLS_HANDSHAKE) {
                    true => "this is TLS, and the port is without: use one of listen.mqtts".into(),
                    false => error.to_string(),
                };
                return Err(Refusal::unknown(version, reason, words));
            }
        }
        match stream.hear(buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                let refusal = |violation| {
                    let words = format!("WebSocket: {violation}");
                    Refusal::unknown(None, Reason::ProtocolError, words)
                };
                return stream.violation().map_or(Ok(None), |violation| Err(refusal(violation)));
            }
        }
    }
}

async fn login(
    gate: &Gate,
    connect: &Connect<'_>,
    guest: &Guest,
    (bytes, asked_at): (usize, Moment),
    is_gone: impl Fn() -> bool,
) -> Result<Hello, NotIn> {
    let refusal = |reason: Reason, words: String| Refusal {
        version: Some(connect.version),
        packet_bytes_max: connect.properties.maximum_packet_size().unwrap_or(u32::MAX),
        reason,
        words,
        uid: connect.username.unwrap_or_default().into(),
        client_id: connect.client_id.into(),
    };
    let client_id = ClientId::parse(connect.client_id)
        .map_err(|error| refusal(Reason::ClientIdInvalid, error.to_string()))?;
    if connect.properties.authentication_method().is_some() {
        let words = "no extended authentication is served".to_string();
        return Err(refusal(Reason::BadAuthenticationMethod, words).into());
    }
    let credentials = Credentials {
        uid: connect.username,
        client_id: &client_id,
        password: connect.password,
        peer: guest.peer,
        listener: guest.listener,
        certificate: guest.certificate.as_ref(),
        witness: None,
    };
    let turn = turn(gate, &credentials, bytes).await;
    let turn = turn.map_err(|(reason, words)| refusal(reason, words))?;
    if is_gone() {
        return Err(NotIn::Gone);
    }
    let identity = identify(gate, credentials).await;
    let identity = identity.map_err(|error| refusal(error.reason(), error.to_string()))?;
    drop(turn);
    let wall = gate.clock.wall();
    if identity.expires_at.is_some_and(|at| at <= wall) {
        return Err(refusal(Reason::LoginExpired, AuthError::Expired.to_string()).into());
    }
    let live = gate.live.load();
    let asked = LoginTime { asked_at, wall };
    let hello = Hello::new(connect, identity, asked, &live.settings, || gate.assign_client_id())
        .map_err(|(reason, words)| refusal(reason, words))?;
    may_leave_will(&live, &hello)
        .map_err(|(reason, words)| refusal(reason, format!("the will: {words}")))?;
    gate.ban_flapper(gate.admission.device_connects(&hello.key));
    Ok(hello)
}

/// Whoever says nothing of itself is asked nothing, where that is allowed. Some clients say it with
/// an empty user name.
async fn identify(gate: &Gate, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
    let Credentials { uid, password, certificate, .. } = credentials;
    let says_nothing = uid.is_none_or(str::is_empty)
        && password.is_none_or(<[u8]>::is_empty)
        && certificate.is_none();
    if !says_nothing || !gate.live.load().anonymous {
        return gate.guard.authenticate(credentials).await;
    }
    gate.guard.not_banned(&Uid::anonymous(), credentials.client_id)?;
    Ok(Identity::anonymous())
}

/// A will is asked about when it is left, and again when it is sent.
fn may_leave_will(live: &Live, hello: &Hello) -> Result<(), Denial> {
    let action = hello.will.as_ref().map(|will| Action::Publish(&will.target));
    action.map_or(Ok(()), |action| live.policy.may(&hello.identity, action))
}

/// Waits until this login may be checked. Those who would be refused anyhow take nobody's turn.
async fn turn<'a>(
    gate: &'a Gate,
    credentials: &Credentials<'_>,
    bytes: usize,
) -> Result<Turn<'a>, (Reason, String)> {
    let source = source_of(credentials.peer.ip());
    gate.ban_flapper(gate.admission.address_connects(source));
    let may_ask = gate.guard.may_ask(credentials);
    may_ask.map_err(|error| (error.reason(), error.to_string()))?;
    gate.admission.turn(source, bytes).await.map_err(|busy| (Reason::Busy, busy.words()))
}

impl Refusal {
    fn unknown(version: Option<Version>, reason: Reason, words: String) -> Refusal {
        let (uid, client_id) = (String::new(), String::new());
        Refusal { version, packet_bytes_max: u32::MAX, reason, words, uid, client_id }
    }
}

/// One log line; a CONNACK where the peer got so far as to name its version.
async fn refuse(gate: &Gate, mut stream: Stream, peer: SocketAddr, refusal: Refusal) {
    let Refusal { version, packet_bytes_max, reason, words, uid, client_id } = refusal;
    let name = reason.name();
    if let Some(left_out) = gate.admission.tells(reason) {
        let uid = log::cut(&uid, UID_BYTES_MAX);
        let client = log::cut(&client_id, CLIENT_ID_BYTES_MAX);
        tracing::warn!(uid, client, %peer, reason = name, left_out, "connection refused: {words}");
    }
    gate.metrics.connects_refused(reason).inc();
    if version.is_none() && !stream.is_websocket() {
        return;
    }
    let mut out = Vec::new();
    if let Some(version) = version {
        refusing_connack(version, packet_bytes_max, reason, &words, &mut out);
    }
    // The peer may be gone already; then there is nobody to tell.
    let told = tokio::time::timeout(TELL_WAIT, stream.say(out)).await;
    if matches!(told, Ok(Ok(()))) {
        stream.finish().await;
    }
}

//! From an accepted socket to a known user: one whole CONNECT within the time and size allowed,
//! the authenticator's answer, then over to the worker that owns the user.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;

use crate::auth::{
    AuthError, Authenticator, BanBook, Certificate, Credentials, Directory, source_of,
};
use crate::broker::Action;
use crate::broker::policy::Denial;
use crate::clock::Clock;
use crate::metrics::{Counted, Flapper, Metrics, Protocol, Refused};
use crate::model::limit::PACKET_BEFORE_LOGIN_BYTES_MAX;
use crate::model::{BanReason, BanTarget, ClientId, Identity, Reason, SessionKey};
use crate::mqtt::{Connect, Version, decode_connect, reason};
use crate::session::{Hello, LoginTime, refusing_connack};
use crate::shard::{Live, worker_of};

use super::admission::{Admission, Seat};
use super::door::{Door, Opened};
use super::stream::{Parts, Stream};
use super::worker::{Mail, Worker};

/// How a TLS client begins (RFC 8446, section 5.1): a handshake record, version 3.x.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
/// What the system takes of a connection beyond what it could send already.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;
/// A refusal that the client does not take in this time is not heard.
const TELL_WAIT: Duration = Duration::from_secs(5);

/// How soon the next one looks whether those who were sent away are gone.
const LEAVE_WAIT: Duration = Duration::from_millis(1);

/// What stands before the workers, shared by all of them.
pub struct Gate {
    pub authenticator: Arc<dyn Authenticator>,
    pub directory: Arc<Directory>,
    /// The same that the shards have; a change reaches both.
    pub live: ArcSwap<Live>,
    pub bans: Arc<BanBook>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub admission: Arc<Admission>,
    /// Number for the client ids that the server assigns, behind a random start.
    pub assigned: AtomicU64,
    pub draining: AtomicBool,
    /// Workers that have let go of their last connection.
    pub drained: AtomicUsize,
}

impl Gate {
    /// A place for a connection, if there is one. It waits for others that are being sent away.
    pub(super) async fn enter(&self, peer: SocketAddr) -> Option<Seat> {
        while !self.draining.load(Ordering::Relaxed) {
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

    /// Keeps out who connects too often; its connections end when the ban is stored.
    fn ban_flapper(&self, flapping: Option<(BanTarget, Duration)>) {
        let Some((target, length)) = flapping else { return };
        let who = match &target {
            BanTarget::User(_) => Flapper::User,
            BanTarget::Net(_) => Flapper::Address,
            BanTarget::Client(_) | BanTarget::Device(..) => Flapper::Client,
        };
        self.metrics.doors.flapping_bans(who).inc();
        let bans = self.bans.clone();
        tokio::task::spawn_local(async move {
            let reason = BanReason::parse("connects too often (limits.flapping)");
            let banned = bans.add(target.clone(), length, reason.unwrap_or_default()).await;
            if let Err(error) = banned {
                tracing::error!("{target} connects too often, but could not be banned: {error}");
            }
        });
    }

    pub(super) fn is_banned(&self, key: &SessionKey, ip: IpAddr) -> bool {
        self.bans.now().hits(key, ip, self.clock.stamp())
    }

    /// Nothing is read from a banned address, and nothing said to it.
    fn is_address_banned(&self, ip: IpAddr) -> bool {
        let bans = self.bans.now();
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
    reason: Reason,
    words: String,
    /// Who it said it was.
    uid: String,
    client_id: String,
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

/// To the worker of its user, or to its end.
pub async fn greet(worker: &Worker, door: &Door, tcp: TcpStream, from: SocketAddr, mut seat: Seat) {
    let gate = &worker.gate;
    let told_to_go = seat.told_to_go();
    let heard = tokio::select! {
        heard = hear(worker, door, tcp, from, &mut seat) => heard,
        () = told_to_go => {
            return gate.admission.count_refused(from, Refused::Unauthenticated);
        }
    };
    let Some(Heard { stream, guest, bytes, connect }) = heard else { return };
    seat.introduced();
    let hello = match connect {
        Ok(length) => introduce(gate, &guest, &bytes, length).await,
        Err(refusal) => Err(refusal),
    };
    match hello {
        // Its login took longer than it waited: it must not take over from who came after it.
        Ok((_, rest)) if rest.is_empty() && stream.is_over() => {
            tracing::debug!(peer = %guest.peer, "gone before its login was decided");
        }
        Ok((hello, rest)) => hand_over(worker, (stream, guest, seat), hello, rest),
        Err(refusal) => refuse(gate, stream, guest.peer, refusal).await,
    }
}

/// Who is calling, then TLS, then WebSocket, then the CONNECT, all in one time. `None` if the
/// connection is over.
async fn hear(
    worker: &Worker,
    door: &Door,
    mut tcp: TcpStream,
    from: SocketAddr,
    seat: &mut Seat,
) -> Option<Heard> {
    let (gate, since) = (&worker.gate, worker.clock.moment());
    let connect_wait = gate.admission.limits.load().connect_wait;
    let left = || connect_wait.saturating_sub(worker.clock.moment().since(since));
    let peer = door.caller(&mut tcp, from, left()).await?;
    if gate.is_address_banned(peer.ip()) {
        return None;
    }
    seat.comes_from(peer.ip()).map_err(|why| gate.admission.count_refused(peer, why)).ok()?;
    set_up(gate, &tcp, peer);
    let Opened { stream, certificate } = door.open(tcp, peer, left()).await?;
    let guest = Guest { peer, listener: door.listener, certificate };
    let mut bytes = Vec::new();
    let mut stream = door.upgrade(stream, &mut bytes, peer, left()).await?;
    let reading = read_connect(&mut stream, &mut bytes);
    let connect = match tokio::time::timeout(left(), reading).await {
        Ok(Ok(Some(length))) => Ok(length),
        Ok(Ok(None)) => {
            if stream.is_websocket() {
                stream.finish().await;
            }
            return None;
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            let reason = Reason::TooSlowToConnect;
            Err(Refusal::unknown(None, reason, reason.words().into()))
        }
    };
    Some(Heard { stream, guest, bytes, connect })
}

fn set_up(gate: &Gate, tcp: &TcpStream, peer: SocketAddr) {
    // One small packet should leave at once; the workers batch by themselves.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, "no TCP_NODELAY: {error}");
    }
    // What the peer does not take stays here, where it is bounded and seen, and not in megabytes of
    // the system's memory.
    if let Err(error) = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
        tracing::debug!(%peer, "no TCP_NOTSENT_LOWAT: {error}");
    }
    // A peer that is gone without a word would else hold its place for as long as the system sends
    // again, which is a quarter of an hour and more. Twice the time, since a peer that is there and
    // takes nothing is a slow reader, and told so.
    let gone_after = Some(gate.live.load().outbox_wait.saturating_mul(2));
    if let Err(error) = socket2::SockRef::from(tcp).set_tcp_user_timeout(gone_after) {
        tracing::debug!(%peer, "no TCP_USER_TIMEOUT: {error}");
    }
}

/// Logs the guest in; what came behind its CONNECT of `length` bytes is not lost.
async fn introduce(
    gate: &Gate,
    guest: &Guest,
    bytes: &[u8],
    length: usize,
) -> Result<(Hello, Vec<u8>), Refusal> {
    let malformed = || Refusal::unknown(None, Reason::Malformed, "no CONNECT".into());
    let decoded = decode_connect(bytes, PACKET_BEFORE_LOGIN_BYTES_MAX).ok().flatten();
    let (connect, _) = decoded.ok_or_else(malformed)?;
    Ok((login(gate, &connect, guest).await?, bytes[length..].to_vec()))
}

fn hand_over(
    worker: &Worker,
    (stream, guest, seat): (Stream, Guest, Seat),
    hello: Hello,
    mut rest: Vec<u8>,
) {
    match stream.into_parts(&mut rest) {
        Ok(stream) => {
            let owner = worker_of(&hello.key.uid, worker.mailboxes.len() as u16);
            let (peer, metrics) = (guest.peer, &worker.gate.metrics);
            let counted = metrics.connections.count(guest.listener, protocol(hello.version()));
            metrics.connects_accepted().inc();
            let arrival = Arrival { stream, hello, peer, rest, seat, counted };
            worker.mailboxes[usize::from(owner)].post([Mail::Connect(Box::new(arrival))]);
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

async fn login(gate: &Gate, connect: &Connect<'_>, guest: &Guest) -> Result<Hello, Refusal> {
    let refusal = |reason: Reason, words: String| Refusal {
        version: Some(connect.version),
        reason,
        words,
        uid: connect.username.unwrap_or_default().into(),
        client_id: connect.client_id.into(),
    };
    let client_id = ClientId::parse(connect.client_id)
        .map_err(|error| refusal(Reason::ClientIdInvalid, error.to_string()))?;
    if connect.properties.authentication_method().is_some() {
        let words = "no extended authentication is served".to_string();
        return Err(refusal(Reason::BadAuthenticationMethod, words));
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
    let asked_at = gate.clock.moment();
    let identity = check(gate, credentials).await;
    let identity = identity.map_err(|(reason, words)| refusal(reason, words))?;
    let wall = gate.clock.wall();
    if identity.expires_at.is_some_and(|at| at <= wall) {
        return Err(refusal(Reason::LoginExpired, AuthError::Expired.to_string()));
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

/// A will is asked about when it is left, and again when it is sent.
fn may_leave_will(live: &Live, hello: &Hello) -> Result<(), Denial> {
    let action = hello.will.as_ref().map(|will| Action::Publish(&will.target));
    action.map_or(Ok(()), |action| live.policy.may(&hello.identity, action))
}

/// Asks the authenticator when it is this login's turn.
async fn check(gate: &Gate, credentials: Credentials<'_>) -> Result<Identity, (Reason, String)> {
    let source = source_of(credentials.peer.ip());
    gate.ban_flapper(gate.admission.address_connects(source));
    let turn = gate.admission.turn(source).await;
    let _turn = turn.map_err(|busy| (Reason::Busy, busy.words()))?;
    let answer = gate.authenticator.authenticate(credentials).await;
    answer.map_err(|error| (error.reason(), error.to_string()))
}

impl Refusal {
    fn unknown(version: Option<Version>, reason: Reason, words: String) -> Refusal {
        Refusal { version, reason, words, uid: String::new(), client_id: String::new() }
    }
}

/// One log line; a CONNACK where the peer got so far as to name its version.
async fn refuse(gate: &Gate, mut stream: Stream, peer: SocketAddr, refusal: Refusal) {
    let Refusal { version, reason, words, uid, client_id } = refusal;
    let name = reason.name();
    if let Some(left_out) = gate.admission.tells(reason) {
        let client = client_id;
        tracing::warn!(uid, client, %peer, reason = name, left_out, "connection refused: {words}");
    }
    gate.metrics.connects_refused(reason).inc();
    if version.is_none() && !stream.is_websocket() {
        return;
    }
    let mut out = Vec::new();
    if let Some(version) = version {
        refusing_connack(version, reason, &words, &mut out);
    }
    // The peer may be gone already; then there is nobody to tell.
    let told = tokio::time::timeout(TELL_WAIT, stream.say(out)).await;
    if matches!(told, Ok(Ok(()))) {
        stream.finish().await;
    }
}

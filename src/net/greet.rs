//! From an accepted socket to a known user: one whole CONNECT within the time and size allowed,
//! the authenticator's answer, then over to the worker that owns the user.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::auth::{Authenticator, BanBook, Credentials, Directory};
use crate::clock::Clock;
use crate::metrics::{Flapper, Metrics, Refused};
use crate::model::limit::PACKET_BEFORE_LOGIN_BYTES_MAX;
use crate::model::{BanReason, BanTarget, ClientId, Identity, Reason, SessionKey};
use crate::mqtt::{Connect, Version, decode_connect, reason};
use crate::session::{Hello, refusing_connack};
use crate::shard::{Live, worker_of};

use super::admission::{Admission, Seat, source_of};
use super::worker::{Mail, Worker};

/// A refusal that the client does not take in this time is not heard.
const TELL_WAIT: Duration = Duration::from_secs(5);

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
    /// A place for a connection, if there is one.
    pub(super) fn enter(&self, peer: SocketAddr) -> Option<Seat> {
        if self.draining.load(Ordering::Relaxed) {
            return None;
        }
        let seat = Seat::take(&self.admission);
        let seat = seat.map_err(|why| self.admission.count_refused(peer, why)).ok()?;
        self.metrics.connections_opened.inc();
        Some(seat)
    }

    /// Keeps out who connects too often; its connections end when the ban is stored.
    fn ban_flapper(&self, flapping: Option<(BanTarget, Duration)>) {
        let Some((target, length)) = flapping else { return };
        let who = match &target {
            BanTarget::User(_) => Flapper::User,
            BanTarget::Net(_) => Flapper::Address,
            BanTarget::Client(_) | BanTarget::Device(..) => Flapper::Client,
        };
        self.metrics.flapping_bans(who).inc();
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
            self.metrics.logins_refused(Reason::Banned).inc();
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
    pub stream: std::net::TcpStream,
    pub hello: Hello,
    pub peer: SocketAddr,
    /// Bytes that came behind the CONNECT.
    pub rest: Vec<u8>,
    pub seat: Seat,
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

/// To the worker of its user, or to its end.
pub async fn greet(worker: &Worker, mut stream: TcpStream, peer: SocketAddr, mut seat: Seat) {
    let gate = &worker.gate;
    if gate.is_address_banned(peer.ip()) {
        return;
    }
    if let Err(why) = seat.comes_from(peer.ip()) {
        return gate.admission.count_refused(peer, why);
    }
    // One small packet should leave at once; the workers batch by themselves.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, "no TCP_NODELAY: {error}");
    }
    match introduce(gate, &mut stream, peer, &mut seat).await {
        Ok(None) => {}
        Ok(Some((hello, rest))) => match stream.into_std() {
            Ok(stream) => {
                let owner = worker_of(&hello.key.uid, worker.mailboxes.len() as u16);
                let arrival = Arrival { stream, hello, peer, rest, seat };
                worker.mailboxes[usize::from(owner)].post([Mail::Connect(Box::new(arrival))]);
            }
            Err(error) => {
                tracing::error!(%peer, "a connection could not be handed over: {error}");
            }
        },
        Err(refusal) => refuse(gate, stream, peer, refusal).await,
    }
}

/// `None` if the peer went away, or was sent away, before it said anything whole.
async fn introduce(
    gate: &Gate,
    stream: &mut TcpStream,
    peer: SocketAddr,
    seat: &mut Seat,
) -> Result<Option<(Hello, Vec<u8>)>, Refusal> {
    let mut buffer = Vec::new();
    let connect_wait = gate.admission.limits.load().connect_wait;
    let reading = tokio::time::timeout(connect_wait, read_connect(stream, &mut buffer));
    let read = tokio::select! {
        read = reading => read,
        () = seat.told_to_go() => {
            gate.admission.count_refused(peer, Refused::Unauthenticated);
            return Ok(None);
        }
    };
    seat.introduced();
    let length = match read {
        Ok(Ok(Some(length))) => length,
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(refusal)) => return Err(refusal),
        Err(_) => {
            let reason = Reason::TooSlowToConnect;
            return Err(Refusal::unknown(None, reason, reason.words().into()));
        }
    };
    let Ok(Some((connect, _))) = decode_connect(&buffer, PACKET_BEFORE_LOGIN_BYTES_MAX) else {
        return Ok(None);
    };
    let hello = login(gate, &connect, peer).await?;
    buffer.drain(..length);
    Ok(Some((hello, buffer)))
}

/// Reads until the CONNECT is whole; its length. More may have come behind it.
async fn read_connect(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Result<Option<usize>, Refusal> {
    loop {
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
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
                return Err(Refusal::unknown(version, reason, error.to_string()));
            }
        }
    }
}

async fn login(gate: &Gate, connect: &Connect<'_>, peer: SocketAddr) -> Result<Hello, Refusal> {
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
        peer,
        listener: "mqtt",
        certificate: None,
    };
    let identity = check(gate, credentials).await;
    let identity = identity.map_err(|(reason, words)| refusal(reason, words))?;
    let hello =
        Hello::new(connect, identity, &gate.live.load().settings, || gate.assign_client_id())
            .map_err(|(reason, words)| refusal(reason, words))?;
    gate.ban_flapper(gate.admission.device_connects(&hello.key));
    Ok(hello)
}

/// Asks the authenticator when it is this login's turn.
async fn check(gate: &Gate, credentials: Credentials<'_>) -> Result<Identity, (Reason, String)> {
    let turn = gate.admission.turn(source_of(credentials.peer.ip())).await;
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
async fn refuse(gate: &Gate, mut stream: TcpStream, peer: SocketAddr, refusal: Refusal) {
    let Refusal { version, reason, words, uid, client_id } = refusal;
    let name = reason.name();
    if let Some(left_out) = gate.admission.tells(reason) {
        let client = client_id;
        tracing::warn!(uid, client, %peer, reason = name, left_out, "connection refused: {words}");
    }
    gate.metrics.logins_refused(reason).inc();
    if let Some(version) = version {
        let mut out = Vec::new();
        refusing_connack(version, reason, &words, &mut out);
        // The peer may be gone already; then there is nobody to tell.
        let told = tokio::time::timeout(TELL_WAIT, stream.write_all(&out)).await;
        if matches!(told, Ok(Ok(()))) {
            super::conn::linger(&stream).await;
        }
    }
}

//! A small MQTT client over the project's own codec, for `pub` and `sub`.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::exit::{FAILURE, Failure, LOGIN, UNREACHABLE, USAGE};
use crate::mqtt::{
    ConnAck, Connect, DecodeError, Disconnect, Packet, PacketId, Properties, Property,
    PropertyBuffer, Version, decode, encode, encoded_bytes, frame_bytes, reason,
};

/// To reach the broker and to get its CONNACK.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// For the broker to close its side after a DISCONNECT.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// The largest packet there is.
const PACKET_BYTES_MAX: u32 = 268_435_455 + 5;
/// Free space in the input buffer before a read.
const READ_BYTES: usize = 16 * 1024;

/// Why there is no connection, or no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("cannot reach {server}: {cause}; is a broker running there? (-h HOST -p PORT)")]
    Unreachable { server: String, cause: String },
    #[error("the broker refuses the connection: {words}")]
    Refused { login: bool, words: String },
    #[error("the broker does not speak MQTT 5: use -V mqttv311")]
    OldBroker,
    #[error("the broker ended the connection: {words}")]
    Ended { reason: u8, words: String },
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("what came is not MQTT: {0}")]
    Protocol(DecodeError),
    #[error("a {0} that MQTT cannot carry: a text is too long or holds U+0000")]
    Unsendable(&'static str),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let code = match &error {
            ClientError::Refused { login: true, .. } => LOGIN,
            ClientError::Protocol(_) => FAILURE,
            ClientError::OldBroker | ClientError::Unsendable(_) => USAGE,
            _ => UNREACHABLE,
        };
        Failure::new(code, error)
    }
}

type Result<T> = std::result::Result<T, ClientError>;

fn lost(error: std::io::Error) -> ClientError {
    ClientError::Lost(error.to_string())
}

/// Where and as whom.
#[derive(Clone, Debug)]
pub struct Login {
    pub host: String,
    pub port: u16,
    pub version: Version,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<String>,
    pub clean_start: bool,
    pub keep_alive_secs: u16,
    pub session_expiry_secs: Option<u32>,
}

impl Login {
    pub fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// What the broker said to the CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct Welcome {
    pub session_present: bool,
    /// Messages with QoS 1 and 2 that the broker takes at a time.
    pub receive_maximum: u16,
}

/// A connection after its CONNACK.
pub struct Client {
    stream: TcpStream,
    version: Version,
    input: Vec<u8>,
    /// Bytes of `input` that belong to packets returned before.
    taken: usize,
    output: Vec<u8>,
    /// Bytes of `output` that are written.
    written: usize,
    pings: Option<Interval>,
    ping_unanswered: bool,
    last_id: u16,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`ClientError`]: nobody there, refused, or no MQTT.
    pub async fn connect(login: &Login) -> Result<(Client, Welcome)> {
        let unreachable =
            |cause: String| ClientError::Unreachable { server: login.server(), cause };
        let late = |_| unreachable(format!("no answer within {} s", CONNECT_WAIT.as_secs()));
        let connecting = TcpStream::connect((login.host.as_str(), login.port));
        let connected = timeout(CONNECT_WAIT, connecting).await.map_err(late)?;
        let stream = connected.map_err(|error| unreachable(error.to_string()))?;
        stream.set_nodelay(true).map_err(lost)?;
        let mut client = Client::new(stream, login.version);
        client.send_connect(login)?;
        let welcome = timeout(CONNECT_WAIT, client.welcome()).await.map_err(late)??;
        client.start_pings(login.keep_alive_secs, welcome.1);
        Ok((client, welcome.0))
    }

    fn new(stream: TcpStream, version: Version) -> Client {
        Client {
            stream,
            version,
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            written: 0,
            pings: None,
            ping_unanswered: false,
            last_id: 0,
        }
    }

    fn send_connect(&mut self, login: &Login) -> Result<()> {
        let mut properties = PropertyBuffer::new();
        let expiry = login.session_expiry_secs.filter(|_| login.version.has_properties());
        expiry.into_iter().for_each(|secs| properties.push(Property::SessionExpiryInterval(secs)));
        self.send(&Packet::Connect(Connect {
            version: login.version,
            clean_start: login.clean_start,
            keep_alive_secs: login.keep_alive_secs,
            client_id: &login.client_id,
            username: login.username.as_deref(),
            password: login.password.as_deref().map(str::as_bytes),
            will: None,
            properties: properties.as_properties(),
        }))
    }

    /// The CONNACK, and the keep alive that the broker wants instead.
    async fn welcome(&mut self) -> Result<(Welcome, Option<u16>)> {
        let version = self.version;
        match self.next().await? {
            Packet::ConnAck(connack) if connack.code == reason::SUCCESS => {
                let properties = &connack.properties;
                let receive_maximum = properties.receive_maximum().unwrap_or(u16::MAX);
                let session_present = connack.session_present;
                let keep_alive = properties.server_keep_alive_secs();
                Ok((Welcome { session_present, receive_maximum }, keep_alive))
            }
            Packet::ConnAck(connack) => Err(refused(&connack, version)),
            other => Err(ClientError::Lost(format!("{} instead of CONNACK", other.name()))),
        }
    }

    /// Twice as often as promised, so that a late one is no harm.
    fn start_pings(&mut self, asked_secs: u16, server_secs: Option<u16>) {
        let every = Duration::from_secs(server_secs.unwrap_or(asked_secs).into()) / 2;
        if !every.is_zero() {
            let mut pings = interval(every);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pings.reset();
            self.pings = Some(pings);
        }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// A packet id that was not used for the longest time.
    pub fn packet_id(&mut self) -> PacketId {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        PacketId::new(self.last_id).unwrap_or(PacketId::MIN)
    }

    /// Puts a packet behind those that wait for [`Client::flush`] or [`Client::next`].
    ///
    /// # Errors
    /// [`ClientError::Unsendable`].
    pub fn send(&mut self, packet: &Packet<'_>) -> Result<()> {
        if encoded_bytes(packet, self.version) == usize::MAX {
            return Err(ClientError::Unsendable(packet.name()));
        }
        encode(packet, self.version, &mut self.output);
        Ok(())
    }

    /// Writes what was sent. May be dropped and called again.
    pub async fn flush(&mut self) -> Result<()> {
        while self.written < self.output.len() {
            self.written += self.stream.write(&self.output[self.written..]).await.map_err(lost)?;
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// The next packet; writes what waits and keeps the connection alive meanwhile. May be dropped
    /// and called again. PINGRESP comes too.
    ///
    /// # Errors
    /// [`ClientError`]; a DISCONNECT of the broker is [`ClientError::Ended`].
    pub async fn next(&mut self) -> Result<Packet<'_>> {
        self.input.drain(..std::mem::take(&mut self.taken));
        while !self.whole()? {
            self.flush().await?;
            self.read_or_ping().await?;
        }
        let decoded = decode(&self.input, self.version, PACKET_BYTES_MAX);
        match decoded.map_err(ClientError::Protocol)? {
            None => Err(ClientError::Lost("a packet that is not whole".into())),
            Some((Packet::Disconnect(disconnect), _)) => Err(ended(&disconnect)),
            Some((packet, length)) => {
                self.taken = length;
                Ok(packet)
            }
        }
    }

    /// Whether a packet is there already, so that [`Client::next`] would not wait.
    pub fn whole(&self) -> Result<bool> {
        let rest = &self.input[self.taken..];
        let length = frame_bytes(rest, PACKET_BYTES_MAX).map_err(ClientError::Protocol)?;
        Ok(length.is_some_and(|length| rest.len() >= length))
    }

    async fn read_or_ping(&mut self) -> Result<()> {
        self.input.reserve(READ_BYTES);
        let tick = async {
            match &mut self.pings {
                Some(pings) => pings.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = self.stream.read_buf(&mut self.input) => match read.map_err(lost)? {
                0 => Err(ClientError::Lost("the broker closed it".into())),
                _ => {
                    self.ping_unanswered = false;
                    Ok(())
                }
            },
            _ = tick => self.ping(),
        }
    }

    fn ping(&mut self) -> Result<()> {
        if self.ping_unanswered {
            return Err(ClientError::Lost("the broker does not answer any more".into()));
        }
        self.ping_unanswered = true;
        self.send(&Packet::PingReq)
    }

    /// Says goodbye. Waits until the broker has read everything: closing at once with unread input
    /// would make the system throw away what is on its way there.
    ///
    /// # Errors
    /// [`ClientError::Lost`] if not everything could be written.
    pub async fn disconnect(mut self) -> Result<()> {
        self.send(&Packet::Disconnect(Disconnect {
            reason: reason::NORMAL_DISCONNECTION,
            properties: Properties::default(),
        }))?;
        self.flush().await?;
        self.stream.shutdown().await.map_err(lost)?;
        let mut rest = [0; 4096];
        let drained = async { while let Ok(1..) = self.stream.read(&mut rest).await {} };
        // A broker that keeps it open has read everything all the same.
        _ = timeout(CLOSE_WAIT, drained).await;
        Ok(())
    }
}

/// The words of a refusing CONNACK.
fn refused(connack: &ConnAck<'_>, version: Version) -> ClientError {
    let (login, name) = match version {
        Version::V5 if connack.code == reason::UNSUPPORTED_PROTOCOL_VERSION => {
            return ClientError::OldBroker;
        }
        Version::V5 => {
            (matches!(connack.code, 0x85..=0x87 | 0x8A | 0x8C), reason::name(connack.code))
        }
        Version::V311 => (matches!(connack.code, 2 | 4 | 5), reason::v311::name(connack.code)),
    };
    ClientError::Refused { login, words: with_reason(name, &connack.properties) }
}

fn ended(disconnect: &Disconnect<'_>) -> ClientError {
    let words = with_reason(reason::name(disconnect.reason), &disconnect.properties);
    ClientError::Ended { reason: disconnect.reason, words }
}

/// The name of a code, and what the broker says besides.
pub fn with_reason(name: &str, properties: &Properties<'_>) -> String {
    match properties.reason_string() {
        Some(more) => format!("{name} ({more})"),
        None => name.to_owned(),
    }
}

/// Runs `work`, but not longer than `limit`; `None` if it took longer.
pub async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A broker that answers the CONNECT with these bytes and ends.
    async fn answered(version: Version, answer: &'static [u8]) -> Result<(Client, Welcome)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut connect = [0; 256];
            assert_ne!(stream.read(&mut connect).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
        });
        let client = Client::connect(&login(version, port)).await;
        broker.await.unwrap();
        client
    }

    fn login(version: Version, port: u16) -> Login {
        Login {
            host: "127.0.0.1".into(),
            port,
            version,
            client_id: "phone".into(),
            username: Some("alice".into()),
            password: Some("dev".into()),
            clean_start: true,
            keep_alive_secs: 60,
            session_expiry_secs: None,
        }
    }

    async fn failure(version: Version, answer: &'static [u8]) -> Failure {
        answered(version, answer).await.err().unwrap().into()
    }

    #[tokio::test]
    async fn refusals_have_words_and_codes() {
        let wrong = failure(Version::V311, &[0x20, 2, 0, 4]).await;
        assert_eq!(wrong.code, LOGIN);
        assert!(wrong.words.contains("bad user name or password"), "{wrong:?}");
        let wrong = failure(Version::V5, &[0x20, 3, 0, 0x86, 0]).await;
        assert_eq!(wrong.code, LOGIN);
        let busy = failure(Version::V5, &[0x20, 8, 0, 0x89, 5, 0x1F, 0, 2, b'n', b'o']).await;
        assert_eq!(busy.code, UNREACHABLE);
        assert!(busy.words.ends_with("server busy (no)"), "{busy:?}");
        assert_eq!(failure(Version::V5, &[0x20, 3, 0, 0x84, 0]).await.code, USAGE);
        assert_eq!(failure(Version::V311, b"HTTP/1.1 400 Bad Request").await.code, FAILURE);
        assert_eq!(failure(Version::V311, b"").await.code, UNREACHABLE);
    }

    #[tokio::test]
    async fn nobody_there_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Client::connect(&login(Version::V5, port)).await.err().unwrap();
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
        assert_eq!(Failure::from(error).code, UNREACHABLE);
    }

    #[tokio::test]
    async fn packets_come_one_by_one_however_the_bytes_come() {
        const BYTES: &[u8] =
            &[0x20, 2, 1, 0, 0xD0, 0, 0x30, 4, 0, 1, b't', b'x', 0x30, 4, 0, 1, b't'];
        let (mut client, welcome) = answered(Version::V311, BYTES).await.unwrap();
        assert!(welcome.session_present);
        assert_eq!(client.next().await.unwrap(), Packet::PingResp);
        let Packet::Publish(publish) = client.next().await.unwrap() else { panic!() };
        assert_eq!((publish.topic, publish.payload), ("t", &b"x"[..]));
        assert!(!client.whole().unwrap());
        assert!(matches!(client.next().await, Err(ClientError::Lost(_))));
    }

    #[tokio::test]
    async fn what_mqtt_cannot_carry_is_refused() {
        let (mut client, _) = answered(Version::V311, &[0x20, 2, 0, 0]).await.unwrap();
        let topic = "t".repeat(70_000);
        let publish = crate::mqtt::Publish {
            dup: false,
            qos: crate::mqtt::QoS::AtMostOnce,
            retain: false,
            topic: &topic,
            packet_id: None,
            properties: Properties::default(),
            payload: b"",
        };
        let error = client.send(&Packet::Publish(publish)).unwrap_err();
        assert_eq!(error, ClientError::Unsendable("PUBLISH"));
        assert_eq!(client.packet_id().get(), 1);
        assert_eq!(client.version(), Version::V311);
    }
}

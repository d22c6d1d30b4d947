//! A small blocking MQTT client: it sends and receives single packets, byte for byte as told, and
//! does nothing by itself. Every wait ends at [`HANG`] with a panic that names the client.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::connect::Connect;
use super::tls::Stream;
use super::wire::{self, Packet, Publish, Version};
use super::{HANG, V5, V311};

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Gone {
    /// The server closed the connection, or nobody listens.
    Closed,
    /// Nothing came in time.
    Silent,
    /// What came was no MQTT packet, or not the one that has to come.
    Broken(String),
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gone::Closed => write!(f, "the server closed the connection"),
            Gone::Silent => write!(f, "nothing came in time"),
            Gone::Broken(what) => write!(f, "{what}"),
        }
    }
}

pub struct Client {
    pub version: Version,
    /// Bytes of the largest packet that the server has sent; a test may set it back to 0.
    pub largest: usize,
    stream: Stream,
    buffer: Vec<u8>,
    /// Packets that came while another one was awaited.
    pending: VecDeque<Packet>,
    last_id: u16,
    name: String,
}

impl Client {
    pub fn new(stream: impl Into<Stream>, version: Version, name: &str) -> Client {
        let stream = stream.into();
        stream.tcp().set_nodelay(true).expect("nodelay");
        stream.tcp().set_write_timeout(Some(HANG)).expect("write timeout");
        Client {
            version,
            largest: 0,
            stream,
            buffer: Vec::new(),
            pending: VecDeque::new(),
            last_id: 0,
            name: name.into(),
        }
    }

    /// A connection that has said nothing yet.
    pub fn silent(addr: SocketAddr, version: Version) -> Client {
        Client::new(TcpStream::connect(addr).expect("connect"), version, "silent")
    }

    pub fn connect_v311(addr: SocketAddr, uid: &str, client_id: &str, password: &str) -> Client {
        Connect::new(V311, uid, client_id).password(password).open(addr)
    }

    pub fn connect_v5(
        addr: SocketAddr,
        uid: &str,
        client_id: &str,
        password: &str,
        props: &[u8],
    ) -> Client {
        Connect::new(V5, uid, client_id).password(password).prop(props.to_vec()).open(addr)
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.stream.write_all(bytes).map_err(|_| Gone::Closed)
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap_or_else(|gone| panic!("{}: {gone}", self.name));
    }

    /// The next packet, also one that was set aside before.
    pub fn try_recv(&mut self, limit: Duration) -> Result<Packet, Gone> {
        match self.pending.pop_front() {
            Some(packet) => Ok(packet),
            None => self.read_packet(limit),
        }
    }

    pub fn recv(&mut self) -> Packet {
        self.try_recv(HANG).unwrap_or_else(|gone| panic!("{}: {gone}", self.name))
    }

    /// The first packet that `pick` wants; others stay for later.
    pub fn recv_first<T>(&mut self, what: &str, pick: impl Fn(&Packet) -> Option<T>) -> T {
        if let Some(at) = self.pending.iter().position(|packet| pick(packet).is_some()) {
            let packet = self.pending.remove(at).expect("just found");
            return pick(&packet).expect("just found");
        }
        loop {
            let packet = self.read_packet(HANG).unwrap_or_else(|gone| {
                panic!("{} waits for {what}: {gone}; has {:?}", self.name, self.pending)
            });
            match pick(&packet) {
                Some(found) => return found,
                None => self.pending.push_back(packet),
            }
        }
    }

    fn read_packet(&mut self, limit: Duration) -> Result<Packet, Gone> {
        let until = Instant::now() + limit;
        let broken = |error: std::io::Error| Gone::Broken(error.to_string());
        loop {
            let held = self.buffer.len();
            if let Some((first, body)) = wire::split(&mut self.buffer).map_err(broken)? {
                self.largest = self.largest.max(held - self.buffer.len());
                return wire::decode(self.version, first, &body).map_err(broken);
            }
            let left = until.saturating_duration_since(Instant::now());
            self.fill(left.max(Duration::from_millis(1)))?;
        }
    }

    fn fill(&mut self, limit: Duration) -> Result<(), Gone> {
        self.stream.tcp().set_read_timeout(Some(limit)).expect("read timeout");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Gone::Closed),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Gone::Silent),
                ErrorKind::Interrupted => Ok(()),
                _ => Err(Gone::Closed),
            },
        }
    }

    // -- publishing ---------------------------------------------------------------------------

    pub fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id % u16::MAX + 1;
        self.last_id
    }

    /// Sends a PUBLISH and returns its packet id (0 for QoS 0); waits for nothing.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> u16 {
        self.publish_with(topic, payload, qos, &[])
    }

    /// The same with encoded MQTT 5 properties.
    pub fn publish_with(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: u8,
        props: &[u8],
    ) -> u16 {
        let id = if qos > 0 { self.next_id() } else { 0 };
        let message = message(topic, payload, qos, id);
        self.send_publish(&message, props);
        id
    }

    /// Sends exactly this PUBLISH.
    pub fn send_publish(&mut self, message: &Publish, props: &[u8]) {
        let bytes = wire::publish(self.version, message, props);
        self.send_raw(&bytes);
    }

    /// Publishes and waits until the server has acknowledged it with success.
    pub fn publish_acked(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        self.publish_acked_with(topic, payload, qos, &[]);
    }

    pub fn publish_acked_with(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: u8,
        props: &[u8],
    ) {
        let id = self.publish_with(topic, payload, qos, props);
        match qos {
            0 => self.ping(),
            1 => assert_eq!(self.expect_puback(id), 0, "PUBACK refuses"),
            _ => {
                assert_eq!(self.expect_pubrec(id), 0, "PUBREC refuses");
                self.pubrel(id);
                self.expect_pubcomp(id);
            }
        }
    }

    /// The reason code of the PUBACK for `id`.
    pub fn expect_puback(&mut self, id: u16) -> u8 {
        self.recv_first(&format!("PUBACK {id}"), |packet| match packet {
            Packet::PubAck { id: found, reason, .. } if *found == id => Some(*reason),
            _ => None,
        })
    }

    pub fn expect_pubrec(&mut self, id: u16) -> u8 {
        self.recv_first(&format!("PUBREC {id}"), |packet| match packet {
            Packet::PubRec { id: found, reason } if *found == id => Some(*reason),
            _ => None,
        })
    }

    pub fn expect_pubcomp(&mut self, id: u16) -> u8 {
        self.recv_first(&format!("PUBCOMP {id}"), |packet| match packet {
            Packet::PubComp { id: found, reason } if *found == id => Some(*reason),
            _ => None,
        })
    }

    pub fn expect_pubrel(&mut self, id: u16) -> u8 {
        self.recv_first(&format!("PUBREL {id}"), |packet| match packet {
            Packet::PubRel { id: found, reason } if *found == id => Some(*reason),
            _ => None,
        })
    }

    pub fn puback(&mut self, id: u16) {
        self.send_raw(&wire::acknowledgement(0x40, id));
    }

    pub fn pubrec(&mut self, id: u16) {
        self.send_raw(&wire::acknowledgement(0x50, id));
    }

    pub fn pubrel(&mut self, id: u16) {
        self.send_raw(&wire::acknowledgement(0x62, id));
    }

    pub fn pubcomp(&mut self, id: u16) {
        self.send_raw(&wire::acknowledgement(0x70, id));
    }

    // -- receiving ----------------------------------------------------------------------------

    /// The next message; it stays unacknowledged.
    pub fn expect_publish(&mut self) -> Publish {
        self.recv_first("a PUBLISH", |packet| match packet {
            Packet::Publish(publish) => Some(publish.clone()),
            _ => None,
        })
    }

    /// The next message, acknowledged to the end as its QoS demands.
    pub fn take(&mut self) -> Publish {
        let publish = self.expect_publish();
        match publish.qos {
            0 => {}
            1 => self.puback(publish.id),
            _ => {
                self.pubrec(publish.id);
                self.expect_pubrel(publish.id);
                self.pubcomp(publish.id);
            }
        }
        publish
    }

    /// The payload of the next message, acknowledged.
    pub fn take_text(&mut self) -> String {
        self.take().text().to_owned()
    }

    /// The payloads of the next messages, acknowledged.
    pub fn take_texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.take_text()).collect()
    }

    /// Nothing has come, neither a message nor a further answer, up to the answer of a PINGREQ. It
    /// proves that nothing was on its way in this connection's order;
    /// [`Client::expect_marker_from`] proves more. Note that a PINGREQ ends the settle time.
    pub fn expect_silence(&mut self) {
        self.ping();
        self.assert_nothing_pending();
    }

    /// Nothing has come so far. Sends nothing, waits for nothing.
    pub fn assert_quiet_now(&mut self) {
        while let Ok(packet) = self.read_packet(Duration::from_millis(1)) {
            self.pending.push_back(packet);
        }
        self.assert_nothing_pending();
    }

    fn assert_nothing_pending(&self) {
        assert!(self.pending.is_empty(), "{} expected silence: {:?}", self.name, self.pending);
    }

    /// `sender` publishes a marker to `topic`, and it is the very next message here: since mail
    /// comes in order, nothing else was waiting.
    pub fn expect_marker_from(&mut self, sender: &mut Client, topic: &str) {
        let marker = format!("marker to {}", self.name);
        sender.publish_acked(topic, &marker, 1);
        assert_eq!(self.take_text(), marker, "{} got more than the marker", self.name);
    }

    // -- the rest -----------------------------------------------------------------------------

    /// PINGREQ and its answer: the server has read all that was sent before.
    pub fn ping(&mut self) {
        self.send_raw(&[0xC0, 0]);
        let pick = |packet: &Packet| matches!(packet, Packet::PingResp).then_some(());
        self.recv_first("PINGRESP", pick);
    }

    /// The reason code for this one filter.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_to(&[(filter, options)], &[])[0]
    }

    /// The reason codes for filters with their options, in one packet.
    pub fn subscribe_to(&mut self, filters: &[(&str, u8)], props: &[u8]) -> Vec<u8> {
        let id = self.next_id();
        self.send_raw(&wire::subscribe_to(self.version, id, filters, props));
        let codes = self.recv_first("SUBACK", |packet| match packet {
            Packet::SubAck { id: found, codes, .. } if *found == id => Some(codes.clone()),
            _ => None,
        });
        assert_eq!(codes.len(), filters.len(), "one code for each filter");
        codes
    }

    pub fn unsubscribe(&mut self, filter: &str) {
        let id = self.next_id();
        self.send_raw(&wire::unsubscribe(self.version, id, filter));
        self.recv_first("UNSUBACK", |packet| match packet {
            Packet::UnsubAck { id: found, .. } if *found == id => Some(()),
            _ => None,
        });
    }

    /// DISCONNECT, then waits for the server's close: it has taken all that was sent.
    pub fn disconnect(mut self) {
        self.send_raw(&[0xE0, 0]);
        self.expect_closed();
    }

    /// Cuts the connection without DISCONNECT.
    pub fn cut(self) {
        // It fails only where the server was faster.
        let _ = self.stream.tcp().shutdown(Shutdown::Both);
    }

    /// The server closes; everything that came before is returned.
    pub fn expect_closed(&mut self) -> Vec<Packet> {
        let mut seen: Vec<Packet> = self.pending.drain(..).collect();
        loop {
            match self.read_packet(HANG) {
                Ok(packet) => seen.push(packet),
                Err(Gone::Closed) => return seen,
                Err(gone) => panic!("{} is not closed: {gone}, after {seen:?}", self.name),
            }
        }
    }

    /// The server closes, saying why in an MQTT 5 DISCONNECT: its reason code.
    pub fn expect_disconnect(&mut self) -> u8 {
        let seen = self.expect_closed();
        match seen.last() {
            Some(Packet::Disconnect { reason, .. }) => *reason,
            _ => panic!("{} was closed without DISCONNECT, after {seen:?}", self.name),
        }
    }
}

/// A PUBLISH of the most usual kind.
pub fn message(topic: &str, payload: impl AsRef<[u8]>, qos: u8, id: u16) -> Publish {
    let payload = payload.as_ref().to_vec();
    Publish { topic: topic.into(), payload, qos, id, ..Publish::default() }
}

/// The same as it is resent: DUP = 1.
pub fn duplicate(topic: &str, payload: impl AsRef<[u8]>, qos: u8, id: u16) -> Publish {
    Publish { dup: true, ..message(topic, payload, qos, id) }
}

//! CONNECT: what a test client says of itself, and how its connection opens.

use std::net::{IpAddr, SocketAddr, TcpStream};

use super::client::{Client, Gone};
use super::tls::{Stream, TlsClient};
use super::wire::{self, Packet, Props, V5, V311, Version, string};
use super::{HANG, prop};

/// A CONNECT in the making. Password `dev`, clean session, keep alive 60 s unless told otherwise.
#[derive(Clone, Debug)]
pub struct Connect {
    pub version: Version,
    pub client_id: String,
    pub uid: Option<String>,
    pub password: Option<Vec<u8>>,
    pub clean: bool,
    pub keep_alive: u16,
    pub will: Option<Will>,
    /// Encoded MQTT 5 properties, see [`prop`].
    pub props: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    /// Encoded MQTT 5 will properties.
    pub props: Vec<u8>,
}

impl Will {
    pub fn new(topic: &str, payload: &str, qos: u8) -> Will {
        Will { topic: topic.into(), payload: payload.into(), qos, ..Will::default() }
    }

    pub fn retain(self) -> Will {
        Will { retain: true, ..self }
    }

    pub fn prop(mut self, encoded: Vec<u8>) -> Will {
        self.props.extend(encoded);
        self
    }
}

impl Connect {
    pub fn new(version: Version, uid: &str, client_id: &str) -> Connect {
        Connect {
            version,
            client_id: client_id.into(),
            uid: Some(uid.into()),
            password: Some(b"dev".to_vec()),
            clean: true,
            keep_alive: 60,
            will: None,
            props: Vec::new(),
        }
    }

    pub fn v311(uid: &str, client_id: &str) -> Connect {
        Connect::new(V311, uid, client_id)
    }

    pub fn v5(uid: &str, client_id: &str) -> Connect {
        Connect::new(V5, uid, client_id)
    }

    pub fn password(mut self, password: &str) -> Connect {
        self.password = Some(password.into());
        self
    }

    pub fn clean(mut self, clean: bool) -> Connect {
        self.clean = clean;
        self
    }

    /// A session that outlives its connection: 3.1.1's clean session 0, MQTT 5's expiry of an hour.
    pub fn durable(mut self) -> Connect {
        self.clean = false;
        if self.version == V5 { self.prop(prop::session_expiry(3600)) } else { self }
    }

    pub fn keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive = seconds;
        self
    }

    pub fn will(mut self, will: Will) -> Connect {
        self.will = Some(will);
        self
    }

    pub fn prop(mut self, encoded: Vec<u8>) -> Connect {
        self.props.extend(encoded);
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = string("MQTT");
        body.extend([self.version, self.flags()]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(wire::properties(self.version, &self.props));
        body.extend(string(&self.client_id));
        if let Some(will) = &self.will {
            body.extend(wire::properties(self.version, &will.props));
            body.extend(string(&will.topic));
            body.extend(string(&will.payload));
        }
        body.extend(self.uid.as_ref().map(string).unwrap_or_default());
        body.extend(self.password.as_ref().map(string).unwrap_or_default());
        wire::packet(0x10, &body)
    }

    fn flags(&self) -> u8 {
        let will = |will: &Will| 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        let will = self.will.as_ref().map_or(0, will);
        let bit = |on: bool, value: u8| if on { value } else { 0 };
        bit(self.uid.is_some(), 0x80)
            | bit(self.password.is_some(), 0x40)
            | bit(self.clean, 0x02)
            | will
    }

    /// Connects and returns what the server answered.
    pub fn try_open(&self, addr: SocketAddr) -> Result<(Client, ConnAck), Gone> {
        self.try_on(TcpStream::connect_timeout(&addr, HANG).map_err(|_| Gone::Closed)?)
    }

    /// Connects from this address, which has to be one of this machine.
    pub fn try_from(&self, source: IpAddr, addr: SocketAddr) -> Result<(Client, ConnAck), Gone> {
        self.try_on(stream_from(source, addr).map_err(|_| Gone::Closed)?)
    }

    /// Sends CONNECT on a connection that is there.
    pub fn try_on(&self, stream: impl Into<Stream>) -> Result<(Client, ConnAck), Gone> {
        let mut client = Client::new(stream, self.version, &self.client_id);
        client.try_send(&self.encode())?;
        match client.try_recv(HANG)? {
            Packet::ConnAck { session_present, code, props } => {
                Ok((client, ConnAck { session_present, code, props }))
            }
            other => Err(Gone::Broken(format!("expected CONNACK, got {other:?}"))),
        }
    }

    /// Connects over TLS and returns what the server answered.
    pub fn try_secure(&self, addr: SocketAddr, tls: &TlsClient) -> Result<(Client, ConnAck), Gone> {
        self.try_on(tls.try_open(addr)?)
    }

    /// Connects over TLS; panics unless the server accepts.
    pub fn secure(&self, addr: SocketAddr, tls: &TlsClient) -> Client {
        let (client, ack) =
            self.try_secure(addr, tls).unwrap_or_else(|gone| panic!("{gone}: {self:?}"));
        assert_eq!(ack.code, 0, "refused: {self:?}");
        client
    }

    /// Connects; panics unless the server accepts.
    pub fn open_with_ack(&self, addr: SocketAddr) -> (Client, ConnAck) {
        let (client, ack) = self.try_open(addr).unwrap_or_else(|gone| panic!("{gone}: {self:?}"));
        assert_eq!(ack.code, 0, "refused: {self:?}");
        (client, ack)
    }

    pub fn open(&self, addr: SocketAddr) -> Client {
        self.open_with_ack(addr).0
    }

    /// Connects and ends the settle time: from here on it is a device that gets its mail.
    pub fn device(&self, addr: SocketAddr) -> Client {
        let mut client = self.open(addr);
        client.ping();
        client
    }

    /// The code with which the server refuses; panics if it accepts. Waits for the close.
    pub fn refused(&self, addr: SocketAddr) -> u8 {
        let (mut client, ack) = self.try_open(addr).unwrap_or_else(|gone| panic!("{gone}"));
        assert_ne!(ack.code, 0, "accepted: {self:?}");
        client.expect_closed();
        ack.code
    }
}

/// A TCP connection from this address, which has to be one of this machine.
pub fn stream_from(source: IpAddr, addr: SocketAddr) -> std::io::Result<TcpStream> {
    let domain = socket2::Domain::for_address(SocketAddr::new(source, 0));
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into()).expect("an address of this machine");
    socket.connect_timeout(&addr.into(), HANG)?;
    Ok(socket.into())
}

#[derive(Clone, Debug)]
pub struct ConnAck {
    pub session_present: bool,
    pub code: u8,
    pub props: Props,
}

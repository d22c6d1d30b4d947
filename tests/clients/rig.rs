//! What a test of a client stands on: a broker of its own, and programs of that client.

use std::net::SocketAddr;

use crate::program::{Job, Message, Program, Task};
use crate::support::Broker;
use crate::support::websocket::LISTEN;

/// The versions of MQTT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    V31,
    V311,
    V5,
}

impl Version {
    pub fn name(self) -> &'static str {
        match self {
            Version::V31 => "3.1",
            Version::V311 => "3.1.1",
            Version::V5 => "5",
        }
    }
}

/// A library or a pair of commands, and how its programs are started.
#[derive(Debug)]
pub struct Client {
    /// As people call it.
    pub name: &'static str,
    /// Its version, or `Debian's`.
    pub version: &'static str,
    /// The file that says which version is installed, and how it says it.
    pub pinned: (&'static str, &'static str),
    pub over: Transport,
    /// Whether its program says whether a session was resumed.
    pub tells_resumed: bool,
    pub start: fn(&Job) -> Program,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    Tcp,
    WebSocket,
}

pub struct Rig {
    pub broker: Broker,
    client: &'static Client,
    version: Version,
}

impl Rig {
    /// Users alice and bob with the password `dev`; plain topics are open.
    pub fn new(client: &'static Client, version: Version) -> Rig {
        let broker = Broker::with(&[LISTEN, ("HOMING__ACL__DEFAULT", "allow")]);
        Rig { broker, client, version }
    }

    fn addr(&self) -> SocketAddr {
        match self.client.over {
            Transport::Tcp => self.broker.mqtt,
            Transport::WebSocket => self.broker.ws(),
        }
    }

    /// A device of alice, with a clean session.
    pub fn device(&self, client_id: &'static str, task: Task) -> Device {
        let job = Job {
            addr: self.addr(),
            version: self.version,
            uid: "alice",
            client_id,
            password: "dev",
            durable: false,
            will: None,
            task,
        };
        Device { job, client: self.client }
    }

    /// A device of alice that listens to this filter from now on.
    pub fn subscriber(&self, client_id: &'static str, filter: &'static str) -> Program {
        self.device(client_id, Task::Listen(Some(filter))).start().subscribed()
    }

    /// Bob publishes this by the client, and it is acknowledged.
    pub fn publish(&self, message: &Message) {
        let mut bob = self.device("desk", Task::Publish(message.clone()));
        bob.job.uid = "bob";
        bob.start().must_succeed();
    }

    /// Panics if the client says that its session is new; some do not say, and 3.1 has no word.
    pub fn assert_resumed(&self, program: &Program) {
        let line = program.connected();
        if self.client.tells_resumed && self.version != Version::V31 {
            assert_eq!(line, "connected 1");
        }
    }

    /// Whether this device of alice has a place in her inbox.
    pub fn is_known(&self, client_id: &str) -> bool {
        let list = self.broker.command(&["device", "list", "alice", "--json"]).ok();
        let read = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        let mut devices = list.lines().map(read);
        devices.any(|device| device["client_id"] == client_id && device["cursor"].is_u64())
    }
}

/// A device in the making.
pub struct Device {
    job: Job,
    client: &'static Client,
}

impl Device {
    pub fn durable(mut self) -> Device {
        self.job.durable = true;
        self
    }

    pub fn will(mut self, topic: &'static str) -> Device {
        self.job.will = Some(topic);
        self
    }

    pub fn password(mut self, password: &'static str) -> Device {
        self.job.password = password;
        self
    }

    pub fn start(self) -> Program {
        (self.client.start)(&self.job)
    }
}

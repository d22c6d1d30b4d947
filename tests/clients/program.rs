//! One client that runs: what it is told to do, and the lines in which it tells what it sees. It is
//! a process, or a thread where the library is Rust.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::rig::Version;
use crate::rumqttc::Thread;
use crate::support::command::Running;
use crate::support::log::Lines;

/// What a client program does.
#[derive(Clone, Debug)]
pub struct Job {
    pub addr: SocketAddr,
    pub version: Version,
    pub uid: &'static str,
    pub client_id: &'static str,
    pub password: &'static str,
    /// Its session is kept: no clean session, or an expiry of an hour.
    pub durable: bool,
    /// The topic of a will `gone` with QoS 1.
    pub will: Option<&'static str>,
    pub task: Task,
}

#[derive(Clone, Debug)]
pub enum Task {
    /// Listens until it is killed, with this filter at QoS 2 if there is one; connects again where
    /// the connection is lost.
    Listen(Option<&'static str>),
    /// Subscribes likewise and leaves by DISCONNECT.
    Visit(Option<&'static str>),
    /// Publishes one message and leaves when it is acknowledged.
    Publish(Message),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    pub payload: String,
}

impl Message {
    pub fn new(topic: &str, qos: u8, payload: &str) -> Message {
        Message { topic: topic.into(), qos, retain: false, payload: payload.into() }
    }

    pub fn retained(self) -> Message {
        Message { retain: true, ..self }
    }

    /// From the line `message TOPIC QOS RETAIN PAYLOAD`.
    fn read(line: &str) -> Message {
        let mut words = line.splitn(5, ' ').skip(1);
        let mut word = || words.next().unwrap_or_else(|| panic!("no message: {line:?}"));
        let (topic, qos, retain) = (word(), word().parse(), word() == "1");
        let qos = qos.unwrap_or_else(|_| panic!("no message: {line:?}"));
        Message { retain, ..Message::new(topic, qos, word()) }
    }
}

impl Job {
    /// As options of the programs in `scripts/`.
    pub fn options(&self) -> Vec<String> {
        let (host, port) = (self.addr.ip().to_string(), self.addr.port().to_string());
        let mut words = vec!["--host", &host, "--port", &port, "--version", self.version.name()];
        words.extend(["--id", self.client_id, "--user", self.uid, "--password", self.password]);
        words.extend(self.durable.then_some("--durable"));
        words.extend(self.will.iter().flat_map(|topic| ["--will", topic]));
        let mut options: Vec<String> = words.into_iter().map(str::to_owned).collect();
        options.extend(self.task.options());
        options
    }
}

impl Task {
    fn options(&self) -> Vec<String> {
        match self {
            Task::Listen(filter) => subscribe(*filter),
            Task::Visit(filter) => [subscribe(*filter), vec!["--leave".into()]].concat(),
            Task::Publish(message) => publish(message),
        }
    }
}

fn subscribe(filter: Option<&str>) -> Vec<String> {
    filter.iter().flat_map(|filter| ["--subscribe".to_owned(), (*filter).to_owned()]).collect()
}

fn publish(message: &Message) -> Vec<String> {
    let qos = message.qos.to_string();
    let mut words = vec!["--publish", &message.topic, "--payload", &message.payload];
    words.extend(["--qos", &qos]);
    words.extend(message.retain.then_some("--retain"));
    words.into_iter().map(str::to_owned).collect()
}

/// The words in which a program tells what has happened.
#[derive(Debug)]
pub struct Words {
    pub connected: &'static str,
    pub subscribed: &'static str,
    /// A wrong login; any of these.
    pub refused: &'static [&'static str],
}

/// Of the programs in `scripts/`. Libraries that turn the codes of 3.1.1 into those of 5 say 134.
pub const WORDS: Words = Words {
    connected: "connected",
    subscribed: "subscribed",
    refused: &["refused 4", "refused 134"],
};

/// The path of a program in `scripts/`.
pub fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients/scripts").join(name)
}

/// A running client. Dropping it cuts its connection, without DISCONNECT.
pub struct Program {
    runs: Runs,
    words: &'static Words,
    /// Messages that [`Program::next`] has given.
    seen: usize,
}

enum Runs {
    Process(Running),
    Thread(Thread),
}

/// How a program has ended.
struct End {
    well: bool,
    said: String,
}

impl Program {
    pub fn process(command: Command, words: &'static Words) -> Program {
        Program { runs: Runs::Process(Running::start(command, "")), words, seen: 0 }
    }

    pub fn thread(thread: Thread) -> Program {
        Program { runs: Runs::Thread(thread), words: &WORDS, seen: 0 }
    }

    fn lines(&self) -> &Lines {
        match &self.runs {
            Runs::Process(running) => &running.stdout,
            Runs::Thread(thread) => &thread.lines,
        }
    }

    /// The line with this word that has `n` others before it, once it is there.
    fn line(&self, n: usize, word: &str) -> String {
        self.lines().nth_after(0, n, &[word]).unwrap_or_else(|| {
            let said = match &self.runs {
                Runs::Process(running) => [running.stdout.all(), running.stderr.all()].concat(),
                Runs::Thread(thread) => thread.lines.all(),
            };
            panic!("no line {n} with {word:?} in:\n{}", said.join("\n"))
        })
    }

    /// Waits until it is connected; the line in which it says so.
    pub fn connected(&self) -> String {
        self.line(0, self.words.connected)
    }

    /// Waits until its subscription is granted.
    pub fn subscribed(self) -> Program {
        self.line(0, self.words.subscribed);
        self
    }

    /// The next message that it receives.
    pub fn next(&mut self) -> Message {
        self.seen += 1;
        Message::read(&self.line(self.seen - 1, "message "))
    }

    fn end(self) -> End {
        match self.runs {
            Runs::Process(running) => {
                let done = running.done();
                End { well: done.status.success(), said: done.stdout + "\n" + &done.stderr }
            }
            Runs::Thread(thread) => {
                assert!(thread.lines.wait_end(), "it hangs: {:?}", thread.lines.all());
                let said = thread.lines.all().join("\n");
                End { well: thread.well(), said }
            }
        }
    }

    /// Waits for its end; panics unless it has done its task.
    pub fn must_succeed(self) {
        let end = self.end();
        assert!(end.well, "{}", end.said);
    }

    /// Waits for its end; panics unless its login was refused.
    pub fn must_be_refused(self) {
        let words = self.words;
        let end = self.end();
        let told = words.refused.iter().any(|word| end.said.lines().any(|line| line == *word));
        assert!(!end.well && told, "{}", end.said);
    }
}

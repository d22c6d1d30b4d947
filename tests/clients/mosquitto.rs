//! `mosquitto_pub` and `mosquitto_sub` of Debian, as people type them.

use std::process::Command;

use crate::program::{Job, Message, Program, Task, Words};
use crate::rig::{Client, Transport, Version};

pub const CLIENT: Client = Client {
    name: "mosquitto_pub, mosquitto_sub",
    version: "Debian's",
    pinned: ("scripts/test-env", "mosquitto-clients"),
    over: Transport::Tcp,
    tells_resumed: false,
    start,
};

/// What they say with `-d`.
const WORDS: Words = Words {
    connected: "received CONNACK (0)",
    subscribed: "Subscribed (mid: ",
    refused: &[
        "Connection error: Connection Refused: bad user name or password.",
        "Connection error: Bad User Name or Password",
    ],
};

fn start(job: &Job) -> Program {
    let mut command = match &job.task {
        Task::Listen(filter) => listen(*filter),
        Task::Visit(filter) => {
            let mut command = listen(*filter);
            command.arg("-E");
            command
        }
        Task::Publish(message) => publish(message),
    };
    login(&mut command, job);
    Program::process(command, &WORDS)
}

/// It does not run without a topic, so it subscribes to one that nobody uses; never to an inbox.
/// Without a terminal it would keep its lines until there are many.
fn listen(filter: Option<&str>) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "mosquitto_sub", "-q", "2", "-t", filter.unwrap_or("nothing/at/all")]);
    command.args(["-F", "message %t %q %r %p"]);
    command
}

fn publish(message: &Message) -> Command {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-t", &message.topic, "-q", &message.qos.to_string()]);
    if message.retain {
        command.arg("-r");
    }
    match message.payload.as_str() {
        "" => command.arg("-n"),
        payload => command.args(["-m", payload]),
    };
    command
}

fn login(command: &mut Command, job: &Job) {
    command.args(["-h", &job.addr.ip().to_string(), "-p", &job.addr.port().to_string(), "-d"]);
    command.args(["-V", version(job.version), "-i", job.client_id]);
    command.args(["-u", job.uid, "-P", job.password]);
    if job.durable {
        command.arg("-c");
    }
    if job.durable && job.version == Version::V5 {
        command.args(["-x", "3600"]);
    }
    if let Some(topic) = job.will {
        command.args(["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1"]);
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V31 => "mqttv31",
        Version::V311 => "mqttv311",
        Version::V5 => "mqttv5",
    }
}

speaks!(v31: V31, v311: V311, v5: V5);

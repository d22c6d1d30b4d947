//! aiomqtt 2.5.1 for Python, paho-mqtt under asyncio.

use std::process::Command;

use crate::program::{Job, Program, WORDS, script};
use crate::rig::{Client, Transport};
use crate::support::python::interpreter;

pub const CLIENT: Client = Client {
    name: "aiomqtt",
    version: "2.5.1",
    pinned: ("scripts/test-env", "'aiomqtt==2.5.1'"),
    over: Transport::Tcp,
    tells_resumed: false,
    start,
};

fn start(job: &Job) -> Program {
    let mut python = Command::new(interpreter("aiomqtt"));
    python.arg("-B").arg(script("device_on_aiomqtt.py")).args(job.options());
    Program::process(python, &WORDS)
}

speaks!(v31: V31, v311: V311, v5: V5);

//! gmqtt 0.8.0 for Python, asyncio with a codec of its own.

use std::process::Command;

use crate::program::{Job, Program, WORDS, script};
use crate::rig::{Client, Transport};
use crate::support::python::interpreter;

pub const CLIENT: Client = Client {
    name: "gmqtt",
    version: "0.8.0",
    pinned: ("scripts/test-env", "'gmqtt==0.8.0'"),
    over: Transport::Tcp,
    tells_resumed: true,
    start,
};

fn start(job: &Job) -> Program {
    let mut python = Command::new(interpreter("gmqtt"));
    python.arg("-B").arg(script("device_on_gmqtt.py")).args(job.options());
    Program::process(python, &WORDS)
}

speaks!(v311: V311, v5: V5);

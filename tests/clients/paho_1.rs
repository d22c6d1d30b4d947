//! paho-mqtt 1.6.1 for Python, the last of the old interface.

use std::process::Command;

use crate::program::{Job, Program, WORDS, script};
use crate::rig::{Client, Transport};
use crate::support::python::interpreter;

pub const CLIENT: Client = Client {
    name: "paho-mqtt",
    version: "1.6.1",
    pinned: ("scripts/test-env", "'paho-mqtt==1.6.1'"),
    over: Transport::Tcp,
    tells_resumed: true,
    start,
};

fn start(job: &Job) -> Program {
    let mut python = Command::new(interpreter("paho1"));
    python.arg("-B").arg(script("device_on_paho.py")).args(job.options());
    Program::process(python, &WORDS)
}

speaks!(v31: V31, v311: V311, v5: V5);

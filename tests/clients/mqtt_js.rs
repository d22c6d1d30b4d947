//! MQTT.js 5 in Node, over TCP.

use crate::program::{Job, Program, WORDS, script};
use crate::rig::{Client, Transport};
use crate::support::node;

pub const CLIENT: Client = Client {
    name: "MQTT.js",
    version: "5.16.0",
    pinned: ("scripts/test-env", "'mqtt@5.16.0'"),
    over: Transport::Tcp,
    tells_resumed: true,
    start: |job| start(job, &[]),
};

pub fn start(job: &Job, more: &[&str]) -> Program {
    let mut node = node::node();
    node.arg(script("device_on_mqtt_js.cjs")).args(job.options()).args(more);
    Program::process(node, &WORDS)
}

speaks!(v31: V31, v311: V311, v5: V5);

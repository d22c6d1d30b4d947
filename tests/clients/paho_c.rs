//! paho C, the library of Debian, by a program that is compiled here.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::program::{Job, Program, WORDS, script};
use crate::rig::{Client, Transport};

pub const CLIENT: Client = Client {
    name: "paho C",
    version: "Debian's",
    pinned: ("scripts/test-env", "libpaho-mqtt-dev"),
    over: Transport::Tcp,
    tells_resumed: true,
    start,
};

/// The program; compiled once in a run of the tests.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("device_on_paho_c");
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Werror", "-o"]).arg(&program).arg(script("device_on_paho_c.c"));
        cc.args(["-lpaho-mqtt3a", "-lpthread"]);
        let done = cc.output().expect("cc; scripts/test-env installs it");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "scripts/test-env installs the library:\n{said}");
        program
    })
}

fn start(job: &Job) -> Program {
    let mut device = Command::new(program());
    device.args(job.options());
    Program::process(device, &WORDS)
}

speaks!(v31: V31, v311: V311, v5: V5);

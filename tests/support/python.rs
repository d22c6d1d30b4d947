//! Python with MQTT libraries, as `scripts/test-env` installed them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::Running;

/// The interpreter of the environment of this name.
pub fn interpreter(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-env").join(name);
    let python = dir.join("bin/python");
    assert!(python.exists(), "{} is missing: run scripts/test-env", python.display());
    python
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Paho {
    /// 1.6.1, the last of the old interface.
    V1,
    /// The newest 2.x.
    V2,
}

impl Paho {
    /// The first argument that 2.x demands of `Client(...)`, with its comma; nothing for 1.6.
    pub fn api(self) -> &'static str {
        match self {
            Paho::V1 => "",
            Paho::V2 => "mqtt.CallbackAPIVersion.VERSION2, ",
        }
    }

    fn interpreter(self) -> PathBuf {
        interpreter(match self {
            Paho::V1 => "paho1",
            Paho::V2 => "paho2",
        })
    }

    /// Runs a script; its lines can be followed.
    pub fn start(self, script: &str) -> Running {
        let mut command = Command::new(self.interpreter());
        command.args(["-u", "-c", script]);
        Running::start(command, "")
    }

    /// Runs a script to its end; panics unless it succeeds.
    pub fn run(self, script: &str) {
        self.start(script).succeed();
    }
}

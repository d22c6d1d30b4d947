//! MQTT.js, as `scripts/test-env` installed it.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn modules() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-env/mqttjs/node_modules");
    assert!(modules.exists(), "{} is missing: run scripts/test-env", modules.display());
    modules
}

/// Node that finds it.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", modules());
    node
}

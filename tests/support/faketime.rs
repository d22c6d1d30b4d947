//! A broker whose wall clock a test sets while it runs, by libfaketime; its monotonic one is real.

use std::path::{Path, PathBuf};

use super::broker::{Broker, Start};

/// The file that says how far the wall clock is off.
pub struct WallClock {
    dir: tempfile::TempDir,
}

impl WallClock {
    /// At first it is right.
    pub fn new() -> WallClock {
        let clock = WallClock { dir: tempfile::TempDir::new().expect("temporary directory") };
        clock.set("+0");
        clock
    }

    /// `+1d`, `-3650d`, `+0`: how far off from now on.
    pub fn set(&self, off: &str) {
        // Whoever reads it sees all of it or what was there before.
        let new = self.dir.path().join("new");
        std::fs::write(&new, off).expect("write");
        std::fs::rename(new, self.file()).expect("rename");
    }

    /// A broker that goes by it.
    pub fn of(&self, start: Start) -> Start {
        start
            .env("LD_PRELOAD", library().to_str().expect("UTF-8"))
            .env("FAKETIME_TIMESTAMP_FILE", self.file().to_str().expect("UTF-8"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("off")
    }
}

/// Debian puts it below the name of the machine's kind.
fn library() -> PathBuf {
    let kinds = std::fs::read_dir("/usr/lib").expect("/usr/lib");
    let below = |dir: std::fs::DirEntry| dir.path().join("faketime/libfaketimeMT.so.1");
    let found = kinds.map_while(Result::ok).map(below).find(|path: &PathBuf| Path::exists(path));
    found.expect("libfaketimeMT.so.1 is missing: run scripts/test-env")
}

/// Waits until the sweeper has been everywhere several times: each of its steps is a commit, and a
/// round has four at least.
pub fn wait_for_sweeps(broker: &Broker) {
    let commits = || broker.metrics("homing_commits_total", &[]);
    let before = commits();
    super::wait_until("the sweeper", || (commits() > before + 20.0).then_some(()));
}

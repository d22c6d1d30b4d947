//! How long the disk takes to keep a promise: every commit waits for one fsync.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Check;
use super::scene::Scene;
use super::{CHECK_WAIT, aside, millis};
use crate::clock::Stopwatch;

/// How often it is measured.
const SYNCS: usize = 9;
/// As much as a small batch writes.
const WRITE_BYTES: usize = 16 * 1024;
/// Not measured again if all so far took longer: a slow disk is slow enough to be seen by then.
const MEASURE_MAX: Duration = Duration::from_secs(2);
/// A median beyond it is felt by publishers: commits come one after the other.
const MEDIAN_MAX: Duration = Duration::from_millis(30);
/// The same for the longest.
const LONGEST_MAX: Duration = Duration::from_millis(500);
const NEXT: &str = "give the data directory a faster disk, or look who else keeps it busy";

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// The directory is not there.
    NoDirectory,
    Measured(Result<Vec<Duration>, String>),
}

pub async fn look(scene: &Scene) -> Facts {
    let dir = scene.data.clone();
    if !dir.is_dir() {
        return Facts::NoDirectory;
    }
    let measured = aside(move || measure(&dir)).await;
    let words = |error: io::Error| error.to_string();
    Facts::Measured(measured.map_or_else(|| Err("interrupted".into()), |all| all.map_err(words)))
}

/// A file of its own in the directory, removed again when it goes.
struct Probe {
    path: PathBuf,
    file: File,
}

impl Probe {
    fn new(dir: &Path) -> io::Result<Probe> {
        let path = dir.join(format!("doctor.{}", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600).open(&path)?;
        Ok(Probe { path, file })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("homing doctor: {} cannot be removed: {error}", self.path.display());
        }
    }
}

fn measure(dir: &Path) -> io::Result<Vec<Duration>> {
    let mut probe = Probe::new(dir)?;
    let whole = Stopwatch::start();
    let mut all = Vec::new();
    while all.len() < SYNCS && whole.elapsed() < MEASURE_MAX {
        probe.file.write_all(&[0; WRITE_BYTES])?;
        let watch = Stopwatch::start();
        probe.file.sync_data()?;
        all.push(watch.elapsed());
    }
    all.sort();
    Ok(all)
}

/// The measuring did not come to its end; publishers wait as long.
pub fn late() -> Vec<Check> {
    let words = format!("it did not come to its end within {} s", CHECK_WAIT.as_secs());
    vec![Check::warning("disk sync", words, NEXT)]
}

pub fn judge(facts: Facts) -> Vec<Check> {
    let name = "disk sync";
    let all = match facts {
        Facts::NoDirectory => {
            return vec![Check::skipped(
                name,
                "there is no data directory yet that could be tried",
            )];
        }
        Facts::Measured(Ok(all)) => all,
        Facts::Measured(Err(error)) => {
            let words = format!("a file in the data directory cannot be written: {error}");
            let next = "look at the disk, its quota and its rights";
            return vec![Check::error(name, words, next)];
        }
    };
    let median = all.get(all.len() / 2).copied().unwrap_or_default();
    let longest = all.last().copied().unwrap_or_default();
    let words = format!("{} ms, the longest {} ms", millis(median), millis(longest));
    let check = match median > MEDIAN_MAX || longest > LONGEST_MAX {
        true => Check::warning(
            name,
            format!(
                "{words}: every acknowledgement waits for one, {} ms would be good",
                MEDIAN_MAX.as_millis()
            ),
            NEXT,
        ),
        false => Check::ok(name, words),
    };
    vec![check.with("median_ms", millis(median)).with("max_ms", millis(longest))]
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn status(all: &[u64]) -> Status {
        let all = all.iter().copied().map(Duration::from_millis).collect();
        judge(Facts::Measured(Ok(all)))[0].status
    }

    #[test]
    fn slow_disks_are_warned_of() {
        assert_eq!(status(&[1, 2, 400]), Status::Ok);
        assert_eq!(status(&[1, 31, 40]), Status::Warning);
        assert_eq!(status(&[1, 2, 501]), Status::Warning);
        assert_eq!(judge(Facts::NoDirectory)[0].status, Status::Skipped);
        assert_eq!(judge(Facts::Measured(Err("full".into())))[0].status, Status::Error);
    }

    #[test]
    fn measuring_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(measure(dir.path()).unwrap().len(), SYNCS);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(measure(&dir.path().join("none")).is_err());
    }
}

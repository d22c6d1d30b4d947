//! Room on the disk: below `store.reserve` nothing new is stored, while deletes and cursors go on,
//! so that it recovers by itself. A ballast file gives the deletes room when the disk is full.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs4::FileExt;

use super::StoreError;
use crate::model::Moment;

/// How old the last look at the disk may be.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
const BALLAST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The ballast's share of the reserve, as its divisor.
const BALLAST_RESERVE_DIVISOR: u64 = 4;
const BALLAST_NAME: &str = "ballast";

/// Watches the file system that holds the data directory.
pub struct DiskGuard {
    dir: PathBuf,
    reserve: u64,
    checked_at: Option<Moment>,
    /// What the last check said, in words.
    low: Option<String>,
}

impl DiskGuard {
    /// Guards `dir`, keeps `reserve` bytes free and puts the ballast there if there is room.
    pub fn new(dir: &Path, reserve: u64) -> DiskGuard {
        DiskGuard { dir: dir.into(), reserve, checked_at: None, low: None }
    }

    /// Whether appends may go on; looks at the disk at most once per 100 ms.
    ///
    /// # Errors
    /// [`StoreError::Full`] with the free space, the bound and its key.
    pub fn check(&mut self, now: Moment) -> Result<(), StoreError> {
        let fresh = |at: Moment| now.since(at) < CHECK_INTERVAL;
        if !self.checked_at.is_some_and(fresh) {
            self.checked_at = Some(now);
            self.look();
        }
        match &self.low {
            Some(words) => Err(StoreError::Full(words.clone())),
            None => Ok(()),
        }
    }

    /// The store itself met a full disk: gives the ballast away and looks again at the next check.
    pub fn release(&mut self) {
        self.checked_at = None;
        match std::fs::remove_file(self.ballast()) {
            Ok(()) => tracing::warn!("the disk is full: the ballast file is removed for deletes"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!("the ballast file cannot be removed: {error}"),
        }
    }

    fn look(&mut self) {
        let was_low = self.low.take();
        match fs4::available_space(&self.dir) {
            Err(error) => tracing::error!("the free space cannot be read: {error}"),
            Ok(free) if free < self.reserve => self.low = Some(self.words(free)),
            Ok(free) => self.restore(free),
        }
        match (&was_low, &self.low) {
            (None, Some(words)) => tracing::error!("the disk is nearly full: {words}"),
            (Some(_), None) => tracing::warn!("the disk has room again: messages are stored"),
            _ => {}
        }
    }

    fn words(&self, free: u64) -> String {
        let (dir, reserve) = (self.dir.display(), self.reserve);
        format!(
            "{free} bytes are free in {dir}, store.reserve is {reserve}: \
             free some space or lower store.reserve"
        )
    }

    /// Puts the ballast back where that leaves more than the reserve.
    fn restore(&self, free: u64) {
        let bytes = (self.reserve / BALLAST_RESERVE_DIVISOR).min(BALLAST_BYTES_MAX);
        let missing = std::fs::metadata(self.ballast()).map_or(true, |file| file.len() != bytes);
        if missing
            && free > self.reserve + bytes
            && let Err(error) = self.fill(bytes)
        {
            tracing::warn!("the ballast file cannot be written: {error}");
        }
    }

    fn fill(&self, bytes: u64) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file: File =
            options.create(true).write(true).truncate(true).mode(0o600).open(self.ballast())?;
        file.allocate(bytes)
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join(BALLAST_NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn below_the_reserve_appends_are_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = DiskGuard::new(dir.path(), u64::MAX / 2);
        let Err(StoreError::Full(words)) = guard.check(Moment(0)) else { panic!("not refused") };
        assert!(words.contains("store.reserve"), "{words}");
    }

    #[test]
    fn it_looks_again_after_the_interval_and_recovers_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = DiskGuard::new(dir.path(), u64::MAX / 2);
        assert!(guard.check(Moment(0)).is_err());
        guard.reserve = 0;
        assert!(guard.check(Moment(99)).is_err());
        assert!(guard.check(Moment(100)).is_ok());
    }

    #[test]
    fn the_ballast_is_private_goes_when_asked_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = DiskGuard::new(dir.path(), 64 * 1024);
        guard.check(Moment(0)).unwrap();
        let meta = std::fs::metadata(guard.ballast()).unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o777), (16 * 1024, 0o600));
        guard.release();
        assert!(!guard.ballast().exists());
        guard.check(Moment(1)).unwrap();
        assert!(guard.ballast().exists());
    }
}

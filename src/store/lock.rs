//! The data directory belongs to one process at a time and to one mode for ever.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK_NAME: &str = "homing.lock";
const MODE_NAME: &str = "homing.mode";
/// Whoever only looks at the lock ([`holder`]) has it for far less than this.
const LOOK_WAIT: Duration = Duration::from_millis(50);

/// What a data directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `homing dev`: accounts with a known password.
    Dev,
    /// `homing serve`.
    Serve,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Serve => "serve",
        }
    }
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "the data directory {dir} is in use by another homing process{holder}: stop it first, \
         or give this one another directory with --data"
    )]
    Taken { dir: PathBuf, holder: String },
    #[error(
        "the data directory {dir} belongs to 'homing {found}', not to 'homing {wanted}': \
         give this one another directory with --data"
    )]
    OtherMode { dir: PathBuf, found: String, wanted: &'static str },
    #[error("the data directory {dir} cannot be used: {error}")]
    Io { dir: PathBuf, error: io::Error },
}

/// The right to write in a data directory, given back when dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Takes a data directory for this process; creates it, private, if it is not there.
///
/// # Errors
/// [`LockError`]: another process has it, it belongs to the other mode, or it cannot be written.
pub fn lock(dir: &Path, mode: Mode) -> Result<DataLock, LockError> {
    let io_error = |error| LockError::Io { dir: dir.into(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error)?;
    let mut file = open_private(&dir.join(LOCK_NAME)).map_err(io_error)?;
    match take(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = pid(&mut file).map_or_else(String::new, |pid| format!(" (pid {pid})"));
            return Err(LockError::Taken { dir: dir.into(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(io_error(error)),
    }
    write_holder(&mut file).map_err(io_error)?;
    check_mode(dir, mode)?;
    Ok(DataLock { _file: file })
}

/// Tries once more, in case somebody only looked at it.
fn take(file: &File) -> Result<(), TryLockError> {
    file.try_lock().or_else(|_| {
        std::thread::sleep(LOOK_WAIT);
        file.try_lock()
    })
}

/// Who has a data directory at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// Its process, if that has written who it is.
    Process(Option<u32>),
}

/// Who has a data directory; nothing in it is changed.
///
/// # Errors
/// If the lock is there and cannot be looked at.
pub fn holder(dir: &Path) -> io::Result<Holder> {
    let mut file = match File::open(dir.join(LOCK_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        file => file?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Process(pid(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The mode a data directory was made for; `None` if it is new.
///
/// # Errors
/// [`LockError::Io`] if the marker cannot be read.
pub fn mode_of(dir: &Path) -> Result<Option<Mode>, LockError> {
    let io_error = |error| LockError::Io { dir: dir.into(), error };
    match std::fs::read_to_string(dir.join(MODE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(error)),
        Ok(text) => match text.trim() {
            "dev" => Ok(Some(Mode::Dev)),
            "serve" => Ok(Some(Mode::Serve)),
            found => {
                let words = format!("its {MODE_NAME} says '{found}', not 'dev' or 'serve'");
                Err(io_error(io::Error::new(io::ErrorKind::InvalidData, words)))
            }
        },
    }
}

fn check_mode(dir: &Path, wanted: Mode) -> Result<(), LockError> {
    let io_error = |error| LockError::Io { dir: dir.into(), error };
    match mode_of(dir)? {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(LockError::OtherMode {
            dir: dir.into(),
            found: found.name().into(),
            wanted: wanted.name(),
        }),
        None => {
            let mut file = open_private(&dir.join(MODE_NAME)).map_err(io_error)?;
            writeln!(file, "{}", wanted.name()).and_then(|()| file.sync_all()).map_err(io_error)
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Who holds it, for messages only: an unreadable file just says less.
fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_process_is_refused_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path(), Mode::Serve).unwrap();
        let words = lock(dir.path(), Mode::Serve).unwrap_err().to_string();
        assert!(words.contains(&format!("pid {}", std::process::id())), "{words}");
        drop(first);
        lock(dir.path(), Mode::Serve).unwrap();
    }

    #[test]
    fn who_has_it_can_be_seen_without_making_or_taking_anything() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), Holder::Nobody);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let taken = lock(dir.path(), Mode::Serve).unwrap();
        let here = Holder::Process(Some(std::process::id()));
        assert_eq!(holder(dir.path()).unwrap(), here);
        drop(taken);
        assert_eq!(holder(dir.path()).unwrap(), Holder::Nobody);
    }

    #[test]
    fn who_only_looks_keeps_nobody_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        drop(lock(dir.path(), Mode::Serve).unwrap());
        let looking = File::open(dir.path().join(LOCK_NAME)).unwrap();
        looking.lock_shared().unwrap();
        let looks = std::thread::spawn(move || drop(looking));
        lock(dir.path(), Mode::Serve).unwrap();
        looks.join().unwrap();
    }

    #[test]
    fn dev_and_serve_never_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        drop(lock(dir.path(), Mode::Dev).unwrap());
        let words = lock(dir.path(), Mode::Serve).unwrap_err().to_string();
        assert!(words.contains("belongs to 'homing dev'"), "{words}");
        assert_eq!(mode_of(dir.path()).unwrap(), Some(Mode::Dev));
    }

    #[test]
    fn a_new_directory_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        lock(&dir, Mode::Dev).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(LOCK_NAME))), (0o700, 0o600));
        assert_eq!(mode(&dir.join(MODE_NAME)), 0o600);
    }
}

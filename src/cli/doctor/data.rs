//! The data directory: whether it can be used, by whom, and who else can read in it.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::aside;
use super::check::{Check, chmod};
use super::scene::Scene;
use crate::config::Size;
use crate::store::lock::{Mode, mode_of};

/// Rights of all but the owner.
const NOT_OWNER: u32 = 0o077;
/// With less free space than so many times `store.reserve` it is time to do something.
const ROOM_FACTOR: u64 = 4;

/// What there is of the directory.
#[derive(Clone, Debug, PartialEq)]
enum Directory {
    Missing {
        /// The directory that it would be made in, and whether this user may.
        parent: PathBuf,
        writable: bool,
    },
    /// Something else has its name.
    NotOne,
    /// `owner` and `user` are system users.
    There { mode: u32, owner: u32, user: u32, writable: bool },
}

pub async fn look(scene: &Scene) -> Vec<Check> {
    let (dir, reserve) = (scene.data.clone(), scene.config.store.reserve);
    aside(move || checks(&dir, reserve)).await.unwrap_or_default()
}

fn checks(dir: &Path, reserve: Size) -> Vec<Check> {
    let directory = match directory(dir) {
        Ok(directory) => directory,
        Err(error) => {
            let next = "run it as the system user of the broker";
            return vec![Check::error("data directory", told(dir, &error.to_string()), next)];
        }
    };
    let mode = mode_of(dir).map_err(|error| error.to_string());
    let mut all = vec![judge(dir, &directory, mode)];
    all.extend(match readable_files(dir) {
        Ok(files) => vec![judge_files(&files)],
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let next = "run it as the system user of the broker";
            vec![Check::error("data files", told(dir, &error.to_string()), next)]
        }
    });
    let place = nearest(dir);
    let free = fs4::available_space(&place).map_err(|error| told(&place, &error.to_string()));
    all.push(judge_room(free, reserve));
    all
}

fn told(path: &Path, words: &str) -> String {
    format!("{}: {words}", path.display())
}

fn directory(dir: &Path) -> io::Result<Directory> {
    match std::fs::metadata(dir) {
        Ok(found) if !found.is_dir() => Ok(Directory::NotOne),
        Ok(found) => Ok(Directory::There {
            mode: found.permissions().mode(),
            owner: found.uid(),
            user: rustix::process::geteuid().as_raw(),
            writable: writable(dir),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = nearest(dir);
            let writable = writable(&parent);
            Ok(Directory::Missing { parent, writable })
        }
        Err(error) => Err(error),
    }
}

/// As this user, of a directory.
fn writable(dir: &Path) -> bool {
    let rights = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, dir, rights, AtFlags::EACCESS).is_ok()
}

/// The directory itself, or the nearest above it that is there.
fn nearest(dir: &Path) -> PathBuf {
    let whole = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let there = whole.ancestors().find(|path| path.exists());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn judge(dir: &Path, directory: &Directory, mode: Result<Option<Mode>, String>) -> Check {
    let name = "data directory";
    let other = "give another one with --data";
    match (directory, mode) {
        (Directory::NotOne, _) => Check::error(name, told(dir, "is no directory"), other),
        (Directory::Missing { parent, writable: false }, _) => Check::error(
            name,
            told(
                dir,
                &format!("is not there, and this user may not make it in {}", parent.display()),
            ),
            "make it for the user of the broker, with mode 0700; or run this as that user",
        ),
        (Directory::Missing { .. }, _) => {
            Check::ok(name, told(dir, "is not there yet, and is made at the first start"))
        }
        (Directory::There { mode, owner, user, writable: false }, _) => {
            judge_rights(dir, (*mode, *owner, *user), false)
        }
        (_, Err(words)) => Check::error(name, words, other),
        (_, Ok(Some(Mode::Dev))) => {
            Check::error(name, told(dir, "belongs to `homing dev`, not to `homing serve`"), other)
        }
        (Directory::There { mode, owner, user, writable }, _) => {
            judge_rights(dir, (*mode, *owner, *user), *writable)
        }
    }
}

fn judge_rights(dir: &Path, (mode, owner, user): (u32, u32, u32), writable: bool) -> Check {
    let name = "data directory";
    let check = match writable {
        false => Check::error(
            name,
            told(dir, &format!("cannot be written by this system user ({user})")),
            format!("run it as the system user of the broker ({owner}), or chown it"),
        ),
        true if user != owner => Check::warning(
            name,
            told(dir, &format!("belongs to the system user {owner}, and this is {user}")),
            "run the doctor as the system user of the broker: rights are those of who runs it",
        ),
        true if mode & NOT_OWNER != 0 => Check::warning(
            name,
            told(dir, "can be entered or read by other users of this machine"),
            chmod("700", dir),
        ),
        true => Check::ok(name, told(dir, "can be written, and is closed to others")),
    };
    check.with("mode", format!("{:04o}", mode & 0o7777)).with("owner", owner)
}

/// Files that others than their owner have rights to.
fn readable_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        match file.metadata() {
            Ok(meta) if meta.permissions().mode() & NOT_OWNER != 0 => found.push(file.path()),
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    found.sort();
    Ok(found)
}

fn judge_files(readable: &[PathBuf]) -> Check {
    let name = "data files";
    let next = || readable.iter().map(|path| chmod("600", path)).collect::<Vec<_>>().join("; ");
    match readable {
        [] => Check::ok(name, "none is open to other users"),
        [first, ..] => {
            let words = format!("other users have rights to {} of them", readable.len());
            Check::warning(name, words, next()).with("first", first.display().to_string())
        }
    }
}

fn judge_room(free: Result<u64, String>, reserve: Size) -> Check {
    let name = "disk space";
    let next = "free some space, or lower store.reserve";
    let free = match free {
        Ok(free) => free,
        Err(words) => return Check::error(name, words, "look at the disk"),
    };
    let shown = format!("{} MiB are free, store.reserve is {reserve}", free >> 20);
    let check = match free {
        free if free < reserve.0 => {
            Check::error(name, format!("{shown}: nothing new is stored"), next)
        }
        free if free < reserve.0.saturating_mul(ROOM_FACTOR) => Check::warning(name, shown, next),
        _ => Check::ok(name, shown),
    };
    check.with("free_bytes", free).with("reserve_bytes", reserve.0)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    const DIR: &str = "/var/lib/homing";

    fn status(directory: Directory, mode: Result<Option<Mode>, String>) -> Status {
        judge(Path::new(DIR), &directory, mode).status
    }

    fn there(mode: u32, user: u32, writable: bool) -> Directory {
        Directory::There { mode, owner: 7, user, writable }
    }

    #[test]
    fn a_directory_is_good_for_its_owner_alone() {
        let serve = || Ok(Some(Mode::Serve));
        assert_eq!(status(there(0o40700, 7, true), serve()), Status::Ok);
        assert_eq!(status(there(0o40700, 7, true), Ok(None)), Status::Ok);
        assert_eq!(status(there(0o40755, 7, true), serve()), Status::Warning);
        assert_eq!(status(there(0o40700, 0, true), serve()), Status::Warning);
        assert_eq!(status(there(0o40700, 8, false), serve()), Status::Error);
        assert_eq!(status(there(0o40700, 7, true), Ok(Some(Mode::Dev))), Status::Error);
        assert_eq!(status(there(0o40700, 7, true), Err("odd".into())), Status::Error);
        assert_eq!(status(Directory::NotOne, Ok(None)), Status::Error);
    }

    #[test]
    fn one_that_is_not_there_is_good_where_it_can_be_made() {
        let missing = |writable| Directory::Missing { parent: "/var/lib".into(), writable };
        assert_eq!(status(missing(true), Ok(None)), Status::Ok);
        assert_eq!(status(missing(false), Ok(None)), Status::Error);
    }

    #[test]
    fn files_of_others_are_named_with_the_line_that_mends_them() {
        assert_eq!(judge_files(&[]).status, Status::Ok);
        let open = judge_files(&["/d/homing.db".into(), "/d/audit.log".into()]);
        assert_eq!(open.status, Status::Warning);
        assert_eq!(open.next.unwrap(), "chmod 600 /d/homing.db; chmod 600 /d/audit.log");
    }

    #[test]
    fn the_disk_is_compared_with_the_reserve() {
        let status = |free| judge_room(Ok(free), Size(100)).status;
        assert_eq!(
            [99, 100, 399, 400].map(status),
            [Status::Error, Status::Warning, Status::Warning, Status::Ok]
        );
        assert_eq!(judge_room(Err("gone".into()), Size(1)).status, Status::Error);
    }

    #[test]
    fn the_nearest_directory_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&dir.path().join("a/b")), dir.path());
        assert_eq!(nearest(dir.path()), dir.path());
    }
}

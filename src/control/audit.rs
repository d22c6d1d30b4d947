//! The audit log: one line of JSON in `audit.log` of the data directory for every administrative
//! action, on disk before the action is answered.
//!
//! ```text
//! {"time":"2026-11-21T10:30:00.123Z","action":"user_add","target":"alice",
//!  "by":{"uid":1000,"pid":4711},"result":"done"}
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tracing::error;

use super::{Answer, Request};
use crate::clock::Clock;

const NAME: &str = "audit.log";

/// Who asked for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Who {
    /// A process by its system user.
    Process {
        uid: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<i32>,
    },
    Signal {
        signal: &'static str,
    },
}

/// What somebody does to whom; nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub name: &'static str,
    pub target: String,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    action: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    target: &'a str,
    by: Who,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
}

/// Shared as `Arc<Audit>`.
pub struct Audit {
    path: PathBuf,
    file: Mutex<File>,
    clock: Arc<dyn Clock>,
}

impl Audit {
    /// Opens the log, or begins it with mode 0600.
    ///
    /// # Errors
    /// In words, if the file cannot be opened.
    pub fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Audit, String> {
        let path = data_dir.join(NAME);
        Ok(Audit { file: Mutex::new(open(&path)?), path, clock })
    }

    /// Opens the file anew, after somebody has moved it away; [`Audit::change`] makes it the log.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn reopen(&self) -> Result<File, String> {
        open(&self.path)
    }

    pub fn change(&self, file: File) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }

    /// Writes down what was done. On a failure the action stands: the words of it say that they
    /// are not in the log.
    ///
    /// # Errors
    /// In words for who asked; the broker's log has them too.
    pub fn record(&self, action: &Action, by: Who, result: Result<(), &str>) -> Result<(), String> {
        let line = Line {
            time: self.clock.wall().to_string(),
            action: action.name,
            target: &action.target,
            by,
            result: if result.is_ok() { "done" } else { "refused" },
            words: result.err(),
        };
        self.append(&line).map_err(|problem| {
            let Action { name, target } = action;
            error!(action = name, target, "not in the audit log: {problem}");
            format!("this is not in the audit log {}: {problem}", self.path.display())
        })
    }

    fn append(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // What a full disk left of the line before does not spoil this one.
        if !ends_well(&file)? {
            text.insert(0, b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()
    }
}

/// It is empty, no file, or ends with a whole line.
fn ends_well(file: &File) -> io::Result<bool> {
    let about = file.metadata()?;
    if !about.is_file() || about.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.read_exact_at(&mut last, about.len() - 1)?;
    Ok(last == *b"\n")
}

fn open(path: &Path) -> Result<File, String> {
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    opened.map_err(|error| format!("the audit log {} cannot be opened: {error}", path.display()))
}

impl Who {
    /// The system user of this process itself.
    pub fn this_process() -> Who {
        use std::os::unix::fs::MetadataExt;
        let uid = std::fs::metadata("/proc/self").map_or(u32::MAX, |own| own.uid());
        Who::Process { uid, pid: i32::try_from(std::process::id()).ok() }
    }
}

impl Request {
    /// What it changes; `None` for a question. Every request is named here, so that none that
    /// changes something is forgotten.
    pub(super) fn action(&self) -> Option<Action> {
        let (name, target) = match self {
            Request::Ping
            | Request::DeviceList { .. }
            | Request::AuthState { .. }
            | Request::AuthTry { .. }
            | Request::UserList { .. }
            | Request::BanList => return None,
            Request::UserAdd { uid, roles, .. } => ("user_add", with_roles(uid, roles)),
            Request::UserPasswd { uid, .. } => ("user_passwd", uid.clone()),
            Request::UserRoles { uid, roles } => ("user_roles", with_roles(uid, roles)),
            Request::UserRemove { uid } => ("user_remove", uid.clone()),
            Request::BanAdd { target, .. } => ("ban_add", target.to_string()),
            Request::BanRemove { target } => ("ban_remove", target.to_string()),
            Request::DeviceKick { uid, client_id } => ("device_kick", format!("{uid} {client_id}")),
            Request::UserKick { uid } => ("user_kick", uid.clone()),
            Request::Reload => ("reload", String::new()),
        };
        Some(Action { name, target })
    }
}

fn with_roles(uid: &str, roles: &[String]) -> String {
    if roles.is_empty() { uid.to_owned() } else { format!("{uid} roles {}", roles.join(",")) }
}

impl Answer {
    /// How an action ended.
    pub(super) fn result(&self) -> Result<(), &str> {
        match self {
            Answer::Refused { words, .. } => Err(words),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::auth::testing::password;
    use crate::clock::ManualClock;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn add() -> Action {
        Action { name: "user_add", target: "alice".into() }
    }

    const SIGNAL: Who = Who::Signal { signal: "SIGHUP" };

    #[test]
    fn a_line_says_when_what_to_whom_by_whom_and_how_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let root = Who::Process { uid: 0, pid: Some(7) };
        audit.record(&add(), root, Ok(())).unwrap();
        audit.record(&add(), SIGNAL, Err("exists")).unwrap();
        let path = dir.path().join(NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let lines = lines(&path);
        assert_eq!(lines[0]["time"], "2023-11-14T22:13:20.000Z");
        assert_eq!(
            (&lines[0]["action"], &lines[0]["target"]),
            (&"user_add".into(), &"alice".into())
        );
        assert_eq!((&lines[0]["by"]["uid"], &lines[0]["by"]["pid"]), (&0.into(), &7.into()));
        assert_eq!((&lines[0]["result"], lines[0].get("words")), (&"done".into(), None));
        assert_eq!(lines[1]["by"]["signal"], "SIGHUP");
        assert_eq!(
            (&lines[1]["result"], &lines[1]["words"]),
            (&"refused".into(), &"exists".into())
        );
    }

    #[test]
    fn a_log_that_was_moved_away_is_begun_anew_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let (path, old) = (dir.path().join(NAME), dir.path().join("old"));
        std::fs::rename(&path, &old).unwrap();
        audit.record(&add(), SIGNAL, Ok(())).unwrap();
        audit.change(audit.reopen().unwrap());
        audit.record(&add(), SIGNAL, Ok(())).unwrap();
        assert_eq!((lines(&old).len(), lines(&path).len()), (1, 1));
    }

    #[test]
    fn a_line_that_was_not_written_whole_spoils_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        let path = dir.path().join(NAME);
        audit.record(&add(), SIGNAL, Ok(())).unwrap();
        // As on a full disk.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"time\":\"20").unwrap();
        audit.record(&add(), SIGNAL, Ok(())).unwrap();
        audit.record(&add(), SIGNAL, Ok(())).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let whole =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        assert_eq!(whole.collect::<Vec<_>>(), [true, false, true, true]);
    }

    #[test]
    fn what_cannot_be_written_down_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), Arc::new(ManualClock::default())).unwrap();
        audit.change(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let words = audit.record(&add(), SIGNAL, Ok(())).unwrap_err();
        assert!(words.contains("not in the audit log"), "{words}");
    }

    #[test]
    fn no_password_is_in_an_action() {
        let request = Request::UserAdd {
            uid: "alice".into(),
            password: password("hunter2"),
            roles: vec!["operator".into()],
        };
        let action = request.action().unwrap();
        assert_eq!(action.target, "alice roles operator");
        assert_eq!(Request::Ping.action(), None);
    }
}

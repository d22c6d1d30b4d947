//! The limit of open files: raised as far as the system lets us, and connections kept below it, so
//! that the store, the control socket and HTTP always find a file (threat M7).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are not for connections: the store, its pool, HTTP, the control socket, listeners,
/// and those that are being sent away.
const RESERVE_MAX: u64 = 1024;
/// Of a small limit, connections leave this part.
const RESERVE_PART: u64 = 4;

/// How many files this process may open; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    pub soft: Option<u64>,
    /// The soft one can be raised to this, and is at the start.
    pub hard: Option<u64>,
}

pub fn file_limit() -> FileLimit {
    let limit = getrlimit(Resource::Nofile);
    FileLimit { soft: limit.current, hard: limit.maximum }
}

/// Raises the limit to what the system allows, and says how many connections it leaves room for.
pub fn connections_max(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!("the limit of open files could not be raised: {error}");
            limit.current
        }
    };
    let room = connections_in(files);
    if room < wanted {
        let files = files.unwrap_or_default();
        // No warning: with the default, most machines are like that.
        tracing::info!(
            "limits.connections is {wanted}, but only {files} files may be open: {room} \
             connections are served; raise the limit (LimitNOFILE=, ulimit -Hn)"
        );
    }
    wanted.min(room)
}

/// How many connections so many files leave room for; `None` is no limit.
pub fn connections_in(files: Option<u64>) -> usize {
    files.map_or(usize::MAX, room_in)
}

fn room_in(files: u64) -> usize {
    let reserve = (files / RESERVE_PART).min(RESERVE_MAX);
    usize::try_from(files - reserve).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_left_for_what_is_no_connection() {
        let all = [0, 100, 1024, 20_000, u64::MAX].map(room_in);
        assert_eq!(all, [1, 75, 768, 18_976, (u64::MAX - 1024) as usize]);
    }
}

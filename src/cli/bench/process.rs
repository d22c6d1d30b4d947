//! What a process uses, as Linux tells in `/proc`.

use std::fs;

use crate::cli::exit::{FAILURE, Failure};

/// A tick of the CPU times in `/proc/PID/stat`; Linux has 100 in a second everywhere.
const TICK_NANOS: u64 = 10_000_000;

/// A process by its id.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub pid: u32,
}

impl Process {
    pub fn own() -> Process {
        Process { pid: std::process::id() }
    }

    /// User and system time of all its threads until now, in nanoseconds.
    pub fn cpu_nanos(&self) -> Result<u64, Failure> {
        let stat = self.read("stat")?;
        cpu_ticks(&stat).map(|ticks| ticks * TICK_NANOS).ok_or_else(|| self.strange("stat"))
    }

    /// Memory that it shares with nobody, in bytes. The kernel's for its sockets is not in it.
    pub fn private_bytes(&self) -> Result<u64, Failure> {
        let rollup = self.read("smaps_rollup")?;
        private_bytes(&rollup).ok_or_else(|| self.strange("smaps_rollup"))
    }

    fn read(&self, file: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{file}", self.pid);
        let words = |error| format!("--pid {}: {path} cannot be read: {error}", self.pid);
        fs::read_to_string(&path).map_err(|error| Failure::new(FAILURE, words(error)))
    }

    fn strange(&self, file: &str) -> Failure {
        let words = format!("/proc/{}/{file} is not as Linux writes it", self.pid);
        Failure::new(FAILURE, words)
    }
}

/// The fields behind the name, which stands in parentheses and may contain any.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn private_bytes(rollup: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((kib("Private_Clean:")? + kib("Private_Dirty:")?) * 1024)
}

/// Files that this process may have open; `None` if it has no limit.
fn open_files_limit() -> Option<u64> {
    soft_limit(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Files beside the connections.
const OTHER_FILES_COUNT: u64 = 32;

/// Whether so many connections can be open.
///
/// # Errors
/// Words with the number to give to `ulimit -n`.
pub fn check_open_files(connections: u64) -> Result<(), Failure> {
    enough(connections, open_files_limit())
}

fn enough(connections: u64, limit: Option<u64>) -> Result<(), Failure> {
    let needed = connections + OTHER_FILES_COUNT;
    match limit {
        Some(limit) if limit < needed => Err(Failure::usage(format!(
            "{connections} connections need {needed} open files, {limit} are allowed here: run \
             `ulimit -n {needed}` first, and mind the broker's own limit"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 77";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn private_memory_is_clean_and_dirty() {
        let rollup = "55 ---p [rollup]\nRss: 900 kB\nPrivate_Clean:      4 kB\n\
                      Private_Dirty:     16 kB\n";
        assert_eq!(private_bytes(rollup), Some(20 * 1024));
        assert_eq!(private_bytes(""), None);
    }

    #[test]
    fn the_own_process_can_be_read() {
        let own = Process::own();
        assert!(own.private_bytes().unwrap() > 0);
        own.cpu_nanos().unwrap();
        let none = Process { pid: u32::MAX };
        assert!(none.cpu_nanos().unwrap_err().words.contains("--pid 4294967295"));
    }

    #[test]
    fn too_few_open_files_are_told_with_the_number() {
        let limits = "Limit  Soft  Hard  Units\nMax open files            1024    4096    files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files   unlimited  unlimited  files"), None);
        let words = enough(1000, Some(1024)).unwrap_err().words;
        assert!(words.contains("ulimit -n 1032"), "{words}");
        assert!(enough(1000, Some(1032)).is_ok() && enough(1000, None).is_ok());
    }
}

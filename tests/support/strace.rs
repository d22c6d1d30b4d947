//! System calls of the broker, watched and made to fail by strace.

use std::process::Command;

use super::command::Running;
use super::log::Lines;
use super::wait_until;

/// strace attached to a running process and all of its threads.
pub struct Strace {
    running: Running,
}

impl Strace {
    /// Attaches, and returns once every thread that was there is traced.
    pub fn attach(pid: u32, options: &[&str]) -> Strace {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string()]).args(options);
        let running = Running::start(command, "");
        // `strace: Process N attached` or, with threads, `Process N attached with M threads`.
        if running.stderr.find_after(0, &["attached"]).is_none() {
            let said = running.stderr.all().join("\n");
            panic!("strace cannot attach (is ptrace allowed here?):\n{said}");
        }
        let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
        wait_until("strace on every thread", || {
            let traced = |dir: std::fs::DirEntry| {
                let status = std::fs::read_to_string(dir.path().join("status"));
                // A thread may have ended since.
                status.map_or(true, |text| !text.contains("TracerPid:\t0\n"))
            };
            threads().map_while(Result::ok).all(traced).then_some(())
        });
        Strace { running }
    }

    /// What it has written so far, as system calls.
    pub fn lines(&self) -> &Lines {
        &self.running.stderr
    }

    /// Lets the process go and returns all that was seen.
    pub fn detach(self) -> Vec<String> {
        self.running.terminate();
        let done = self.running.done();
        done.stderr.lines().map(str::to_owned).collect()
    }
}

/// The bytes of a string as `strace -xx` prints them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// One line without its `[pid N]`: the thread and the rest.
pub fn split(line: &str) -> (&str, &str) {
    match line.strip_prefix("[pid ").and_then(|rest| rest.split_once("] ")) {
        Some((pid, rest)) => (pid.trim(), rest),
        None => ("", line),
    }
}

/// Whether the call is about a socket, in the output of `strace -y -xx`, where the names of file
/// descriptors are in hex too.
pub fn is_socket(line: &str) -> bool {
    line.contains(&format!("<{}", hex(b"socket:")))
}

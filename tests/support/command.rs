//! Other programs: the verbs of `homing` itself, and clients that are not ours.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::log::Lines;
use super::wait_until;

/// The binary under test.
pub const HOMING: &str = env!("CARGO_BIN_EXE_homing");

/// No setting of the caller's shell may reach the tests.
pub fn forget_settings(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("HOMING__") {
            command.env_remove(key);
        }
    }
}

/// A `homing` command in the making.
pub struct Homing {
    command: Command,
    stdin: String,
}

pub fn homing(words: &[&str]) -> Homing {
    let mut command = Command::new(HOMING);
    forget_settings(&mut command);
    command.args(words).env("NO_COLOR", "1");
    Homing { command, stdin: String::new() }
}

impl Homing {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Homing {
        self.command.arg(arg);
        self
    }

    pub fn env(mut self, key: &str, value: &str) -> Homing {
        self.command.env(key, value);
        self
    }

    pub fn stdin(mut self, text: &str) -> Homing {
        self.stdin = text.into();
        self
    }

    /// Starts it, with its output followed.
    pub fn start(self) -> Running {
        Running::start(self.command, &self.stdin)
    }

    pub fn run(self) -> Done {
        self.start().done()
    }

    /// Runs it; panics unless it succeeds. Its stdout.
    pub fn ok(self) -> String {
        let done = self.run();
        assert!(done.status.success(), "{}\n{}\n{}", done.status, done.stdout, done.stderr);
        done.stdout
    }

    /// Runs it; panics unless it fails. Its stderr.
    pub fn fails(self) -> String {
        let done = self.run();
        assert!(!done.status.success(), "it succeeded: {}\n{}", done.stdout, done.stderr);
        done.stderr
    }
}

/// A program that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

/// A program that has ended.
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    pub fn start(mut command: Command, stdin: &str) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{:?}: {error}; scripts/test-env installs it", command.get_program())
        });
        let (stdout, stderr) = (Lines::default(), Lines::default());
        stdout.follow(child.stdout.take().expect("piped"));
        stderr.follow(child.stderr.take().expect("piped"));
        let mut input = child.stdin.take().expect("piped");
        // A program that ends without reading its input is free to.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        Running { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The line of stdout with all of these words, once it is there.
    pub fn expect_line(&self, words: &[&str]) -> String {
        self.stdout.find_after(0, words).unwrap_or_else(|| {
            let (out, err) = (self.stdout.all().join("\n"), self.stderr.all().join("\n"));
            panic!("no line with {words:?} in:\n{out}\nstderr:\n{err}")
        })
    }

    /// Asks it to end by SIGTERM.
    pub fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status().expect("sh");
    }

    /// Waits until it has ended and all of its output is there.
    pub fn done(mut self) -> Done {
        let child = &mut self.child;
        let status = wait_until("a command's end", || child.try_wait().expect("wait"));
        let text = |lines: &Lines| {
            lines.wait_end();
            lines.all().join("\n")
        };
        Done { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// Waits for its end; panics unless it succeeded.
    pub fn succeed(self) -> Done {
        let done = self.done();
        assert!(done.status.success(), "{}\n{}\n{}", done.status, done.stdout, done.stderr);
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

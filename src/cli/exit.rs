//! Exit codes, the same for every verb, and how a failure is told.

use std::fmt::Display;
use std::process::ExitCode;

/// It did not work: a file, the data, what came back.
pub const FAILURE: u8 = 1;
/// The command line, the environment or a setting is wrong.
pub const USAGE: u8 = 2;
/// The broker cannot be reached, or the connection was lost.
pub const UNREACHABLE: u8 = 3;
/// The broker refuses the login.
pub const LOGIN: u8 = 4;
/// The broker refuses a message or a subscription.
pub const REFUSED: u8 = 5;
/// The time that was given has passed, as in `mosquitto_sub -W`.
pub const TIMEOUT: u8 = 27;

/// Why a verb ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u8,
    /// Who is to blame and what to do; empty if there is nothing to say.
    pub words: String,
}

impl Failure {
    pub fn new(code: u8, words: impl Display) -> Failure {
        Failure { code, words: words.to_string() }
    }

    pub fn usage(words: impl Display) -> Failure {
        Failure::new(USAGE, words)
    }
}

/// What did not work with standard output. A reader that has seen enough is no failure to tell.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::new(FAILURE, ""),
            _ => Failure::new(FAILURE, format!("cannot print: {error}")),
        }
    }
}

/// Tells a failure on stderr and turns it into the exit code.
pub fn finish(verb: &str, result: Result<(), Failure>) -> ExitCode {
    let Err(Failure { code, words }) = result else { return ExitCode::SUCCESS };
    if !words.is_empty() {
        eprintln!("homing {verb}: {words}");
    }
    ExitCode::from(code)
}

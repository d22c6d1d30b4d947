//! A password for a command: asked for on the terminal or read from standard input, never an
//! argument, which others on the machine could read.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use zeroize::Zeroizing;

use super::exit::{FAILURE, Failure};
use crate::auth::Password;
use crate::auth::password::PASSWORD_BYTES_MAX;

#[derive(Args, Debug)]
pub struct WithPassword {
    /// The user's name, which is the topic of the user's inbox
    pub uid: String,
    /// Read the password from standard input: its first line
    #[arg(long)]
    password_stdin: bool,
}

impl WithPassword {
    /// # Errors
    /// No terminal to ask on, two answers that differ, or no text that can be a password.
    pub fn ask(&self) -> Result<Password, Failure> {
        let stdin = io::stdin();
        let text = match self.password_stdin {
            true => first_line(stdin.lock()),
            false if stdin.is_terminal() => twice(&self.uid),
            false => Err(refused(
                "there is no terminal to ask for the password: give it with --password-stdin",
            )),
        }?;
        Password::try_from(text).map_err(refused)
    }
}

fn refused(words: impl std::fmt::Display) -> Failure {
    Failure::new(FAILURE, words)
}

fn twice(uid: &str) -> Result<Zeroizing<String>, Failure> {
    let ask = |prompt: String| {
        let cannot = |error| refused(format!("the password cannot be read: {error}"));
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(cannot)
    };
    let first = ask(format!("Password of {uid}: "))?;
    match ask("The same again: ".into())? == first {
        true => Ok(first),
        false => Err(refused("the two passwords differ: nothing was changed")),
    }
}

/// Reads no more than a password can have.
fn first_line(reader: impl BufRead) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX + 2));
    let mut reader = reader.take(PASSWORD_BYTES_MAX as u64 + 2);
    let cannot = |error| refused(format!("the password cannot be read as UTF-8 text: {error}"));
    reader.read_line(&mut line).map_err(cannot)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        _who: WithPassword,
    }

    #[test]
    fn a_password_comes_from_the_first_line_and_never_from_an_argument() {
        for (input, text) in [("dev\n", "dev"), ("dev", "dev"), ("a b\r\nrest\n", "a b"), ("", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap().as_str(), text);
        }
        let long = "p".repeat(5000);
        assert!(Password::try_from(first_line(long.as_bytes()).unwrap()).is_err());
        assert!(first_line(&[0xff, b'\n'][..]).is_err());
        assert!(Command::try_parse_from(["add", "bob", "dev"]).is_err());
    }
}

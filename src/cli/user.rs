//! `homing user add|passwd|list|remove`: through the running broker of a data directory, or on its
//! store when none runs.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use crate::auth::Password;
use crate::auth::password::PASSWORD_BYTES_MAX;
use crate::control::{self, Answer, AskError, Listed, Refusal, Request, Who};
use crate::store::Store;

/// The command did not do it: the user, the uid or the password is not right.
pub const EXIT_REFUSED: u8 = 1;
/// The broker or the store could not be used.
pub const EXIT_UNAVAILABLE: u8 = 3;

/// Adds, changes, lists and removes users.
#[derive(Args, Debug)]
pub struct UserArgs {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Add a user; the password is asked for on the terminal
    Add {
        #[command(flatten)]
        who: WithPassword,
        /// A role the user has: operator, service, receiver or one of your rules; may be repeated
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Set another password; connections that are open stay
    Passwd(WithPassword),
    /// Set all roles of a user, none without --role; its sessions end
    Roles {
        uid: String,
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Print all users
    List,
    /// End the user's sessions and forget the devices; the user and the mail stay
    Kick { uid: String },
    /// Remove a user, end the user's sessions, forget the devices and the mail
    Remove { uid: String },
}

#[derive(Args, Debug)]
struct WithPassword {
    /// The user's name, which is the topic of the user's inbox
    uid: String,
    /// Read the password from standard input: its first line
    #[arg(long)]
    password_stdin: bool,
}

/// A store that was opened because no broker runs, with the lock that keeps it so.
pub struct Opened<L> {
    pub store: Arc<dyn Store>,
    pub lock: L,
}

/// What went wrong, in words, and the exit code.
#[derive(Debug)]
struct Failure {
    words: String,
    exit: u8,
}

impl Failure {
    fn refused(words: impl ToString) -> Failure {
        Failure { words: words.to_string(), exit: EXIT_REFUSED }
    }

    fn unavailable(words: impl ToString) -> Failure {
        Failure { words: words.to_string(), exit: EXIT_UNAVAILABLE }
    }
}

/// Does what `args` say for the data directory. `open` locks it and opens its store, or says in
/// words why it cannot; it is asked only if no broker runs.
///
/// Exits with 0, [`EXIT_REFUSED`] or [`EXIT_UNAVAILABLE`], and words on stderr.
pub async fn run<L>(
    args: UserArgs,
    data_dir: &Path,
    open: impl AsyncFnOnce() -> Result<Opened<L>, String>,
) -> ExitCode {
    let json = args.json;
    match perform(args, data_dir, open, ask_for_password, &mut io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { words, exit }) if json => {
            eprintln!("{}", json!({ "error": words }));
            ExitCode::from(exit)
        }
        Err(Failure { words, exit }) => {
            eprintln!("homing user: {words}");
            ExitCode::from(exit)
        }
    }
}

async fn perform<L>(
    args: UserArgs,
    data_dir: &Path,
    open: impl AsyncFnOnce() -> Result<Opened<L>, String>,
    password: impl FnOnce(&WithPassword) -> Result<Password, Failure>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (request, done) = request(args.verb, password)?;
    match control::ask(data_dir, &request).await {
        Err(AskError::NoBroker) => {}
        Err(error) => return Err(Failure::unavailable(error)),
        Ok(answer) => {
            let next = async |request: Request| {
                control::ask(data_dir, &request).await.map_err(Failure::unavailable)
            };
            return print(answer, done, args.json, next, out).await;
        }
    }
    let Opened { store, lock } = open().await.map_err(Failure::unavailable)?;
    let desk = super::admin::desk(store.clone(), data_dir).await.map_err(Failure::unavailable)?;
    let next = async |request: Request| Ok(desk.answer(request, Who::this_process()).await.tell());
    let printed = print(next(request).await?, done, args.json, next, out).await;
    let closed = store.close().await.map_err(Failure::unavailable);
    drop(lock);
    printed.and(closed)
}

/// The first request of a verb, and what it did to whom once that is done.
fn request(
    verb: Verb,
    password: impl FnOnce(&WithPassword) -> Result<Password, Failure>,
) -> Result<(Request, (&'static str, String)), Failure> {
    Ok(match verb {
        Verb::Add { who, roles } => {
            let password = password(&who)?;
            (Request::UserAdd { uid: who.uid.clone(), password, roles }, ("added", who.uid))
        }
        Verb::Roles { uid, roles } => {
            (Request::UserRoles { uid: uid.clone(), roles }, ("roles set", uid))
        }
        Verb::Passwd(who) => {
            let password = password(&who)?;
            (Request::UserPasswd { uid: who.uid.clone(), password }, ("password set", who.uid))
        }
        Verb::Remove { uid } => (Request::UserRemove { uid: uid.clone() }, ("removed", uid)),
        Verb::Kick { uid } => (Request::UserKick { uid: uid.clone() }, ("kicked", uid)),
        Verb::List => (Request::UserList { after: None }, ("listed", String::new())),
    })
}

/// Prints an answer; of a list all its pages, asking for the next.
async fn print(
    mut answer: Answer,
    (done, uid): (&str, String),
    json: bool,
    mut next: impl AsyncFnMut(Request) -> Result<Answer, Failure>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    loop {
        match answer {
            Answer::Done if json => return line(out, &json!({ "uid": uid, "done": done })),
            Answer::Done => return line(out, &format_args!("{uid}: {done}")),
            Answer::Kicked { devices } if json => {
                return line(out, &json!({ "uid": uid, "done": done, "devices": devices }));
            }
            Answer::Kicked { devices } => {
                return line(out, &format_args!("{uid}: {done}, {devices} devices forgotten"));
            }
            Answer::Status { .. }
            | Answer::Bans { .. }
            | Answer::Devices { .. }
            | Answer::AuthState { .. }
            | Answer::AuthTried { .. }
            | Answer::Reloaded(_) => {
                return Err(Failure::unavailable("the broker answered something else"));
            }
            Answer::Refused { code: Refusal::Failed, words } => {
                return Err(Failure::unavailable(words));
            }
            Answer::Refused { words, .. } => return Err(Failure::refused(words)),
            Answer::Users { users } => {
                let Some(last) = users.last().map(|user| user.uid.clone()) else { return Ok(()) };
                for Listed { uid, roles } in users {
                    match json {
                        true => line(out, &json!({ "uid": uid, "roles": roles }))?,
                        false if roles.is_empty() => line(out, &uid)?,
                        false => line(out, &format_args!("{uid} ({})", roles.join(", ")))?,
                    }
                }
                answer = next(Request::UserList { after: Some(last) }).await?;
            }
        }
    }
}

fn line(out: &mut impl Write, text: &impl std::fmt::Display) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::unavailable(format!("cannot print: {error}"));
    writeln!(out, "{text}").map_err(cannot)
}

fn ask_for_password(who: &WithPassword) -> Result<Password, Failure> {
    let stdin = io::stdin();
    let text = match who.password_stdin {
        true => first_line(stdin.lock()),
        false if stdin.is_terminal() => twice(&who.uid),
        false => Err(Failure::refused(
            "there is no terminal to ask for the password: give it with --password-stdin",
        )),
    }?;
    Password::try_from(text).map_err(Failure::refused)
}

fn twice(uid: &str) -> Result<Zeroizing<String>, Failure> {
    let ask = |prompt: String| {
        let cannot = |error| Failure::refused(format!("the password cannot be read: {error}"));
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(cannot)
    };
    let first = ask(format!("Password of {uid}: "))?;
    match ask("The same again: ".into())? == first {
        true => Ok(first),
        false => Err(Failure::refused("the two passwords differ: nothing was changed")),
    }
}

/// Reads no more than a password can have.
fn first_line(reader: impl BufRead) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX + 2));
    let mut reader = reader.take(PASSWORD_BYTES_MAX as u64 + 2);
    let cannot =
        |error| Failure::refused(format!("the password cannot be read as UTF-8 text: {error}"));
    reader.read_line(&mut line).map_err(cannot)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::auth::testing::{Bench, FakeStore, password};
    use crate::control::{Audit, ControlSocket, Desk};
    use crate::health::Health;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        user: UserArgs,
    }

    fn args(line: &str) -> UserArgs {
        Command::try_parse_from(line.split(' ')).unwrap().user
    }

    /// Runs a command with the password "dev" and returns what it printed.
    async fn user(dir: &Path, store: &Arc<FakeStore>, line: &str) -> Result<String, Failure> {
        let mut out = Vec::new();
        let open = async || Ok(Opened { store: store.clone() as Arc<dyn Store>, lock: () });
        perform(args(line), dir, open, |_| Ok(password("dev")), &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn without_a_broker_the_store_is_opened() {
        let (dir, store) = (tempfile::tempdir().unwrap(), Arc::new(FakeStore::default()));
        let user = async |line: &str| user(dir.path(), &store, line).await;
        assert_eq!(user("user add bob").await.unwrap(), "bob: added\n");
        assert_eq!(user("user passwd bob").await.unwrap(), "bob: password set\n");
        let added = user("user add alice --json").await.unwrap();
        assert_eq!(added, "{\"done\":\"added\",\"uid\":\"alice\"}\n");
        assert_eq!(user("user list").await.unwrap(), "alice\nbob\n");
        let listed = user("user --json list").await.unwrap();
        assert_eq!(listed, "{\"roles\":[],\"uid\":\"alice\"}\n{\"roles\":[],\"uid\":\"bob\"}\n");
        assert_eq!(user("user remove bob").await.unwrap(), "bob: removed\n");
        let failure = user("user remove bob").await.unwrap_err();
        assert!(failure.words.contains("no user bob") && failure.exit == EXIT_REFUSED);
        let failure = user("user add a/b").await.unwrap_err();
        assert!(failure.words.contains("must not contain") && failure.exit == EXIT_REFUSED);
    }

    #[tokio::test]
    async fn a_running_broker_does_it_and_the_store_is_left_alone() {
        let (dir, bench) = (tempfile::tempdir().unwrap(), Bench::new());
        let (book, bans) = (bench.auth.book.clone(), bench.bans().await);
        let audit = Arc::new(Audit::open(dir.path(), bench.clock.clone()).unwrap());
        let health = Arc::new(Health::new(bench.clock.clone()));
        let (devices, member_api) = (bench.devices(), Arc::default());
        let accounts = bench.auth.accounts.clone();
        let desk = Desk { book, bans, devices, health, audit, reload: None, member_api, accounts };
        let socket = ControlSocket::bind(dir.path()).unwrap();
        let broker = tokio::spawn(socket.serve(desk, std::future::pending()));
        let untouched = Arc::new(FakeStore::default());
        let user = async |line: &str| user(dir.path(), &untouched, line).await;
        assert_eq!(user("user add bob").await.unwrap(), "bob: added\n");
        assert_eq!(user("user list").await.unwrap(), "bob\n");
        assert!(bench.store.accounts.lock().unwrap().len() == 1);
        assert!(untouched.accounts.lock().unwrap().is_empty());
        broker.abort();
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_is_named_and_exits_with_its_own_code() {
        let dir = tempfile::tempdir().unwrap();
        let open = async || Err::<Opened<()>, _>("locked by another process".into());
        let password = |_: &WithPassword| Ok(password("dev"));
        let done = perform(args("user list"), dir.path(), open, password, &mut Vec::new()).await;
        let failure = done.unwrap_err();
        assert_eq!((failure.words.as_str(), failure.exit), ("locked by another process", 3));
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
        assert!(Command::try_parse_from(["user", "add", "bob", "dev"]).is_err());
    }
}

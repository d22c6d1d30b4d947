//! `homing user add|passwd|roles|list|kick|remove`: through the running broker of a data directory,
//! or on its store when none runs.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::admin::{self, Admin, AdminArgs, failure};
use super::exit::Failure;
use super::password::WithPassword;
use crate::control::{Answer, Listed, Request};

/// Adds, changes, lists and removes users.
pub type UserArgs = AdminArgs<Verb>;

#[derive(Subcommand, Debug)]
pub enum Verb {
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

pub async fn run(args: UserArgs) -> Result<(), Failure> {
    let (request, done) = request(args.verb)?;
    admin::run(args.place, async |admin| {
        let answer = admin.ask(request).await?;
        print(admin, answer, done, args.json).await
    })
    .await
}

/// The first request of a verb, and what it did to whom once that is done.
fn request(verb: Verb) -> Result<(Request, (&'static str, String)), Failure> {
    Ok(match verb {
        Verb::Add { who, roles } => {
            let password = who.ask()?;
            (Request::UserAdd { uid: who.uid.clone(), password, roles }, ("added", who.uid))
        }
        Verb::Roles { uid, roles } => {
            (Request::UserRoles { uid: uid.clone(), roles }, ("roles set", uid))
        }
        Verb::Passwd(who) => {
            let password = who.ask()?;
            (Request::UserPasswd { uid: who.uid.clone(), password }, ("password set", who.uid))
        }
        Verb::Remove { uid } => (Request::UserRemove { uid: uid.clone() }, ("removed", uid)),
        Verb::Kick { uid } => (Request::UserKick { uid: uid.clone() }, ("kicked", uid)),
        Verb::List => (Request::UserList { after: None }, ("listed", String::new())),
    })
}

/// Prints an answer; of a list all its pages, asking for the next.
async fn print(
    admin: &mut Admin,
    mut answer: Answer,
    (done, uid): (&str, String),
    json: bool,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    loop {
        match answer {
            Answer::Done if json => {
                return Ok(writeln!(out, "{}", json!({ "uid": uid, "done": done }))?);
            }
            Answer::Done => return Ok(writeln!(out, "{uid}: {done}")?),
            Answer::Kicked { devices } if json => {
                let told = json!({ "uid": uid, "done": done, "devices": devices });
                return Ok(writeln!(out, "{told}")?);
            }
            Answer::Kicked { devices } => {
                return Ok(writeln!(out, "{uid}: {done}, {devices} devices forgotten")?);
            }
            Answer::Users { users } => {
                let Some(last) = users.last().map(|user| user.uid.clone()) else { return Ok(()) };
                for user in users {
                    writeln!(out, "{}", line(&user, json))?;
                }
                answer = admin.ask(Request::UserList { after: Some(last) }).await?;
            }
            other => return Err(failure(other)),
        }
    }
}

fn line(Listed { uid, roles }: &Listed, json: bool) -> String {
    match json {
        true => json!({ "uid": uid, "roles": roles }).to_string(),
        false if roles.is_empty() => uid.clone(),
        false => format!("{uid} ({})", roles.join(", ")),
    }
}

//! `homing ban add|list|remove`: through the running broker of a data directory, or on its store
//! when none runs.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::admin::{self, AdminArgs, failure};
use super::exit::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::Span;
use crate::control::ban::{Banned, Target};
use crate::control::{Answer, Request};
use crate::model::Stamp;

/// Keeps users, devices and addresses out for a while.
pub type BanArgs = AdminArgs<Verb>;

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Ban from now on; connections that are open end
    Add {
        #[command(flatten)]
        whom: Whom,
        /// For how long: a number and s, m, h or d; 365d at most
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = length)]
        length: Span,
        /// Why, for whoever looks at the list
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Print the bans that hold
    List,
    /// Let somebody in again
    Remove {
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct Whom {
    /// This user
    #[arg(long, value_name = "UID")]
    user: Option<String>,
    /// This client id, of the user or of any
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// This address or network
    #[arg(long, value_name = "CIDR", conflicts_with_all = ["user", "client"])]
    ip: Option<String>,
}

fn length(text: &str) -> Result<Span, String> {
    let span = Span::parse(text);
    let span = span.ok_or_else(|| format!("{text:?} is no duration: as 30m, 1h or 7d"))?;
    match span.0.subsec_nanos() {
        0 => Ok(span),
        _ => Err(format!("{text:?} is no whole number of seconds: as 30s, 30m, 1h or 7d")),
    }
}

pub async fn run(args: BanArgs) -> Result<(), Failure> {
    let (request, done) = request(args.verb);
    let print = |answer| print(answer, done, args.json);
    admin::run(args.place, async |admin| print(admin.ask(request).await?)).await
}

fn print(answer: Answer, done: &str, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let now = SystemClock::default().stamp();
    match answer {
        Answer::Bans { bans } => {
            for ban in bans {
                let text = if json { json!(ban).to_string() } else { line(&ban, now) };
                writeln!(out, "{text}")?;
            }
            Ok(())
        }
        Answer::Done if json => Ok(writeln!(out, "{}", json!({ "done": done }))?),
        Answer::Done => Ok(writeln!(out, "{done}")?),
        other => Err(failure(other)),
    }
}

fn request(verb: Verb) -> (Request, &'static str) {
    match verb {
        Verb::Add { whom, length, reason } => {
            let secs = length.0.as_secs();
            (Request::BanAdd { target: whom.into(), secs, reason }, "banned")
        }
        Verb::List => (Request::BanList, "listed"),
        Verb::Remove { whom } => (Request::BanRemove { target: whom.into() }, "removed"),
    }
}

impl From<Whom> for Target {
    fn from(Whom { user, client, ip }: Whom) -> Target {
        Target { user, client, ip }
    }
}

fn line(ban: &Banned, now: Stamp) -> String {
    let left = now.secs_until(Stamp(ban.until));
    let reason = if ban.reason.is_empty() { String::new() } else { format!(": {}", ban.reason) };
    format!("{}, {left} s left{reason}", ban.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_taken_as_it_is_or_refused() {
        assert_eq!(length("2000ms").unwrap().0.as_secs(), 2);
        for (text, words) in [("1500ms", "whole number of seconds"), ("soon", "no duration")] {
            assert!(length(text).unwrap_err().contains(words), "{text}");
        }
    }
}

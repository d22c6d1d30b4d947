//! `homing device list|kick`: through the running broker of a data directory, or on its store when
//! none runs.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::admin::{self, AdminArgs, failure};
use super::exit::Failure;
use crate::clock::{Clock, SystemClock};
use crate::control::device::Shown;
use crate::control::{Answer, Request};
use crate::model::Stamp;

/// Shows the devices of a user and sends them away.
pub type DeviceArgs = AdminArgs<Verb>;

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Print a user's devices: connected or not, and how much mail waits for each
    List { uid: String },
    /// End a device's connection and forget the device: its place in the inbox, its subscriptions
    /// and its queue. To keep it out as well, ban it
    Kick { uid: String, client_id: String },
}

pub async fn run(args: DeviceArgs) -> Result<(), Failure> {
    let (request, whom) = request(args.verb);
    let print = |answer| print(answer, whom, args.json);
    admin::run(args.place, async |admin| print(admin.ask(request).await?)).await
}

fn print(answer: Answer, whom: [String; 2], json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let now = SystemClock::default().stamp();
    match answer {
        Answer::Devices { devices } => {
            for device in devices {
                let text = if json { json!(device).to_string() } else { line(&device, now) };
                writeln!(out, "{text}")?;
            }
            Ok(())
        }
        Answer::Done if json => {
            let [uid, client_id] = whom;
            Ok(writeln!(
                out,
                "{}",
                json!({ "uid": uid, "client_id": client_id, "done": "kicked" })
            )?)
        }
        Answer::Done => Ok(writeln!(out, "{}: kicked and forgotten", whom.join("/"))?),
        other => Err(failure(other)),
    }
}

fn request(verb: Verb) -> (Request, [String; 2]) {
    match verb {
        Verb::List { uid } => (Request::DeviceList { uid: uid.clone() }, [uid, String::new()]),
        Verb::Kick { uid, client_id } => {
            let whom = [uid.clone(), client_id.clone()];
            (Request::DeviceKick { uid, client_id }, whom)
        }
    }
}

fn line(device: &Shown, now: Stamp) -> String {
    let Shown { client_id, connected, seen_at, unread, .. } = device;
    let seen = match (connected, seen_at) {
        (true, _) => "connected".to_owned(),
        (false, Some(at)) => format!("last seen {} s ago", Stamp(*at).secs_until(now)),
        (false, None) => "never seen".to_owned(),
    };
    format!("{client_id}, {seen}, {unread} unread")
}

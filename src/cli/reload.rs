//! `homing reload`: the running broker loads its settings again and says what became of them.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::exit::{FAILURE, Failure, UNREACHABLE};
use super::place::DataPlace;
use crate::control::{self, Answer, AskError, Reloaded, Request};

/// Has the running broker load its settings again: its own file, its environment, its flags.
#[derive(Args, Debug)]
pub struct ReloadArgs {
    #[command(flatten)]
    place: DataPlace,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ReloadArgs) -> Result<(), Failure> {
    let data = args.place.data()?;
    let answer = control::ask(&data, &Request::Reload).await.map_err(|error| match error {
        AskError::NoBroker => Failure::new(
            UNREACHABLE,
            "no broker runs on this data directory: it will load its settings when it starts",
        ),
        error => Failure::new(UNREACHABLE, error),
    })?;
    let mut out = std::io::stdout().lock();
    match answer {
        Answer::Reloaded(reloaded) if args.json => Ok(writeln!(out, "{}", json!(reloaded))?),
        Answer::Reloaded(reloaded) => Ok(write!(out, "{}", told(&reloaded))?),
        Answer::Refused { words, .. } => {
            if args.json {
                writeln!(out, "{}", json!({ "error": words }))?;
            }
            Err(Failure::new(FAILURE, format!("nothing has changed: {words}")))
        }
        other => Err(Failure::new(FAILURE, format!("the broker answered {other:?}"))),
    }
}

/// One key a line.
fn told(Reloaded { live, restart }: &Reloaded) -> String {
    if live.is_empty() && restart.is_empty() {
        return "the settings are what they were\n".into();
    }
    let live = live.iter().map(|key| format!("{key}: holds now\n"));
    let restart = restart.iter().map(|key| format!("{key}: holds after a restart\n"));
    live.chain(restart).collect()
}

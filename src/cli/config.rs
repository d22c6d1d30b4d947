//! `homing config check|show|defaults`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::Failure;
use super::place::Place;
use crate::config::{Config, show};
use crate::node::{self, NOT_LOOKED_AT};

const DEFAULTS: &str = include_str!("../../config.toml");

#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Verb {
    /// Load the settings and the files that they name as `serve` does, and say what is wrong
    Check,
    /// Print the settings that hold, and what set each; passwords are hidden
    Show,
    /// Print every setting with its default and what it is for
    Defaults,
}

pub async fn run(args: ConfigArgs) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let text = match (args.verb, args.json) {
        (Verb::Defaults, false) => DEFAULTS.trim_end().to_owned(),
        (Verb::Defaults, true) => json!(Config::default()).to_string(),
        (Verb::Check, json) => match (check(args.place).await, json) {
            (Ok(()), false) => {
                format!("the settings are right; not looked at: {NOT_LOOKED_AT} (homing doctor)")
            }
            (Ok(()), true) => json!({ "ok": true, "not_looked_at": NOT_LOOKED_AT }).to_string(),
            (Err(failure), false) => return Err(failure),
            (Err(failure), true) => {
                writeln!(out, "{}", json!({ "ok": false, "error": failure.words }))?;
                return Err(Failure { words: String::new(), ..failure });
            }
        },
        (Verb::Show, json) => {
            let loaded = args.place.load(Config::default())?;
            if json { show::json(&loaded) } else { show::toml(&loaded) }
        }
    };
    Ok(writeln!(out, "{text}")?)
}

async fn check(place: Place) -> Result<(), Failure> {
    let loaded = place.load(Config::default())?;
    node::check(&loaded.config).await.map_err(Failure::usage)
}

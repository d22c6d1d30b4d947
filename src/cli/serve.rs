//! `homing serve`: a broker for others, closed until its operator opens it.

use std::process::ExitCode;

use super::exit::{Failure, finish};
use super::place::Place;
use crate::config::Config;
use crate::node::{self, Start};
use crate::store::lock::Mode;

pub fn run(place: Place) -> ExitCode {
    match settings(place).and_then(start_log) {
        Ok(config) => node::run(Start { config, mode: Mode::Serve, banner: |_| String::new() }),
        Err(failure) => finish("serve", Err(failure)),
    }
}

fn settings(place: Place) -> Result<Config, Failure> {
    let config = place.load(Config::default())?.config;
    if config.store.data.is_none() {
        let words = "where to keep the data? Give --data DIR or set store.data";
        return Err(Failure::usage(words));
    }
    Ok(config)
}

/// Starts the log that the settings ask for.
pub fn start_log(config: Config) -> Result<Config, Failure> {
    crate::log::start(&config.log).map_err(Failure::usage)?;
    Ok(config)
}

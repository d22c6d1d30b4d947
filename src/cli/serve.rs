//! `homing serve`: a broker for others, closed until its operator opens it.

use std::process::ExitCode;
use std::sync::Arc;

use super::exit::{Failure, finish};
use super::place::Place;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::node::{self, Serving, Start};
use crate::store::lock::Mode;

pub fn run(place: Place) -> ExitCode {
    start("serve", Mode::Serve, move || settings(place.clone()), |_| String::new())
}

pub(super) fn settings(place: Place) -> Result<Loaded, Failure> {
    let loaded = place.load(Config::default())?;
    if loaded.config.store.data.is_none() {
        let words = "where to keep the data? Give --data DIR or set store.data";
        return Err(Failure::usage(words));
    }
    Ok(loaded)
}

/// Runs a broker with settings that are loaded now, and again at each reload.
pub fn start(
    verb: &str,
    mode: Mode,
    load: impl Fn() -> Result<Loaded, Failure> + Send + Sync + 'static,
    banner: fn(&Serving) -> String,
) -> ExitCode {
    let started = load().and_then(|loaded| {
        let log = crate::log::start(&loaded.config.log).map_err(Failure::usage)?;
        Ok((loaded, log))
    });
    match started {
        Err(failure) => finish(verb, Err(failure)),
        Ok((loaded, log)) => {
            let load = Arc::new(move || load().map_err(|failure| failure.words));
            node::run(Start { loaded, load, log, mode, banner })
        }
    }
}

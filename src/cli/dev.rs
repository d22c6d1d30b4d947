//! `homing dev`: a broker to try things out, for this machine alone.

use std::process::ExitCode;

use super::exit::{Failure, finish};
use super::place::Place;
use super::{banner, serve};
use crate::config::load::not_loopback;
use crate::config::{Access, Config};
use crate::node::{self, Serving, Start};
use crate::store::lock::Mode;

const MQTT: &str = "127.0.0.1:1883";
const HTTP: &str = "127.0.0.1:8080";
const DATA: &str = "./.homing-dev";

pub fn run(place: Place) -> ExitCode {
    match settings(place).and_then(serve::start_log) {
        Ok(config) => node::run(Start { config, mode: Mode::Dev, banner: shown }),
        Err(failure) => finish("dev", Err(failure)),
    }
}

/// What `dev` has where `serve` has the defaults.
fn base() -> Config {
    let mut config = Config::default();
    config.listen.mqtt = vec![MQTT.into()];
    config.listen.http = vec![HTTP.into()];
    config.acl.default = Access::Allow;
    config.store.data = Some(DATA.into());
    config
}

fn settings(place: Place) -> Result<Config, Failure> {
    let config = place.load(base())?.config;
    match not_loopback(&config).as_slice() {
        [] => Ok(config),
        [(key, address), ..] => Err(Failure::usage(format!(
            "everybody knows the passwords of `homing dev`, so it stays on loopback: change \
             {key} = {address:?} to 127.0.0.1, or run `homing serve`"
        ))),
    }
}

fn shown(serving: &Serving) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "homing".into());
    banner::banner(serving, &program)
}

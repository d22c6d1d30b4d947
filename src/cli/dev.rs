//! `homing dev`: a broker to try things out, for this machine alone.

use std::process::ExitCode;

use super::exit::Failure;
use super::place::Place;
use super::{banner, serve};
use crate::config::load::{Loaded, not_loopback};
use crate::config::{Access, Config};
use crate::node::Serving;
use crate::store::lock::Mode;

const MQTT: &str = "127.0.0.1:1883";
const HTTP: &str = "127.0.0.1:8080";
const DATA: &str = "./.homing-dev";

pub fn run(place: Place) -> ExitCode {
    serve::start("dev", Mode::Dev, move || settings(place.clone()), shown)
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

fn settings(place: Place) -> Result<Loaded, Failure> {
    let loaded = place.load(base())?;
    match not_loopback(&loaded.config).as_slice() {
        [] => Ok(loaded),
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

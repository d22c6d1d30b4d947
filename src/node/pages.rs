//! What the HTTP pages show, from the settings.

use std::sync::Arc;

use super::build::Base;
use crate::auth::{Authenticator, Guard};
use crate::config::{Advertise, Startalk};
use crate::http::{self, Advertised, HttpState, Logins, Ports};
use crate::net::Gate;

/// Users are checked as at the MQTT gate; what the legacy router asks is checked by `router`.
pub fn state(base: &Base, gate: &Gate, router: Arc<Guard>) -> HttpState {
    let rate = base.config.http.login_rate.0;
    let logins = |authenticator: Arc<dyn Authenticator>| {
        Arc::new(Logins::new(authenticator, base.clock.clone(), rate))
    };
    HttpState {
        metrics: base.metrics.clone(),
        health: base.health.clone(),
        logins: logins(gate.guard.clone()),
        router_logins: logins(router),
        advertised: Arc::new(advertised(&base.config.advertise)),
        startalk: Arc::new(startalk(&base.config.startalk)),
    }
}

fn advertised(config: &Advertise) -> Advertised {
    let port = |port: u16| (port != 0).then_some(port);
    Advertised {
        hosts: config.hosts.clone(),
        ports: Ports {
            mqtt: port(config.mqtt),
            mqtts: port(config.mqtts),
            ws: port(config.ws),
            wss: port(config.wss),
        },
        ttl: config.ttl.0,
    }
}

fn startalk(config: &Startalk) -> http::Startalk {
    let Startalk { domain, checktoken_from, nav } = config.clone();
    let checktoken_from = checktoken_from.into_iter().map(|network| network.0).collect();
    http::Startalk { domain, checktoken_from, nav }
}

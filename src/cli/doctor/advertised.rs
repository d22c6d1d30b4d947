//! What `/v1/route` tells clients, tried from here: names, ports, and the certificate for them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use super::aside;
use super::check::Check;
use super::scene::Scene;
use crate::config::{Advertise, Config, load::not_loopback};
use crate::net::tls::look::{Served, served};

/// For the name server, and then for the connection.
const STEP_WAIT: Duration = Duration::from_millis(2500);

/// What is advertised, as seen from here.
pub struct Facts {
    /// Other machines can reach a listener.
    open: bool,
    targets: Vec<Target>,
}

/// One host with one of its ports.
#[derive(Clone, Debug)]
struct Target {
    host: String,
    kind: &'static str,
    port: u16,
    found: Result<Vec<IpAddr>, String>,
    /// `None`: nobody listens yet, so it was not tried.
    connected: Option<Result<(), String>>,
    certificate: Covers,
}

/// Whether a certificate of ours is for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    Yes,
    No,
    /// There is no TLS there, or it ends in front of us.
    NotOurs,
}

pub async fn look(scene: &Scene) -> Facts {
    let config = &scene.config;
    let certificates = certificates(config).await;
    let tries = scene.broker.runs();
    let mut set = JoinSet::new();
    for (place, host) in config.advertise.hosts.iter().enumerate() {
        for (kind, port) in ports(&config.advertise) {
            let certificate = covers(config, &certificates, kind, host);
            let host = host.clone();
            set.spawn(async move {
                let (found, connected) = try_out(&host, port, tries).await;
                (place, Target { host, kind, port, found, connected, certificate })
            });
        }
    }
    let mut targets = set.join_all().await;
    targets.sort_by_key(|(place, target)| (*place, target.kind));
    let targets = targets.into_iter().map(|(_, target)| target).collect();
    Facts { open: !not_loopback(config).is_empty(), targets }
}

fn ports(advertise: &Advertise) -> impl Iterator<Item = (&'static str, u16)> {
    let Advertise { mqtt, mqtts, ws, wss, .. } = *advertise;
    let all = [("mqtt", mqtt), ("mqtts", mqtts), ("ws", ws), ("wss", wss)];
    all.into_iter().filter(|(_, port)| *port != 0)
}

async fn certificates(config: &Config) -> Vec<Served> {
    let files = config.tls.certificates.clone();
    // What cannot be read is told where certificates are.
    let read = move || files.iter().filter_map(|files| served(files).ok()).collect();
    aside(read).await.unwrap_or_default()
}

fn covers(config: &Config, certificates: &[Served], kind: &str, host: &str) -> Covers {
    match kind {
        "mqtts" if !config.listen.mqtts.is_empty() => {
            match certificates.iter().any(|one| one.is_for(host)) {
                true => Covers::Yes,
                false => Covers::No,
            }
        }
        _ => Covers::NotOurs,
    }
}

type Tried = (Result<Vec<IpAddr>, String>, Option<Result<(), String>>);

async fn try_out(host: &str, port: u16, connects: bool) -> Tried {
    let found = in_time(lookup_host((host, port))).await.map(Iterator::collect::<Vec<SocketAddr>>);
    let connected = match &found {
        Ok(addresses) if connects => {
            Some(in_time(TcpStream::connect(addresses.as_slice())).await.map(drop))
        }
        _ => None,
    };
    (found.map(|all| all.iter().map(SocketAddr::ip).collect()), connected)
}

async fn in_time<T>(step: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(STEP_WAIT, step).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", STEP_WAIT.as_millis())),
    }
}

pub fn judge(facts: &Facts) -> Vec<Check> {
    let name = "advertised address";
    match (facts.targets.as_slice(), facts.open) {
        ([], false) => vec![Check::skipped(name, "none, and only this machine can connect")],
        ([], true) => vec![Check::warning(
            name,
            "none: /v1/route cannot tell apps where to connect",
            "set advertise.hosts and the ports, as clients see them; apps that have an address \
             of their own do not need it",
        )],
        (targets, open) => targets.iter().map(|target| judge_target(target, open)).collect(),
    }
}

fn judge_target(target: &Target, open: bool) -> Check {
    let Target { host, kind, port, found, connected, certificate } = target;
    let name = format!("advertised {kind} {host}:{port}");
    let addresses = match found {
        Ok(addresses) => addresses,
        Err(words) => {
            let words = format!("the name leads nowhere: {words}");
            return Check::error(name, words, "mend its DNS entry, or advertise.hosts");
        }
    };
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    let check = match (certificate, connected) {
        (Covers::No, _) => Check::error(
            name,
            "no certificate of tls.certificates is for this name: clients go away",
            "have one made for it, or advertise the name that is in the certificate",
        ),
        _ if open && addresses.iter().any(IpAddr::is_loopback) => Check::warning(
            name,
            format!("{shown} is every machine's own address: clients find themselves there"),
            "advertise the name that clients use",
        ),
        (_, Some(Err(words))) => Check::warning(
            name,
            format!("{shown} cannot be reached from here: {words}"),
            format!(
                "try it from where clients are (nc -vz {host} {port}): behind NAT it may be \
                     reachable only from there; else look at firewall and load balancer"
            ),
        ),
        (_, Some(Ok(()))) => Check::ok(name, format!("{shown}, reachable from here")),
        (_, None) => Check::ok(name, format!("{shown}; not tried, since no broker runs")),
    };
    check.with("addresses", addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn target() -> Target {
        Target {
            host: "chat.example.org".into(),
            kind: "mqtts",
            port: 8883,
            found: Ok(vec![IpAddr::from([192, 0, 2, 1])]),
            connected: Some(Ok(())),
            certificate: Covers::Yes,
        }
    }

    fn status(target: Target, open: bool) -> Status {
        judge(&Facts { open, targets: vec![target] })[0].status
    }

    #[test]
    fn nothing_is_advertised_is_worth_a_warning_where_others_connect() {
        let judged = |open| judge(&Facts { open, targets: Vec::new() })[0].status;
        assert_eq!((judged(true), judged(false)), (Status::Warning, Status::Skipped));
    }

    #[test]
    fn an_address_is_found_reached_and_in_the_certificate() {
        assert_eq!(status(target(), true), Status::Ok);
        assert_eq!(status(Target { connected: None, ..target() }, true), Status::Ok);
        let not_ours = Target { certificate: Covers::NotOurs, ..target() };
        assert_eq!(status(not_ours, true), Status::Ok);
        let unknown = Target { found: Err("no such name".into()), ..target() };
        assert_eq!(status(unknown, true), Status::Error);
        let closed = Target { connected: Some(Err("refused".into())), ..target() };
        assert_eq!(status(closed, true), Status::Warning);
        let other = Target { certificate: Covers::No, ..target() };
        assert_eq!(status(other, true), Status::Error);
    }

    #[test]
    fn loopback_is_good_for_this_machine_alone() {
        let here = || Target { found: Ok(vec![IpAddr::from([127, 0, 0, 1])]), ..target() };
        assert_eq!((status(here(), true), status(here(), false)), (Status::Warning, Status::Ok));
    }
}

//! The broker of the data directory, if one runs: at its control socket and at its probe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::aside;
use super::check::Check;
use super::scene::{Broker, Scene};
use crate::config::Config;
use crate::health::Status;

/// For the probe to answer.
const PROBE_WAIT: Duration = Duration::from_secs(3);
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn judge(broker: &Broker) -> Vec<Check> {
    let name = "broker";
    let shown = |pid: &Option<u32>| pid.map_or("a process".into(), |pid| format!("pid {pid}"));
    vec![match broker {
        Broker::None => Check::ok(name, "none runs on this data directory"),
        Broker::Unknown(why) => Check::error(
            name,
            format!("whether one runs cannot be seen: {why}"),
            "run it as the system user of the broker",
        ),
        Broker::Silent { pid, why } => Check::warning(
            name,
            format!("{} has the data directory: {why}", shown(pid)),
            "it starts or ends: run this again; if it stays so it hangs: look into its log",
        ),
        Broker::Answers { pid, report } if report.version != VERSION => Check::warning(
            name,
            format!("{} runs version {}, this command is {VERSION}", shown(pid), report.version),
            "restart the broker, or run the doctor that belongs to it",
        ),
        Broker::Answers { pid, report } => {
            let words = format!("{}, version {VERSION}: {}", shown(pid), report.words);
            let check = match report.status {
                Status::Ok => Check::ok(name, words),
                Status::ReadOnly => Check::error(name, words, "look at the disk and into the log"),
                Status::Starting | Status::Draining => {
                    Check::warning(name, words, "run this again when it is done")
                }
            };
            check.with("uptime_secs", report.uptime_secs)
        }
    }]
}

/// What `/health/ready` says; `None` if nobody was asked, with the reason.
pub enum Probe {
    NotAsked(&'static str),
    Answered { url: String, status: Result<u16, String> },
}

pub async fn look(scene: &Scene) -> Probe {
    if !scene.broker.runs() {
        return Probe::NotAsked("no broker runs");
    }
    let Some(text) = listener(&scene.config) else {
        return Probe::NotAsked("listen.http has no listener without a PROXY header");
    };
    let address = aside(move || text.to_socket_addrs().ok()?.next()).await.flatten();
    let Some(address) = address.filter(|address| address.port() != 0) else {
        return Probe::NotAsked("listen.http names no port");
    };
    let url = format!("http://{}/health/ready", reachable(address));
    let status = ask(&url).await.map_err(|error| with_cause(&error.without_url()));
    Probe::Answered { url, status }
}

fn listener(config: &Config) -> Option<String> {
    config.listen.http.iter().find(|one| !one.proxy).map(|one| one.address.clone())
}

/// A listener on all addresses is on loopback too.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(url: &str) -> Result<u16, reqwest::Error> {
    // No certificate is checked on the way.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PROBE_WAIT);
    let answer = client.build()?.get(url).send().await?;
    Ok(answer.status().as_u16())
}

/// The innermost cause: what the client says itself is only that it did not work.
fn with_cause(error: &dyn std::error::Error) -> String {
    let cause = std::iter::successors(error.source(), |cause| cause.source()).last();
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

pub fn judge_health(probe: Probe) -> Vec<Check> {
    let name = "health";
    vec![match probe {
        Probe::NotAsked(why) => Check::skipped(name, why),
        Probe::Answered { url, status: Ok(200) } => Check::ok(name, format!("{url} says ready")),
        Probe::Answered { url, status: Ok(status) } => Check::error(
            name,
            format!("{url} answers {status}: no clients are sent here"),
            "the body says why: curl it",
        ),
        Probe::Answered { url, status: Err(words) } => Check::error(
            name,
            format!("{url} does not answer: {words}"),
            "the broker hangs, or was started with another listen.http: look into its log",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::check::Status as Outcome;
    use super::*;
    use crate::health::Report;

    fn answers(status: Status, version: &str) -> Outcome {
        let report = Report {
            status,
            version: version.into(),
            store_writable: true,
            uptime_secs: 1,
            words: status.words().into(),
        };
        judge(&Broker::Answers { pid: Some(1), report })[0].status
    }

    #[test]
    fn a_broker_serves_or_says_why_not() {
        assert_eq!(judge(&Broker::None)[0].status, Outcome::Ok);
        assert_eq!(answers(Status::Ok, VERSION), Outcome::Ok);
        assert_eq!(answers(Status::Ok, "0.0.1"), Outcome::Warning);
        assert_eq!(answers(Status::Draining, VERSION), Outcome::Warning);
        assert_eq!(answers(Status::ReadOnly, VERSION), Outcome::Error);
        let silent = Broker::Silent { pid: Some(77), why: "no answer".into() };
        assert!(judge(&silent)[0].message.contains("pid 77"));
        assert_eq!(judge(&Broker::Unknown("x".into()))[0].status, Outcome::Error);
    }

    #[test]
    fn the_probe_is_asked_where_it_can_be_reached() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(at("[::]:80"), "[::1]:80");
        assert_eq!(at("10.0.0.1:80"), "10.0.0.1:80");
    }

    #[test]
    fn not_ready_and_silent_are_errors() {
        let judged = |status| judge_health(Probe::Answered { url: "u".into(), status })[0].status;
        assert_eq!(judged(Ok(200)), Outcome::Ok);
        assert_eq!(judged(Ok(503)), Outcome::Error);
        assert_eq!(judged(Err("refused".into())), Outcome::Error);
        assert_eq!(judge_health(Probe::NotAsked("x"))[0].status, Outcome::Skipped);
    }
}

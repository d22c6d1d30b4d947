//! The listeners: free before the start, the broker's own while it runs.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};

use super::aside;
use super::check::Check;
use super::owner::{Owner, of_port};
use super::scene::{Broker, Scene};
use crate::node;

/// Ports below it need a right of their own.
const UNPRIVILEGED_PORT: u16 = 1024;

/// One listener of the settings.
#[derive(Clone, Debug)]
pub struct Facts {
    key: &'static str,
    address: String,
    bound: Bound,
}

/// What came of binding it, which was undone at once.
#[derive(Clone, Debug)]
enum Bound {
    /// Port 0: the system gives one that is free.
    Any,
    Free,
    Taken(Option<Owner>),
    NotAllowed {
        port: u16,
    },
    /// No such address, here or at all.
    Wrong(String),
}

pub async fn look(scene: &Scene) -> Vec<Facts> {
    let all: Vec<_> =
        scene.config.listen.all().map(|(key, one)| (key, one.address.clone())).collect();
    let bind = |(key, address): (&'static str, String)| {
        let bound = bound(&address);
        Facts { key, address, bound }
    };
    aside(move || all.into_iter().map(bind).collect()).await.unwrap_or_default()
}

fn bound(text: &str) -> Bound {
    match text.to_socket_addrs().map(|mut all| all.next()) {
        Err(error) => Bound::Wrong(error.to_string()),
        Ok(None) => Bound::Wrong("it names no address".into()),
        Ok(Some(address)) if address.port() == 0 => Bound::Any,
        Ok(Some(address)) => tried(address, node::reserve(address).map(drop)),
    }
}

fn tried(address: SocketAddr, result: io::Result<()>) -> Bound {
    match result {
        Ok(()) => Bound::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Bound::Taken(of_port(address.port())),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Bound::NotAllowed { port: address.port() }
        }
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            Bound::Wrong("no network interface of this machine has this address".into())
        }
        Err(error) => Bound::Wrong(error.to_string()),
    }
}

pub fn judge(all: &[Facts], broker: &Broker) -> Vec<Check> {
    all.iter().map(|facts| judge_one(facts, broker)).collect()
}

fn judge_one(facts: &Facts, broker: &Broker) -> Check {
    let Facts { key, address, bound } = facts;
    let name = format!("{key} {address}");
    let change = format!("change {key}");
    match (bound, broker.runs()) {
        (Bound::Wrong(words), _) => Check::error(name, words, change),
        (Bound::Any, _) => Check::ok(name, "any port that is free"),
        (Bound::Free, false) => Check::ok(name, "free"),
        (Bound::Free, true) => Check::error(
            name,
            "a broker runs on this data directory and does not listen here",
            "it was started with other settings, flags or variables: give the doctor the same, \
             or restart it: listeners are opened at the start alone",
        ),
        (Bound::Taken(owner), true) => judge_running(&name, owner.as_ref(), broker.pid(), key),
        (Bound::Taken(owner), false) => Check::error(
            name,
            format!("taken by {}", shown(owner.as_ref())),
            format!("stop that one, or {change}"),
        ),
        (Bound::NotAllowed { port }, _) if *port < UNPRIVILEGED_PORT => Check::error(
            name,
            format!("ports below {UNPRIVILEGED_PORT} need a right that this user has not"),
            format!("give it (AmbientCapabilities=CAP_NET_BIND_SERVICE with systemd), or {change}"),
        ),
        (Bound::NotAllowed { .. }, _) => {
            Check::error(name, "the system forbids this user to listen here", change)
        }
    }
}

fn judge_running(name: &str, owner: Option<&Owner>, pid: Option<u32>, key: &str) -> Check {
    match (owner, pid) {
        (Some(owner), Some(pid)) if owner.pid != pid => Check::error(
            name,
            format!("taken by {owner}; the broker of this data directory has pid {pid}"),
            format!("stop that one, or change {key}"),
        ),
        (Some(owner), _) => Check::ok(name, format!("the running broker listens, {owner}")),
        (None, _) => Check::ok(
            name,
            "somebody listens, the running broker most likely: whose it is only its own user sees",
        ),
    }
}

fn shown(owner: Option<&Owner>) -> String {
    let hidden = "a process that this user cannot see (as root: ss -ltnp)";
    owner.map_or_else(|| hidden.into(), Owner::to_string)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn check(bound: Bound, broker: &Broker) -> Check {
        let facts = Facts { key: "listen.mqtt", address: "[::]:80".into(), bound };
        judge(&[facts], broker).remove(0)
    }

    fn running(pid: u32) -> Broker {
        Broker::Silent { pid: Some(pid), why: String::new() }
    }

    fn owner(pid: u32) -> Option<Owner> {
        Some(Owner { pid, name: "nginx".into() })
    }

    #[test]
    fn before_the_start_ports_are_free_or_somebody_is_named() {
        assert_eq!(check(Bound::Free, &Broker::None).status, Status::Ok);
        assert_eq!(check(Bound::Any, &Broker::None).status, Status::Ok);
        let taken = check(Bound::Taken(owner(7)), &Broker::None);
        assert_eq!(taken.status, Status::Error);
        assert_eq!(taken.message, "taken by nginx (pid 7)");
        assert!(taken.next.unwrap().contains("listen.mqtt"));
        assert!(check(Bound::Taken(None), &Broker::None).message.contains("cannot see"));
    }

    #[test]
    fn beside_a_running_broker_they_are_its_own() {
        assert_eq!(check(Bound::Taken(owner(7)), &running(7)).status, Status::Ok);
        assert_eq!(check(Bound::Taken(owner(7)), &running(8)).status, Status::Error);
        assert_eq!(check(Bound::Taken(None), &running(8)).status, Status::Ok);
        assert_eq!(check(Bound::Free, &running(8)).status, Status::Error);
    }

    #[test]
    fn low_ports_need_a_right() {
        let low = check(Bound::NotAllowed { port: 80 }, &Broker::None);
        assert!(low.next.unwrap().contains("CAP_NET_BIND_SERVICE"));
        let high = check(Bound::NotAllowed { port: 8080 }, &Broker::None);
        assert_eq!(
            (high.status, high.next.as_deref()),
            (Status::Error, Some("change listen.mqtt"))
        );
    }

    #[test]
    fn trying_a_port_says_what_is_wrong_and_takes_nothing() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(matches!(bound(&address), Bound::Taken(Some(_))));
        drop(listener);
        for _ in 0..2 {
            assert!(matches!(bound(&address), Bound::Free));
        }
        assert!(matches!(bound("203.0.113.7:1"), Bound::Wrong(_)));
        assert!(matches!(bound("127.0.0.1:0"), Bound::Any));
    }
}

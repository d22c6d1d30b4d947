//! A broker in a network of its own, reached through cables that a test can cut: what is sent into
//! a cut cable vanishes, without RST and without an error.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::broker::{Broker, Start};

/// A network namespace, held open by a process that ends with this one.
pub struct Network {
    holder: Child,
}

/// A pair of virtual Ethernet interfaces, one end here and one in the [`Network`].
pub struct Cable {
    here: String,
    /// The broker's address on it.
    pub there: String,
}

static CABLES: AtomicU32 = AtomicU32::new(0);

/// Holds the namespace until its input ends.
const HOLD: &str = "ip link set lo up && echo held && exec cat";

impl Network {
    /// `None` where namespaces or virtual cables are not allowed.
    pub fn new() -> Option<Network> {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", HOLD]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut network = Network { holder: command.spawn().ok()? };
        let mut held = String::new();
        let said = network.holder.stdout.take().expect("piped");
        BufReader::new(said).read_line(&mut held).expect("its line");
        (held == "held\n").then_some(network)
    }

    /// A further cable; `None` where it is not allowed.
    pub fn cable(&self) -> Option<Cable> {
        let (pid, number) = (std::process::id(), CABLES.fetch_add(1, Ordering::Relaxed));
        // 198.18.0.0/15 is for tests of networks (RFC 2544), four addresses for each cable.
        let net = pid.wrapping_mul(16).wrapping_add(number) % (1 << 15);
        let address = |host: u32| {
            let [_, _, c, d] = (net * 4 + host).to_be_bytes();
            format!("198.{}.{c}.{d}", 18 + (net >> 14))
        };
        let (here, inner) = (format!("hm{pid}.{number}"), format!("cable{number}"));
        let holder = self.holder.id().to_string();
        let pair = ["type", "veth", "peer", "name", &inner, "netns", &holder];
        ip(&[&["link", "add", &here], &pair[..]].concat()).then_some(())?;
        let cable = Cable { here, there: address(2) };
        let with_length = |host| format!("{}/30", address(host));
        assert!(ip(&["address", "add", &with_length(1), "dev", &cable.here]), "an address");
        cable.mend();
        let inside = |words: &[&str]| {
            let enter = ["-t", &holder, "-n", "ip"];
            Command::new("nsenter").args(enter).args(words).status().is_ok_and(|s| s.success())
        };
        assert!(inside(&["address", "add", &with_length(2), "dev", &inner]), "an address");
        assert!(inside(&["link", "set", &inner, "up"]), "the other end");
        Some(cable)
    }

    /// Listens on all of these cables, for HTTP on the last of them.
    pub fn start(&self, start: Start, cables: &[&Cable]) -> Broker {
        let holder = self.holder.id().to_string();
        let addresses: Vec<String> =
            cables.iter().map(|cable| format!("\"{}:0\"", cable.there)).collect();
        let http = format!("[{}]", addresses.last().expect("a cable"));
        let start = start.prefix(&["nsenter", "-t", &holder, "-n"]);
        let list = format!("[{}]", addresses.join(","));
        start.listen_mqtt(&list).env("HOMING__LISTEN__HTTP", &http).start()
    }
}

impl Cable {
    pub fn cut(&self) {
        assert!(ip(&["link", "set", &self.here, "down"]), "cut");
    }

    pub fn mend(&self) {
        assert!(ip(&["link", "set", &self.here, "up"]), "mend");
    }

    /// Where the broker listens on it.
    pub fn mqtt(&self, broker: &Broker) -> SocketAddr {
        let all = broker.listeners("mqtt");
        let own = all.into_iter().find(|address| address.ip().to_string() == self.there);
        own.expect("a listener on this cable")
    }
}

fn ip(words: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Drop for Cable {
    /// The namespace lives on for as long as the system tries to end connections in it.
    fn drop(&mut self) {
        ip(&["link", "delete", &self.here]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

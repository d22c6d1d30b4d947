//! Debian's mosquitto on a free port. Dropping it ends that process and no other.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::wait_until;

/// Debian installs it where root finds it, and others may not.
const PROGRAM: &str = "/usr/sbin/mosquitto";

pub struct Mosquitto {
    pub addr: SocketAddr,
    child: Child,
    _dir: TempDir,
}

impl Mosquitto {
    /// `None` where it is not installed.
    pub fn start() -> Option<Mosquitto> {
        if !Path::new(PROGRAM).exists() {
            return None;
        }
        Some(wait_until("mosquitto to start", Mosquitto::try_start))
    }

    /// Another process may have taken the port meanwhile.
    fn try_start() -> Option<Mosquitto> {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("mosquitto.conf");
        let port = addr.port();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n\
             max_inflight_messages 64\nset_tcp_nodelay true\nlog_dest none\n"
        );
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("mosquitto");
        let started = wait_until("mosquitto to listen", || {
            let ended = child.try_wait().unwrap().is_some();
            let listens = TcpStream::connect(addr).is_ok();
            (ended || listens).then_some(listens && !ended)
        });
        started.then_some(Mosquitto { addr, child, _dir: dir })
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It fails only where the process has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

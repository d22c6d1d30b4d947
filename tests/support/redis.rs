//! Real Redis: the one that `HOMING_TEST_REDIS` names, shared by tests that keep to keys of their
//! own, and one of a test's own that it may stop and pause.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::Connection;
use tempfile::TempDir;

use super::{skip_loudly, wait_until};

/// Whether HOMING_TEST_SKIP_REDIS=1 says to leave it out.
fn left_out() -> bool {
    let left_out = std::env::var("HOMING_TEST_SKIP_REDIS").is_ok_and(|value| value == "1");
    if left_out {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        skip_loudly(&test, "HOMING_TEST_SKIP_REDIS=1 leaves Redis out");
    }
    left_out
}

/// The shared Redis. `None` only if it is left out.
pub fn shared_url() -> Option<String> {
    if left_out() {
        return None;
    }
    Some(std::env::var("HOMING_TEST_REDIS").expect(
        "HOMING_TEST_REDIS=redis://… is needed (scripts/services start prints it), \
         or HOMING_TEST_SKIP_REDIS=1 to leave Redis out",
    ))
}

/// A word that no other test uses in its keys.
pub fn own_word() -> String {
    format!("t{:032x}", rand::random::<u128>())
}

pub fn connect(url: &str) -> Connection {
    redis::Client::open(url).expect("a URL").get_connection().expect("Redis")
}

/// A Redis of a test's own, on a free port. Dropping it kills that process and no other.
pub struct OwnRedis {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl OwnRedis {
    /// `None` only if Redis is left out.
    pub fn start() -> Option<OwnRedis> {
        if left_out() {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let dir = TempDir::new().expect("temporary directory");
        let mut redis = OwnRedis { child: None, port: free.port(), dir };
        redis.start_again();
        Some(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .arg("--dir")
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.expect("redis-server: run scripts/test-env"));
        let client = redis::Client::open(self.url()).expect("a URL");
        wait_until("Redis", || client.get_connection().ok());
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails only where the process has ended by itself.
            let _ = child.kill();
            child.wait().expect("wait");
        }
    }

    /// It answers nothing, and takes connections all the same.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("running").id();
        let kill = format!("kill -{name} {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success(), "{kill}");
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

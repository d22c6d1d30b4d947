//! The real broker as a child process, on free ports, with a data directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::client::Client;
use super::command;
use super::connect::Connect;
use super::log::Lines;
use super::{metrics, wait_until};

/// Nothing that the tests wait for takes this long: only against hanging.
pub const HANG: Duration = Duration::from_secs(30);

/// How a broker is to be started.
#[derive(Clone, Debug)]
pub struct Start {
    verb: &'static str,
    data: Option<PathBuf>,
    mqtt: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
    /// A program that starts the broker in its turn and keeps its process id, as `strace -D`.
    prefix: Vec<String>,
}

/// A broker that ended before it was ready.
#[derive(Debug)]
pub struct Refused {
    pub status: ExitStatus,
    /// All that it wrote, stdout and stderr.
    pub said: String,
}

impl Start {
    pub fn dev() -> Start {
        Start {
            verb: "dev",
            data: None,
            mqtt: "127.0.0.1:0".into(),
            env: Vec::new(),
            args: Vec::new(),
            prefix: Vec::new(),
        }
    }

    pub fn serve() -> Start {
        Start { verb: "serve", ..Start::dev() }
    }

    /// A setting, such as `HOMING__INBOX__SETTLE`.
    pub fn env(mut self, key: &str, value: &str) -> Start {
        self.env.push((key.into(), value.into()));
        self
    }

    /// A data directory that outlives the broker.
    pub fn data(mut self, dir: &Path) -> Start {
        self.data = Some(dir.into());
        self
    }

    pub fn mqtt(mut self, addr: impl ToString) -> Start {
        self.mqtt = addr.to_string();
        self
    }

    /// With its MQTT listeners as in this setting, a list of tables or addresses.
    pub fn listen_mqtt(self, list: &str) -> Start {
        Start { mqtt: String::new(), ..self }.env("HOMING__LISTEN__MQTT", list)
    }

    pub fn arg(mut self, arg: &str) -> Start {
        self.args.push(arg.into());
        self
    }

    pub fn prefix(mut self, words: &[&str]) -> Start {
        self.prefix = words.iter().map(ToString::to_string).collect();
        self
    }

    pub fn start(self) -> Broker {
        self.try_start().unwrap_or_else(|refused| {
            panic!("the broker did not start: {}\n{}", refused.status, refused.said);
        })
    }

    /// How it refused; panics if it started.
    pub fn refused(self) -> Refused {
        match self.try_start() {
            Err(refused) => refused,
            Ok(broker) => panic!("it started, on {}", broker.mqtt),
        }
    }

    pub fn try_start(mut self) -> Result<Broker, Refused> {
        let temp = self.data.is_none().then(|| TempDir::new().expect("temporary directory"));
        let in_temp = |dir: &TempDir| dir.path().join("data");
        let data = self.data.get_or_insert_with(|| in_temp(temp.as_ref().expect("made"))).clone();
        let log = Lines::default();
        let running = spawn(&self, &data, &log)?;
        let (mqtt, http) = (running.mqtt, running.http);
        let child = Some(running.child);
        Ok(Broker { child, data, start: self, mqtt, http, log, said: running.said, _temp: temp })
    }
}

struct Running {
    child: Child,
    mqtt: SocketAddr,
    http: SocketAddr,
    said: Lines,
}

fn spawn(start: &Start, data: &Path, log: &Lines) -> Result<Running, Refused> {
    let mut words = start.prefix.clone();
    words.push(command::HOMING.into());
    let mut command = Command::new(&words[0]);
    command::forget_settings(&mut command);
    command.args(&words[1..]).arg(start.verb).arg("--data").arg(data);
    if !start.mqtt.is_empty() {
        command.args(["--mqtt", &start.mqtt]);
    }
    if !start.env.iter().any(|(key, _)| key == "HOMING__LISTEN__HTTP") {
        command.args(["--http", "127.0.0.1:0"]);
    }
    command.args(&start.args);
    command.env("NO_COLOR", "1").env("HOMING__LOG__FORMAT", "text");
    command.envs(start.env.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let said = Lines::default();
    let before = log.len();
    said.follow(child.stdout.take().expect("piped"));
    log.follow(child.stderr.take().expect("piped"));
    let Some(ready) = said.find_after(0, &["ready ", "mqtt=", "http="]) else {
        let status = end_of(child);
        log.wait_end();
        let said = [said.all(), log.all().split_off(before)].concat().join("\n");
        return Err(Refused { status, said });
    };
    let (mqtt, http) = (address(&ready, "mqtt="), address(&ready, "http="));
    Ok(Running { child, mqtt, http, said })
}

/// The status of a broker that will not be ready: it has just ended, or it hangs.
fn end_of(mut child: Child) -> ExitStatus {
    for _ in 0..1000 {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    panic!("the broker hangs before it is ready");
}

fn address(ready: &str, key: &str) -> SocketAddr {
    addresses(ready, key)[0]
}

fn addresses(ready: &str, key: &str) -> Vec<SocketAddr> {
    let word = ready.split_whitespace().find_map(|word| word.strip_prefix(key));
    let word = word.unwrap_or_else(|| panic!("no {key} in {ready:?}"));
    let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("no address: {ready:?}"));
    word.split(',').map(address).collect()
}

/// A running broker. Dropping it kills its own process and no other.
pub struct Broker {
    pub mqtt: SocketAddr,
    pub http: SocketAddr,
    pub data: PathBuf,
    /// stderr, over all restarts.
    pub log: Lines,
    /// stdout of the present process.
    pub said: Lines,
    child: Option<Child>,
    start: Start,
    _temp: Option<TempDir>,
}

impl Broker {
    /// `homing dev`: users alice, bob and carol with the password `dev`.
    pub fn dev() -> Broker {
        Start::dev().start()
    }

    /// `homing dev` with settings, as in `&[("HOMING__INBOX__SETTLE", "2s")]`.
    pub fn with(settings: &[(&str, &str)]) -> Broker {
        let start = settings.iter().fold(Start::dev(), |start, (key, value)| start.env(key, value));
        start.start()
    }

    /// With plain topics open to everybody.
    pub fn with_plain_topics() -> Broker {
        Broker::with(&[("HOMING__ACL__DEFAULT", "allow")])
    }

    /// Where the listeners of this key are: `mqtt`, `mqtts`, `ws`, `wss`, `http`, `https`.
    pub fn listeners(&self, key: &str) -> Vec<SocketAddr> {
        addresses(&self.said.wait_for(&["ready "]), &format!("{key}="))
    }

    /// MQTT over TLS.
    pub fn mqtts(&self) -> SocketAddr {
        self.listeners("mqtts")[0]
    }

    /// MQTT over WebSocket.
    pub fn ws(&self) -> SocketAddr {
        self.listeners("ws")[0]
    }

    /// MQTT over WebSocket and TLS.
    pub fn wss(&self) -> SocketAddr {
        self.listeners("wss")[0]
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails only where the process has ended by itself.
            let _ = child.kill();
            child.wait().expect("wait");
        }
    }

    /// SIGTERM without waiting.
    pub fn send_sigterm(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("sh");
        assert!(status.success(), "{kill}");
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.send_sigterm();
        self.wait_for_exit()
    }

    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("running");
        let status = wait_until("the broker's exit", || child.try_wait().expect("wait"));
        self.child = None;
        status
    }

    /// The status, if it has ended by itself.
    pub fn try_exit(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("wait")?;
        self.child = None;
        Some(status)
    }

    /// Whether it has ended by itself; [`Broker::try_exit`] still has the status.
    pub fn ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("wait").is_some())
    }

    /// Starts it again on the same data directory and ports of MQTT and WebSocket, once it has
    /// ended.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "end it first: kill9() or terminate()");
        self.start.mqtt = self.mqtt.to_string();
        const WS: &str = "HOMING__LISTEN__WS";
        if self.start.env.iter().any(|(key, _)| key == WS) {
            self.start.env.push((WS.into(), format!("[\"{}\"]", self.ws())));
        }
        // Between the end and now another process may hold the port for a moment.
        let running = wait_until("the broker's restart", || {
            match spawn(&self.start, &self.data, &self.log) {
                Ok(running) => Some(running),
                Err(refused) if refused.said.contains(&self.mqtt.port().to_string()) => None,
                Err(refused) => panic!("restart: {}\n{}", refused.status, refused.said),
            }
        });
        self.http = running.http;
        self.said = running.said;
        self.child = Some(running.child);
    }

    /// SIGKILL and a start on the same data.
    pub fn crash(&mut self) {
        self.kill9();
        self.restart();
    }

    /// The log line with this in it, once it is there.
    pub fn wait_for_log(&self, substring: &str) -> String {
        self.log.wait_for(&[substring])
    }

    /// Sum of all samples of this metric that have these labels; 0 if there are none.
    pub fn metrics(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metrics::sum(&metrics::get(self.http, "/metrics").1, name, labels)
    }

    /// Messages removed for this reason.
    pub fn removed(&self, reason: &str) -> f64 {
        self.metrics("homing_messages_removed_total", &[("reason", reason)])
    }

    pub fn wait_for_removed(&self, reason: &str, count: u64) {
        let what = format!("{count} messages removed by {reason}");
        wait_until(&what, || (self.removed(reason) >= count as f64).then_some(()));
        assert_eq!(self.removed(reason), count as f64, "{what}");
    }

    /// `homing VERB …` that talks to this broker through its data directory.
    pub fn command(&self, words: &[&str]) -> command::Homing {
        command::homing(words).arg("--data").arg(&self.data)
    }

    /// A further user, by the control socket.
    pub fn add_user(&self, uid: &str, password: &str) {
        let add = self.command(&["user", "add", uid, "--password-stdin"]);
        add.stdin(&format!("{password}\n")).ok();
    }

    // -- the clients of the tests, in short ------------------------------------------------------

    /// A connected 3.1.1 device that gets its mail.
    pub fn device(&self, uid: &str, client_id: &str) -> Client {
        Connect::v311(uid, client_id).device(self.mqtt)
    }

    /// A connected MQTT 5 device that gets its mail.
    pub fn device_v5(&self, uid: &str, client_id: &str) -> Client {
        Connect::v5(uid, client_id).device(self.mqtt)
    }

    /// Makes a device known and leaves.
    pub fn know(&self, uid: &str, client_id: &str) {
        self.device(uid, client_id).disconnect();
    }

    /// Bob sends these to `topic` from a connection of his own, each acknowledged.
    pub fn mail(&self, topic: &str, payloads: &[&str]) {
        let mut bob = Connect::v311("bob", "post").open(self.mqtt);
        for payload in payloads {
            bob.publish_acked(topic, payload, 1);
        }
        bob.disconnect();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let lines = self.log.all();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("-- the broker's log, last lines:\n{}", tail.join("\n"));
        }
    }
}

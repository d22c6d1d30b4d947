//! A member API: a real HTTP/1.1 server in the test process that does as it is told, well or badly,
//! and records every call.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::{HANG, wait_until};

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Instant,
    /// `POST /login HTTP/1.1`
    pub line: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Answers `{"allow":…}` by the table of [`MemberApi::allow`].
    Table,
    /// Always the same.
    Says(u16, String),
    /// Takes the request and says nothing until the mood changes; then answers in the new mood.
    Hang,
    /// Resets the connection.
    Reset,
    /// Answers by the table after a while.
    Slow(Duration),
    /// Something that is no HTTP.
    Garbage,
    /// A body that never ends.
    Endless,
}

struct Shared {
    mood: Mutex<Mood>,
    changed: Condvar,
    table: Mutex<HashMap<(String, String), String>>,
    /// Statuses and bodies for users that are answered otherwise.
    odd: Mutex<HashMap<String, (u16, String)>>,
    calls: Mutex<Vec<Call>>,
    ended: AtomicBool,
}

pub struct MemberApi {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

impl MemberApi {
    pub fn start() -> MemberApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Table),
            changed: Condvar::new(),
            table: Mutex::default(),
            odd: Mutex::default(),
            calls: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        MemberApi { addr, shared }
    }

    /// It says only this.
    pub fn says(status: u16, body: &str) -> MemberApi {
        let api = MemberApi::start();
        api.mood(Mood::Says(status, body.into()));
        api
    }

    pub fn url(&self) -> String {
        format!("http://{}/login", self.addr)
    }

    /// This login is right from now on.
    pub fn allow(&self, uid: &str, token: &str) {
        self.allow_with(uid, token, "");
    }

    /// The same with more fields in the answer, as in `"roles":["vip"]`.
    pub fn allow_with(&self, uid: &str, token: &str, more: &str) {
        let comma = if more.is_empty() { "" } else { "," };
        let answer = format!("{{\"allow\":true{comma}{more}}}");
        let mut table = self.shared.table.lock().expect("table");
        table.insert((uid.into(), token.into()), answer);
    }

    /// This user's logins are wrong from now on.
    pub fn forbid(&self, uid: &str) {
        self.shared.table.lock().expect("table").retain(|(own, _), _| own != uid);
    }

    /// Whatever the table says of this user, this is the answer.
    pub fn answers(&self, uid: &str, status: u16, body: &str) {
        self.shared.odd.lock().expect("odd").insert(uid.into(), (status, body.into()));
    }

    pub fn mood(&self, mood: Mood) {
        *self.shared.mood.lock().expect("mood") = mood;
        self.shared.changed.notify_all();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("calls").clone()
    }

    pub fn count(&self) -> usize {
        self.shared.calls.lock().expect("calls").len()
    }

    pub fn wait_for_calls(&self, count: usize) {
        wait_until(&format!("{count} calls"), || (self.count() >= count).then_some(()));
    }

    /// The only call so far.
    pub fn only_call(&self) -> Call {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls[0].clone()
    }
}

impl Drop for MemberApi {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.mood(Mood::Reset);
        // Wakes the accepting thread; it fails only where that has ended.
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    /// Requests of one connection, until somebody closes it.
    fn serve(&self, stream: TcpStream) {
        stream.set_read_timeout(Some(HANG)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        let Ok(writing) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        while let Some(call) = read(&mut reader) {
            self.calls.lock().expect("calls").push(call.clone());
            if !self.answer(&call, &writing) {
                return;
            }
        }
    }

    /// False if the connection is over.
    fn answer(&self, call: &Call, mut stream: &TcpStream) -> bool {
        match self.awake() {
            Mood::Table | Mood::Hang => self.respond_by_table(call, stream),
            Mood::Slow(wait) => {
                std::thread::sleep(wait);
                self.respond_by_table(call, stream)
            }
            Mood::Says(status, body) => respond(stream, status, &body),
            Mood::Garbage => {
                // It fails only where the caller has given up already.
                let _ = stream.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n");
                false
            }
            Mood::Reset => {
                let socket = socket2::SockRef::from(stream);
                socket.set_linger(Some(Duration::ZERO)).expect("linger");
                false
            }
            Mood::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
                let mut open = stream.write_all(head).is_ok();
                while open {
                    open = stream.write_all(&[b' '; 8192]).is_ok();
                }
                false
            }
        }
    }

    /// The mood, once it is another one than to hang.
    fn awake(&self) -> Mood {
        let mood = self.mood.lock().expect("mood");
        let hangs = |mood: &mut Mood| matches!(mood, Mood::Hang);
        self.changed.wait_while(mood, hangs).expect("mood").clone()
    }

    fn respond_by_table(&self, call: &Call, stream: &TcpStream) -> bool {
        let asked: serde_json::Value = serde_json::from_str(&call.body).unwrap_or_default();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let odd = self.odd.lock().expect("odd").get(&text("uid")).cloned();
        if let Some((status, body)) = odd {
            return respond(stream, status, &body);
        }
        let known = self.table.lock().expect("table").get(&(text("uid"), text("token"))).cloned();
        respond(stream, 200, known.as_deref().unwrap_or("{\"allow\":false}"))
    }
}

fn respond(mut stream: &TcpStream, status: u16, body: &str) -> bool {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nLocation: /other\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.first()?.clone();
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: HashMap<String, String> = lines[1..].iter().filter_map(header).collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call { at: Instant::now(), line, headers, body: String::from_utf8(body).ok()? })
}

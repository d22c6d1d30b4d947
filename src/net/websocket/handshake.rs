//! The opening handshake (RFC 6455, section 4.2): from the bytes of a request to the answer, and
//! for whom the door stays closed.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{Header, Request, Status};

use crate::config::Origin;

/// Of a request with all of its headers; browsers send their cookies along.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
pub const HEADERS_COUNT_MAX: usize = 64;
/// Section 1.3.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;
/// As registered, and as it was called before that; the first of them that is offered.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// Of what a client sent, in words about it.
const SHOWN_CHARS_MAX: usize = 100;

/// What a listener asks for.
pub struct Rules {
    pub path: String,
    /// Beside pages of the same host.
    pub origins: Vec<Origin>,
}

/// A request that is answered with 101.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Frames begin behind so many bytes.
    pub request_bytes: usize,
    pub answer: String,
}

/// Why there is no WebSocket, as the client and the log are told.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: Refusal,
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    Origin,
    Path,
    Method,
    Late,
    Upgrade,
    TooLarge,
}

impl Refusal {
    /// The status line, and the headers that belong to it.
    fn head(self) -> &'static str {
        match self {
            Refusal::BadRequest => "400 Bad Request",
            Refusal::Origin => "403 Forbidden",
            Refusal::Path => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed\r\nAllow: GET",
            Refusal::Late => "408 Request Timeout",
            Refusal::Upgrade => {
                "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
            }
            Refusal::TooLarge => "431 Request Header Fields Too Large",
        }
    }

    pub fn with(self, words: impl Into<String>) -> Refused {
        Refused { status: self, words: words.into() }
    }
}

impl Refused {
    /// The whole answer.
    pub fn answer(&self) -> String {
        let connection = match self.status {
            Refusal::Upgrade => "Upgrade, close",
            _ => "close",
        };
        format!(
            "HTTP/1.1 {}\r\nConnection: {connection}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{}\n",
            self.status.head(),
            self.words.len() + 1,
            self.words
        )
    }
}

/// Reads a request that begins with `bytes`. `None` while it is not whole.
///
/// # Errors
/// The first reason not to let it in.
pub fn answer(bytes: &[u8], rules: &Rules) -> Result<Option<Accepted>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_COUNT_MAX];
    let mut request = Request::new(&mut headers);
    let request_bytes = match request.parse(bytes) {
        Ok(Status::Complete(count)) => count,
        Ok(Status::Partial) if bytes.len() < REQUEST_BYTES_MAX => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            let words = format!("more than {REQUEST_BYTES_MAX} bytes or {HEADERS_COUNT_MAX} lines");
            return Err(Refusal::TooLarge.with(words));
        }
        Err(error) => return Err(no_http(bytes, error)),
    };
    right_place(&request, rules)?;
    let headers = Headers(request.headers);
    let key = right_version(&headers)?;
    let protocol = subprotocol(&headers)?;
    right_origin(&headers, rules)?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n",
        accept_key(key)
    );
    Ok(Some(Accepted { request_bytes, answer }))
}

fn no_http(bytes: &[u8], error: httparse::Error) -> Refused {
    Refusal::BadRequest.with(match bytes {
        [0x16, 0x03, ..] => "this is TLS, and the port is without: use one of listen.wss".into(),
        [0x10, ..] => "this is MQTT without WebSocket: use one of listen.mqtt".into(),
        _ => format!("this is no HTTP request: {error}"),
    })
}

fn right_place(request: &Request<'_, '_>, rules: &Rules) -> Result<(), Refused> {
    let path = request.path.unwrap_or_default();
    let without_query = path.split('?').next();
    if without_query != Some(rules.path.as_str()) {
        let words = format!("MQTT is at {}, and not at {}", rules.path, shown(path));
        return Err(Refusal::Path.with(words));
    }
    if request.method != Some("GET") {
        return Err(Refusal::Method.with("WebSocket begins with GET"));
    }
    match request.version {
        Some(1) => Ok(()),
        _ => Err(Refusal::BadRequest.with("WebSocket takes HTTP/1.1")),
    }
}

/// The key of a request for the version that there is.
fn right_version<'a>(headers: &Headers<'a>) -> Result<&'a str, Refused> {
    if !headers.lists("upgrade", "websocket") || !headers.lists("connection", "upgrade") {
        let words = "here is MQTT over WebSocket: send Upgrade: websocket, Connection: Upgrade";
        return Err(Refusal::Upgrade.with(words));
    }
    if headers.get("sec-websocket-version") != Some("13") {
        return Err(Refusal::Upgrade.with("Sec-WebSocket-Version has to be 13"));
    }
    let key = headers.get("sec-websocket-key").unwrap_or_default();
    let right = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    let bad = || Refusal::BadRequest.with("Sec-WebSocket-Key has to be 16 bytes in Base64");
    right.then_some(key).ok_or_else(bad)
}

fn subprotocol(headers: &Headers<'_>) -> Result<&'static str, Refused> {
    let offered = |name: &&str| headers.lists("sec-websocket-protocol", name);
    let words = "offer the subprotocol mqtt: send Sec-WebSocket-Protocol: mqtt";
    SUBPROTOCOLS.into_iter().find(offered).ok_or_else(|| Refusal::BadRequest.with(words))
}

/// Only browsers have to say where a page is from; several libraries name the server's own host.
fn right_origin(headers: &Headers<'_>, rules: &Rules) -> Result<(), Refused> {
    let Some(origin) = headers.get_raw("origin") else { return Ok(()) };
    let origin = String::from_utf8_lossy(origin);
    let same_host = || {
        let theirs = origin.split_once("://").map(|(_, host)| without_port(host));
        theirs
            .zip(headers.get("host").map(without_port))
            .is_some_and(|(theirs, ours)| !theirs.is_empty() && theirs.eq_ignore_ascii_case(ours))
    };
    if rules.origins.iter().any(|one| one.lets_in(&origin)) || same_host() {
        return Ok(());
    }
    let words = format!("pages from {} are not let in: see websocket.origins", shown(&origin));
    Err(Refusal::Origin.with(words))
}

/// Of `host:port`; an IPv6 address stands in brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// Section 4.2.2, step 5.
fn accept_key(key: &str) -> String {
    let both = format!("{key}{KEY_SUFFIX}");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes()))
}

struct Headers<'a>(&'a [Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|header| header.value)
    }

    fn get_raw(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.get_raw(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    /// Whether `word` is in a list with commas, in one line or in several.
    fn lists(&self, name: &str, word: &str) -> bool {
        let is = |one: &[u8]| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
        self.all(name).flat_map(|value| value.split(|byte| *byte == b',')).any(is)
    }
}

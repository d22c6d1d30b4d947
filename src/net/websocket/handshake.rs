//! The opening handshake (RFC 6455, section 4.2): from the bytes of a request to the answer, and
//! for whom the door stays closed.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{Header, Request, Status};

use crate::config::Origin;

/// Of a request with all of its headers; browsers send their cookies along.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
const HEADERS_COUNT_MAX: usize = 64;
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

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: [&str; 6] = [
        "Host: chat.example.org:8083",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mqtt",
    ];

    fn rules(origins: &str) -> Rules {
        let settings: crate::config::WebSocket =
            toml::from_str(&format!("origins = {origins}")).unwrap();
        Rules { path: settings.path, origins: settings.origins }
    }

    /// A request with these lines instead of the usual ones of the same names.
    fn request(first: &str, own: &[&str]) -> String {
        let name = |line: &str| line.split(':').next().unwrap_or_default().to_lowercase();
        let other = |line: &&&str| own.iter().all(|own| name(own) != name(line));
        let lines: Vec<&str> = USUAL.iter().filter(other).chain(own).copied().collect();
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.ends_with(':')).collect();
        format!("{first}\r\n{}\r\n\r\n", lines.join("\r\n"))
    }

    fn ask(first: &str, own: &[&str]) -> Result<Option<Accepted>, Refused> {
        answer(request(first, own).as_bytes(), &rules("[]"))
    }

    fn refusal(first: &str, own: &[&str]) -> Refusal {
        ask(first, own).unwrap_err().status
    }

    const GET: &str = "GET /mqtt HTTP/1.1";

    /// With the example of section 1.3.
    #[test]
    fn a_right_request_is_answered_when_it_is_whole() {
        let request = request(GET, &[]);
        let bytes = [request.as_bytes(), b"frames"].concat();
        let accepted = answer(&bytes, &rules("[]")).unwrap().unwrap();
        assert_eq!(accepted.request_bytes, request.len());
        let answer_text = accepted.answer;
        assert!(answer_text.starts_with("HTTP/1.1 101 "), "{answer_text}");
        assert!(answer_text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer_text.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{answer_text}");
        assert!(!answer_text.contains("Extensions"), "{answer_text}");
        for cut in 0..request.len() {
            assert_eq!(answer(&request.as_bytes()[..cut], &rules("[]")), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_clients_write_differently_is_understood() {
        assert!(ask("GET /mqtt?x=1 HTTP/1.1", &[]).is_ok());
        assert!(ask(GET, &["UPGRADE: WebSocket", "connection: upgrade"]).is_ok());
        let older = ask(GET, &["Sec-WebSocket-Protocol: mqttv3.1"]).unwrap().unwrap();
        assert!(older.answer.contains("Sec-WebSocket-Protocol: mqttv3.1\r\n"));
        let both = ask(GET, &["Sec-WebSocket-Protocol: mqttv3.1, mqtt"]).unwrap().unwrap();
        assert!(both.answer.contains("Sec-WebSocket-Protocol: mqtt\r\n"));
    }

    #[test]
    fn each_refusal_has_its_status() {
        assert_eq!(refusal("GET / HTTP/1.1", &[]), Refusal::Path);
        assert_eq!(refusal("GET /mqtt/x HTTP/1.1", &[]), Refusal::Path);
        assert_eq!(refusal("POST /mqtt HTTP/1.1", &[]), Refusal::Method);
        assert_eq!(refusal("GET /mqtt HTTP/1.0", &[]), Refusal::BadRequest);
        for missing in ["Upgrade:", "Connection:", "Sec-WebSocket-Version:"] {
            assert_eq!(refusal(GET, &[missing]), Refusal::Upgrade, "{missing}");
        }
        assert_eq!(refusal(GET, &["Sec-WebSocket-Version: 8"]), Refusal::Upgrade);
        for key in ["Sec-WebSocket-Key:", "Sec-WebSocket-Key: AAAA", "Sec-WebSocket-Key: ???"] {
            assert_eq!(refusal(GET, &[key]), Refusal::BadRequest, "{key}");
        }
        for protocol in ["Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: chat"] {
            assert_eq!(refusal(GET, &[protocol]), Refusal::BadRequest, "{protocol}");
        }
    }

    #[test]
    fn another_protocol_is_named() {
        let words = |bytes: &[u8]| answer(bytes, &rules("[]")).unwrap_err().words;
        assert!(words(&[0x16, 0x03, 0x01]).contains("listen.wss"));
        assert!(words(&[0x10, 0x0C, 0, 4]).contains("listen.mqtt"));
        assert!(words(b"\0\0").contains("no HTTP"));
    }

    /// Threat I11.
    #[test]
    fn pages_of_other_hosts_are_let_in_where_they_are_named() {
        let comes = |origin: &str, origins: &str| {
            let origin = format!("Origin: {origin}");
            answer(request(GET, &[&origin]).as_bytes(), &rules(origins)).is_ok()
        };
        for same in ["https://chat.example.org", "http://CHAT.example.org:8083"] {
            assert!(comes(same, "[]"), "{same}");
        }
        let app = "https://app.example.org";
        for other in [app, "https://chat.example.org.evil.example", "null", "https://", "x"] {
            assert!(!comes(other, "[]"), "{other}");
            assert!(comes(other, "[\"*\"]"), "{other}");
        }
        let named = format!("[{app:?}]");
        assert!(comes(app, &named) && !comes("http://app.example.org", &named));
        let v6 = ["Host: [::1]:8083", "Origin: http://[::1]:3000"];
        assert!(ask(GET, &v6).is_ok());
        assert_eq!(refusal(GET, &["Host: [::2]", v6[1]]), Refusal::Origin);
    }

    #[test]
    fn endless_headers_are_refused() {
        let endless = format!("{GET}\r\nCookie: {}", "x".repeat(REQUEST_BYTES_MAX));
        let refused = answer(endless.as_bytes(), &rules("[]")).unwrap_err();
        assert_eq!(refused.status, Refusal::TooLarge);
        let many: Vec<String> = (0..HEADERS_COUNT_MAX).map(|n| format!("X-{n}: y")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(refusal(GET, &many), Refusal::TooLarge);
    }

    #[test]
    fn a_refusal_is_a_whole_answer() {
        for (refusal, head) in [
            (Refusal::Method, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n"),
            (Refusal::Upgrade, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"),
            (Refusal::Origin, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"),
        ] {
            let answer = refusal.with("words").answer();
            assert!(answer.starts_with(head), "{answer}");
            assert!(answer.ends_with("Content-Length: 6\r\n\r\nwords\n"), "{answer}");
        }
    }
}

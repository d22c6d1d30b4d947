//! The request of a client: what is let in, and with which words the rest is not.

use super::super::handshake::*;

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

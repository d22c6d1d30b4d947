//! One request over HTTP/1.1, byte by byte, and its whole answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::HANG;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// As they came, with their names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// `headers` are lines, as in `&["Authorization: Bearer x"]`.
pub fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect_timeout(&addr, HANG).expect("HTTP listener");
    stream.set_read_timeout(Some(HANG)).expect("timeout");
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{lines}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // A server that refuses early may close before it has read all; what it says counts.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&String::from_utf8(bytes).expect("text"))
}

/// A request of these lines alone.
pub fn ask_raw(addr: SocketAddr, first: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect_timeout(&addr, HANG).expect("HTTP listener");
    stream.set_read_timeout(Some(HANG)).expect("timeout");
    let head = format!("{first}\r\nHost: {addr}\r\n{}\r\n\r\n", headers.join("\r\n"));
    let _ = stream.write_all(head.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&String::from_utf8(bytes).expect("text"))
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header's end");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    let headers = head.lines().skip(1).filter_map(pair).collect();
    Answer { status, headers, body: body.to_owned() }
}

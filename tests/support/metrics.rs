//! `GET` over HTTP/1.1, and the Prometheus text format.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::HANG;

/// Status and body.
pub fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect_timeout(&addr, HANG).expect("HTTP listener");
    stream.set_read_timeout(Some(HANG)).expect("timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a header's end");
    (status.expect("a status"), body.to_owned())
}

/// Sum of the samples `name` whose labels include `labels`. Every figure is there from the start,
/// so one that is not has another name.
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(sample);
    let found: Vec<f64> = samples
        .filter(|(found, theirs, _)| {
            *found == name && wanted.iter().all(|label| theirs.contains(&label.as_str()))
        })
        .map(|(_, _, value)| value)
        .collect();
    assert!(!found.is_empty(), "there is no {name} {labels:?} in:\n{text}");
    found.iter().sum()
}

fn sample(line: &str) -> Option<(&str, Vec<&str>, f64)> {
    let (left, value) = line.rsplit_once(' ')?;
    let (name, labels) = left.split_once('{').unwrap_or((left, "}"));
    let labels = labels.trim_end_matches('}').split(',').collect();
    Some((name, labels, value.parse().ok()?))
}

//! What the black-box tests share: the real broker as a child process, a raw MQTT client that
//! speaks bytes, Python and other foreign clients, and the checker of message histories.

// Each test binary uses its own part of it. Tests may panic and may ask for the time.
#![allow(dead_code, unused_imports)]

pub mod broker;
pub mod certificates;
pub mod check;
pub mod client;
pub mod command;
pub mod connect;
pub mod faketime;
pub mod history;
pub mod https;
pub mod log;
pub mod member_api;
pub mod metrics;
pub mod netns;
pub mod node;
pub mod ordinary;
pub mod page;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod python;
pub mod random;
pub mod redis;
pub mod store;
pub mod strace;
pub mod tls;
pub mod tokens;
pub mod websocket;
pub mod wire;
pub mod words;

pub use broker::{Broker, HANG};
pub use client::{Client, Gone};
pub use connect::{Connect, Will};
pub use tls::{Secured, TlsClient};
pub use wire::{Packet, Publish, V5, V311, Version, prop};

use std::time::{Duration, Instant};

/// Asks again and again until `question` has an answer; panics with `what` after [`HANG`]. For
/// things that nobody announces: a counter, a file, a process.
pub fn wait_until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < HANG, "waited {HANG:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says on the terminal, past the test runner's capture, that a test did not run and why.
pub fn skip_loudly(test: &str, why: &str) {
    use std::io::Write;
    let line = format!("\nSKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
}

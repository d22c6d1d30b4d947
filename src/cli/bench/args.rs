//! The flags of `homing bench`.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::{Args, Subcommand};

use super::pace::Pace;
use super::stream::STAMP_BYTES;
use super::visitor::Names;
use crate::cli::connection::{Protocol, Server};
use crate::cli::exit::{Failure, UNREACHABLE};
use crate::config::Span;
use crate::mqtt::{QoS, Version};

/// Messages carry run, publisher, sequence and time, so that loss, duplicates and order are
/// checked. The figures go to standard output, progress to standard error.
#[derive(Args, Debug)]
pub struct Bench {
    #[command(subcommand)]
    pub scene: Scene,
}

#[derive(Debug, Subcommand)]
pub enum Scene {
    /// Publishers and receivers, one to one
    #[command(disable_help_flag = true)]
    Pairs(Pairs),
    /// One publisher, many receivers
    #[command(disable_help_flag = true)]
    Fanout(Fanout),
    /// Connections that do nothing: how fast they come and what each costs
    #[command(disable_help_flag = true)]
    Idle(Idle),
    /// Mail for devices that are away; then all come back at once
    #[command(disable_help_flag = true)]
    Offline(Offline),
}

impl Scene {
    pub fn name(&self) -> &'static str {
        match self {
            Scene::Pairs(_) => "pairs",
            Scene::Fanout(_) => "fanout",
            Scene::Idle(_) => "idle",
            Scene::Offline(_) => "offline",
        }
    }
}

/// Which broker, as whom, and what to print.
#[derive(Args, Debug)]
pub struct Target {
    #[command(flatten)]
    pub server: Server,
    /// The users, counted from 0 where the default has its braces
    #[arg(short, long, alias = "username", default_value = "bench-{n}", value_name = "PATTERN")]
    pub users: String,
    /// What client ids and plain topics begin with
    #[arg(long, default_value = "bench", value_name = "TEXT")]
    pub id_prefix: String,
    /// The protocol version
    #[arg(short = 'V', long, value_enum, default_value = "mqttv311")]
    pub protocol_version: Protocol,
    /// Speak TLS, and trust the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Speak WebSocket; without a path it is homing's default
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true,
          default_missing_value = "/mqtt")]
    pub ws: Option<String>,
    /// The broker's process on this machine: its CPU time and memory are measured
    #[arg(long)]
    pub pid: Option<u32>,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long)]
    pub quiet: bool,
}

impl Target {
    pub fn version(&self) -> Version {
        self.protocol_version.into()
    }

    pub fn names(&self) -> Names {
        Names { users: self.users.clone(), id_prefix: self.id_prefix.clone() }
    }

    /// # Errors
    /// A host that has no address.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        let Server { host, port, .. } = &self.server;
        let unknown = |cause: &str| Failure::new(UNREACHABLE, format!("{host}: {cause}"));
        let found = (host.as_str(), *port).to_socket_addrs();
        let mut found = found.map_err(|error| unknown(&error.to_string()))?;
        found.next().ok_or_else(|| unknown("no address"))
    }
}

/// How many messages, how large and how fast.
#[derive(Args, Debug)]
pub struct Load {
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Messages of a publisher that may be under way: not delivered or not acknowledged
    #[arg(short, long, default_value_t = 16, value_parser = window())]
    pub window: u64,
    /// Bytes of a payload, 28 at least
    #[arg(short = 's', long, default_value_t = 64, value_parser = payload_bytes,
          value_name = "BYTES")]
    pub payload: usize,
    /// Messages of each publisher, instead of --duration
    #[arg(short = 'n', long, conflicts_with_all = ["duration", "warmup"])]
    pub count: Option<u64>,
    /// How long to measure
    #[arg(short, long, default_value = "10s", value_parser = span)]
    pub duration: Span,
    /// How long to run before it counts
    #[arg(long, default_value = "1s", value_parser = span)]
    pub warmup: Span,
    /// Messages per second over all publishers, whatever the broker does; latency then counts from
    /// when a message was due
    #[arg(short, long)]
    pub rate: Option<u64>,
}

impl Load {
    /// # Errors
    /// None that the command line lets through.
    pub fn qos(&self) -> Result<QoS, Failure> {
        QoS::try_from(self.qos).map_err(Failure::usage)
    }

    pub fn pace(&self, publishers: u64) -> Pace {
        Pace {
            count: self.count.map(|count| count * publishers),
            duration: self.duration.0,
            warmup: self.warmup.0,
            rate: self.rate,
        }
    }
}

#[derive(Args, Debug)]
pub struct Pairs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub load: Load,
    /// Pairs of a publisher and a receiver
    #[arg(short = 'c', long, default_value_t = 10, value_parser = many)]
    pub pairs: usize,
    /// Topics of each pair, used in turn; the receiver subscribes to each of them
    #[arg(long, default_value_t = 1, value_parser = many, conflicts_with = "inbox")]
    pub topics: usize,
    /// Publish to the receivers' inboxes, which they don't subscribe to. The pattern is the
    /// broker's topics.inbox
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true,
          default_missing_value = "{uid}")]
    pub inbox: Option<String>,
}

#[derive(Args, Debug)]
pub struct Fanout {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub load: Load,
    /// Receivers of every message
    #[arg(short = 'c', long, default_value_t = 100, value_parser = many)]
    pub subscribers: usize,
}

#[derive(Args, Debug)]
pub struct Idle {
    #[command(flatten)]
    pub target: Target,
    /// Connections
    #[arg(short = 'c', long, default_value_t = 1000, value_parser = many)]
    pub connections: usize,
    /// Connections per second; 0 is as fast as it goes
    #[arg(short, long, default_value_t = 0)]
    pub rate: u64,
    /// How long to hold them
    #[arg(long, default_value = "5s", value_parser = span)]
    pub hold: Span,
    /// Seconds; 0 sends no pings
    #[arg(short, long, default_value_t = 60)]
    pub keepalive: u16,
}

#[derive(Args, Debug)]
pub struct Offline {
    #[command(flatten)]
    pub target: Target,
    /// Devices that are away
    #[arg(short = 'c', long, default_value_t = 100, value_parser = many)]
    pub devices: usize,
    /// Messages for each of them
    #[arg(short = 'n', long, default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: u64,
    /// Messages that may wait for their acknowledgement
    #[arg(short, long, default_value_t = 64, value_parser = window())]
    pub window: u64,
    /// Bytes of a payload, 28 at least
    #[arg(short = 's', long, default_value_t = 64, value_parser = payload_bytes,
          value_name = "BYTES")]
    pub payload: usize,
    /// Publish to the devices' inboxes; without it they subscribe with a durable session
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, require_equals = true,
          default_missing_value = "{uid}")]
    pub inbox: Option<String>,
}

/// Far below the packet ids there are, so that none is used twice at a time.
fn window() -> clap::builder::RangedU64ValueParser<u64> {
    clap::builder::RangedU64ValueParser::new().range(1..=32_000)
}

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "write a number and ms, s, m or h, as in 10s".into())
}

fn many(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number of at least 1".into()),
        Ok(count) => Ok(count),
    }
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    /// More is for other tools.
    const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
    match text.parse() {
        Ok(bytes @ STAMP_BYTES..=PAYLOAD_BYTES_MAX) => Ok(bytes),
        _ => Err(format!("write a number from {STAMP_BYTES} to {PAYLOAD_BYTES_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn parse(line: &str) -> Result<Scene, String> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.bench.scene).map_err(|error| error.to_string())
    }

    #[test]
    fn an_inbox_may_have_a_pattern() {
        for (line, inbox) in [
            ("pairs", None),
            ("pairs --inbox -c 3", Some("{uid}")),
            ("pairs --inbox=u/{uid}", Some("u/{uid}")),
        ] {
            let Scene::Pairs(pairs) = parse(line).unwrap() else { panic!() };
            assert_eq!(pairs.inbox.as_deref(), inbox, "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "pairs -c 0",
            "pairs -s 27",
            "pairs -w 0",
            "pairs -q 3",
            "pairs -n 5 -d 3s",
            "fanout -d 10",
            "idle -c many",
            "offline -n 0",
            "nothing",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_count_is_each_publishers() {
        let Scene::Pairs(pairs) = parse("pairs -n 5 -c 3").unwrap() else { panic!() };
        assert_eq!(pairs.load.pace(3).count, Some(15));
    }
}

//! `homing bench`: measures any MQTT broker. One thread, its own event loop, so that it is cheaper
//! than what it measures; its own CPU is printed, so that one sees when it is not.

mod args;
mod engine;
mod flow;
mod gather;
mod histogram;
mod idle;
mod measure;
mod offline;
mod pace;
mod process;
mod report;
mod sender;
mod stream;
mod transport;
mod visitor;
mod web;
mod wires;

use std::io::Write;

use super::exit::Failure;
pub use args::Bench;
use args::{Fanout, Idle, Offline, Pairs, Scene, Target};
use engine::Engine;
use flow::{Flow, Shape};
use gather::{Errand, Gather, Guest};
use idle::Hold;
use measure::{Arrivals, Measure, verdict};
use offline::{Fill, Return};
use process::{Process, check_open_files};
use report::{CONNECT, Report};
use sender::Sender;
use transport::Transport;
use visitor::{Connecting, Names};

/// Seconds; connections that do not send for a while must not be closed for it.
const KEEP_ALIVE_SECS: u16 = 600;

pub fn run(args: Bench) -> Result<(), Failure> {
    let mut report = Report::new(args.scene.name());
    let (judgement, json) = match args.scene {
        Scene::Pairs(args) => (pairs(&args, &mut report)?, args.target.json),
        Scene::Fanout(args) => (fanout(&args, &mut report)?, args.target.json),
        Scene::Idle(args) => (idle(&args, &mut report)?, args.target.json),
        Scene::Offline(args) => (offline(&args, &mut report)?, args.target.json),
    };
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{}", report.json())?,
        false => write!(out, "{}", report.table())?,
    }
    judgement
}

/// What every scene stands on.
struct Stage {
    engine: Engine,
    names: Names,
    connecting: Connecting,
    run: u64,
}

impl Stage {
    fn new(target: &Target, connections: usize, keep_alive_secs: u16) -> Result<Stage, Failure> {
        check_open_files(connections as u64)?;
        Ok(Stage {
            engine: Engine::new(
                (target.address()?, Transport::new(target)?),
                target.version(),
                target.quiet,
            )?,
            names: target.names(),
            connecting: Connecting::new(target.server.password.clone(), keep_alive_secs),
            run: rand::random(),
        })
    }

    fn guest(&self, role: &str, number: usize, errand: Errand) -> Guest {
        Guest { visitor: self.names.visitor(role, number), errand }
    }

    fn gather(&mut self, guests: Vec<Guest>) -> Result<(), Failure> {
        self.engine.run(&mut Gather::new(&self.connecting, guests, 0))
    }
}

/// What the broker is judged to be, after its figures are printed.
type Judgement = Result<(), Failure>;

fn pairs(args: &Pairs, report: &mut Report) -> Result<Judgement, Failure> {
    let (count, load) = (args.pairs, &args.load);
    let mut stage = Stage::new(&args.target, 2 * count, KEEP_ALIVE_SECS)?;
    let of_pair = |n: usize| stage.topics(&args.inbox, n, args.topics);
    let topics: Vec<Vec<String>> = (0..count).map(of_pair).collect();
    let receiver = |n: usize| stage.receiver(&args.inbox, &topics[n], n, load);
    let publisher = |n: usize| stage.guest("pub", count + n, Errand::None);
    let guests = (0..count).map(receiver).chain((0..count).map(publisher)).collect();
    stage.gather(guests)?;
    let sender = |(n, topics): (usize, Vec<String>)| stage.sender(count + n, topics, n, load);
    let senders = topics.into_iter().enumerate().map(sender).collect();
    report.count("pairs", count as u64);
    report.count("topics_each", args.topics as u64);
    report.text("inbox", if args.inbox.is_some() { "yes" } else { "no" });
    flow(stage, Shape::Pairs, count, senders, (load, args.target.pid), report)
}

fn fanout(args: &Fanout, report: &mut Report) -> Result<Judgement, Failure> {
    let (count, load) = (args.subscribers, &args.load);
    let mut stage = Stage::new(&args.target, count + 1, KEEP_ALIVE_SECS)?;
    let topics = vec![stage.topic(&None, "fanout", 0)];
    let receiver = |n: usize| stage.receiver(&None, &topics, n, load);
    let publisher = stage.guest("pub", count, Errand::None);
    let guests = (0..count).map(receiver).chain([publisher]).collect();
    stage.gather(guests)?;
    let senders = vec![stage.sender(count, topics, 0, load)];
    report.count("subscribers", count as u64);
    flow(stage, Shape::Fanout, count, senders, (load, args.target.pid), report)
}

fn flow(
    mut stage: Stage,
    shape: Shape,
    receivers: usize,
    senders: Vec<Sender>,
    (load, pid): (&args::Load, Option<u32>),
    report: &mut Report,
) -> Result<Judgement, Failure> {
    let copies = senders.len() as u64;
    let pace = load.pace(copies);
    let sizes = (load.payload, pid);
    let mut flow = Flow::new(shape, receivers, senders, stage.run, (pace, load.window), sizes);
    stage.engine.run(&mut flow)?;
    report.count("qos", load.qos.into());
    report.count("window", load.window);
    report.count("payload_bytes", load.payload as u64);
    let judgement = flow.report(report, load.qos()?)?;
    stage.engine.close_all();
    Ok(judgement)
}

impl Stage {
    /// The topic of a stream; an inbox belongs to the receiver.
    fn topic(&self, inbox: &Option<String>, scene: &str, number: usize) -> String {
        match inbox {
            Some(pattern) => pattern.replace("{uid}", &self.names.user(number)),
            None => format!("{}/{scene}/{number}", self.names.id_prefix),
        }
    }

    /// Those of a pair.
    fn topics(&self, inbox: &Option<String>, pair: usize, count: usize) -> Vec<String> {
        let one = self.topic(inbox, "pairs", pair);
        match count {
            1 => vec![one],
            _ => (0..count).map(|n| format!("{one}/{n}")).collect(),
        }
    }

    fn receiver(
        &self,
        inbox: &Option<String>,
        topics: &[String],
        number: usize,
        load: &args::Load,
    ) -> Guest {
        let errand = match (inbox, load.qos()) {
            (None, Ok(qos)) => Errand::Subscribe(topics.into(), qos),
            _ => Errand::Mail,
        };
        self.guest("sub", number, errand)
    }

    fn sender(
        &self,
        id: usize,
        topics: Vec<String>,
        publisher: usize,
        load: &args::Load,
    ) -> Sender {
        let (run, publisher) = (self.run, publisher as u32);
        let qos = load.qos().unwrap_or(crate::mqtt::QoS::AtMostOnce);
        Sender { id, topics, qos, run, publisher, sent: 0, acked: 0 }
    }
}

fn idle(args: &Idle, report: &mut Report) -> Result<Judgement, Failure> {
    let Idle { connections, rate, hold, keepalive, target } = args;
    let mut stage = Stage::new(target, *connections, *keepalive)?;
    let broker = target.pid.map(|pid| Process { pid });
    let memory = || broker.map(|broker| broker.private_bytes()).transpose();
    let before = memory()?;
    let guest = |n: usize| stage.guest("idle", n, Errand::None);
    let guests = (0..*connections).map(guest).collect();
    let mut gather = Gather::new(&stage.connecting, guests, *rate);
    stage.engine.run(&mut gather)?;
    report.count("connections", *connections as u64);
    report.number("connects_per_second", *connections as f64 * 1e9 / gather.took.max(1) as f64);
    report.latency(CONNECT, &gather.latency);
    let cpu = Measure::begin(target.pid, stage.engine.watch.nanos())?;
    let hold_nanos = hold.0.as_nanos() as u64;
    stage.engine.run(&mut Hold::new(hold_nanos, *keepalive, *connections))?;
    cpu.idle(stage.engine.watch.nanos(), report)?;
    if let (Some(before), Some(after)) = (before, memory()?) {
        let grown = after.saturating_sub(before) as f64;
        report.number("memory_bytes_per_connection", grown / *connections as f64);
        report.count("memory_bytes_before", before);
        report.count("memory_bytes_after", after);
    }
    stage.engine.close_all();
    Ok(Ok(()))
}

fn offline(args: &Offline, report: &mut Report) -> Result<Judgement, Failure> {
    let Offline { devices, messages, window, payload, inbox, target } = args;
    let (devices, messages) = (*devices, *messages);
    let mut stage = Stage::new(target, devices + 1, KEEP_ALIVE_SECS)?;
    let topics: Vec<String> = (0..devices).map(|n| stage.topic(inbox, "offline", n)).collect();
    let qos = crate::mqtt::QoS::AtLeastOnce;
    let device = |n: usize| {
        let errand = match inbox {
            Some(_) => Errand::Mail,
            None => Errand::Subscribe(vec![topics[n].clone()], qos),
        };
        let mut guest = stage.guest("away", n, errand);
        guest.visitor.clean = inbox.is_some();
        guest
    };
    let guests: Vec<Guest> = (0..devices).map(device).collect();
    stage.gather(guests.clone())?;
    stage.engine.close_all();

    let publisher = vec![stage.guest("pub", devices, Errand::None)];
    stage.gather(publisher)?;
    let run = stage.run;
    let sender = |(n, topic)| {
        let topics = vec![topic];
        Sender { id: 0, topics, qos, run, publisher: n as u32, sent: 0, acked: 0 }
    };
    let senders = (0..devices).zip(topics).map(sender).collect();
    let begun = stage.engine.watch.nanos();
    stage.engine.run(&mut Fill::new(senders, messages, *window, *payload))?;
    let took = stage.engine.watch.nanos() - begun;
    stage.engine.close_all();

    let expected = devices as u64 * messages;
    report.count("devices", devices as u64);
    report.count("messages_each", messages);
    report.number("stored_per_second", expected as f64 * 1e9 / took.max(1) as f64);
    come_back(&mut stage, guests, messages, target.pid, report)
}

/// All devices connect at once and get what waits for them; then their sessions are ended.
fn come_back(
    stage: &mut Stage,
    mut guests: Vec<Guest>,
    messages: u64,
    pid: Option<u32>,
    report: &mut Report,
) -> Result<Judgement, Failure> {
    let devices = guests.len();
    for guest in &mut guests {
        // The session has the subscription; mail needs none.
        guest.errand = Errand::Mail;
    }
    let measure = Measure::begin(pid, stage.engine.watch.nanos())?;
    let gather = Gather::new(&stage.connecting, guests.clone(), 0);
    let (arrivals, expected) = (Arrivals::new(stage.run, devices), devices as u64 * messages);
    let mut back = Return { gather, arrivals, expected };
    stage.engine.run(&mut back)?;
    let Return { gather, arrivals, .. } = back;
    report.latency(CONNECT, &gather.latency);
    let faults = arrivals.faults(|_| messages);
    measure.report(&arrivals, faults, report)?;
    stage.engine.close_all();
    if guests.iter().any(|guest| !guest.visitor.clean) {
        guests.iter_mut().for_each(|guest| guest.visitor.clean = true);
        stage.gather(guests)?;
        stage.engine.close_all();
    }
    Ok(verdict(faults, arrivals.strays(), crate::mqtt::QoS::AtLeastOnce))
}

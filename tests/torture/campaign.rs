//! The campaign: senders and devices work while the broker is killed at random moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::receiver::{END, Receiver};
use super::sender::Sender;
use super::support::check::{Report, check};
use super::support::history::{Event, History};
use super::support::random::{Random, seed};
use super::support::{Broker, Connect, V5, V311};

const RECIPIENTS: [&str; 2] = ["alice", "bob"];
const DEVICES_EACH: u32 = 3;
const SENDERS: u32 = 4;
/// No acknowledgement for so long, while the broker runs, is a failure.
const STALLED: Duration = Duration::from_secs(60);

struct Plan {
    seed: u64,
    kills: usize,
    messages: u32,
}

/// A few kills in a minute's fraction: part of every test run.
#[test]
fn torture_slice() {
    run(&Plan { seed: seed("HOMING_TORTURE_SEED"), kills: 3, messages: 3000 });
}

/// The whole of it, by `scripts/torture`.
#[test]
#[ignore = "takes minutes: scripts/torture"]
fn torture_full() {
    let number = |key: &str, default: u32| {
        std::env::var(key).map_or(default, |text| text.parse().expect("a number"))
    };
    run(&Plan {
        seed: seed("HOMING_TORTURE_SEED"),
        kills: number("HOMING_TORTURE_KILLS", 25) as usize,
        messages: number("HOMING_TORTURE_MESSAGES", 100_000),
    });
}

fn run(plan: &Plan) {
    println!("torture: HOMING_TORTURE_SEED={}", plan.seed);
    let start = Instant::now();
    let report = check(&history(plan));
    println!("torture: {report}, in {:.1} s", start.elapsed().as_secs_f64());
    let first: Vec<_> = report.violations.iter().take(20).collect();
    assert!(first.is_empty(), "seed {}: {first:#?}", plan.seed);
    complete(plan, &report);
}

/// A campaign that did less than it should proves less.
fn complete(plan: &Plan, report: &Report) {
    assert_eq!(report.kills, plan.kills, "kills");
    assert_eq!(report.submitted, plan.messages as usize, "submitted");
    assert_eq!(report.acked, report.submitted, "acknowledged");
    assert!(report.receipts >= report.acked * DEVICES_EACH as usize, "receipts");
}

fn history(plan: &Plan) -> History {
    let mut random = Random(plan.seed);
    // Nothing may fall to the count limit while a device is slow.
    let mut broker = Broker::with(&[("HOMING__INBOX__MESSAGES_MAX", "10000000")]);
    let mut history = History::default();
    let devices = devices(&broker, &mut random, &mut history);
    let acked = Arc::new(AtomicU64::new(0));
    let senders = senders(&broker, plan, &mut random, &acked);
    let mut under_load = 0;
    for threshold in thresholds(plan, &mut random) {
        wait_for(&acked, threshold, &senders);
        std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
        history.push(Event::Kill);
        broker.kill9();
        under_load += usize::from(acked.load(Ordering::Relaxed) < plan.messages.into());
        broker.restart();
    }
    assert!(under_load * 2 >= plan.kills, "only {under_load} kills came before the end");
    join(senders, &mut history);
    let mut last = Connect::v5("carol", "last").open(broker.mqtt);
    for uid in RECIPIENTS {
        last.publish_acked(uid, END, 1);
    }
    join(devices, &mut history);
    history
}

type Thread = JoinHandle<Vec<Event>>;

fn join(threads: Vec<Thread>, history: &mut History) {
    for thread in threads {
        history.extend(thread.join().expect("a client panicked, see above"));
    }
}

/// Makes every device known, then lets each read on its own thread.
fn devices(broker: &Broker, random: &mut Random, history: &mut History) -> Vec<Thread> {
    let mut threads = Vec::new();
    for device in 0..RECIPIENTS.len() as u32 * DEVICES_EACH {
        let recipient = device % RECIPIENTS.len() as u32;
        // One of the three is an old client, which sees no stamps.
        let version = if device / RECIPIENTS.len() as u32 == 0 { V311 } else { V5 };
        let uid = RECIPIENTS[recipient as usize];
        let receiver = Receiver { device, uid, version, random: random.fork(), events: Vec::new() };
        history.push(Event::Device { device, recipient });
        receiver.connect().device(broker.mqtt).disconnect();
        let addr = broker.mqtt;
        threads.push(std::thread::spawn(move || receiver.run(addr)));
    }
    threads
}

fn senders(
    broker: &Broker,
    plan: &Plan,
    random: &mut Random,
    acked: &Arc<AtomicU64>,
) -> Vec<Thread> {
    let start = |number: u32| {
        let messages = plan.messages / SENDERS + u32::from(number < plan.messages % SENDERS);
        let version = if number.is_multiple_of(2) { V5 } else { V311 };
        let random = random.fork();
        let sender = Sender::new(number, version, messages, RECIPIENTS.to_vec(), random);
        let (addr, acked) = (broker.mqtt, acked.clone());
        std::thread::spawn(move || sender.run(addr, &acked))
    };
    (0..SENDERS).map(start).collect()
}

/// The counts of acknowledgements at which the broker dies: random, in order, before the end.
fn thresholds(plan: &Plan, random: &mut Random) -> Vec<u64> {
    let last = plan.messages as usize * 8 / 10;
    let mut all: Vec<u64> = (0..plan.kills).map(|_| random.below(last) as u64).collect();
    all.sort_unstable();
    all
}

fn wait_for(acked: &AtomicU64, threshold: u64, senders: &[Thread]) {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let now = acked.load(Ordering::Relaxed);
        if now >= threshold {
            return;
        }
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        let alive = senders.iter().any(|sender| !sender.is_finished());
        assert!(alive, "every sender has ended at {now}: one panicked, see above");
        assert!(since.elapsed() < STALLED, "no acknowledgement for {STALLED:?}, after {now}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

//! An acknowledgement leaves only after the commit is on disk. SIGKILL cannot prove it, since the
//! page cache survives the process: so the order of system calls is watched, and fsync is made to
//! fail. (Threats D1 and D5.)

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::support::client::message;
use super::support::strace::{self, Strace};
use super::support::{Broker, Client, Connect, Gone, HANG, Packet, V311, words};

const WATCHED: &str =
    "trace=fdatasync,fsync,write,writev,pwrite64,pwritev,sendto,sendmsg,read,recvfrom,recvmsg";

/// The system calls of the whole process, in order, while `act` runs.
fn watch(broker: &Broker, act: impl FnOnce()) -> Vec<String> {
    let strace = Strace::attach(broker.pid(), &["-y", "-xx", "-s", "70000", "-e", WATCHED]);
    act();
    strace.detach()
}

/// Index of the first line from `start` on with all of these.
fn find(lines: &[String], start: usize, what: &str, pick: impl Fn(&str) -> bool) -> usize {
    let found = lines.iter().skip(start).position(|line| pick(line));
    start + found.unwrap_or_else(|| panic!("no {what} after line {start} of:\n{}", shown(lines)))
}

/// The lines without their long strings.
fn shown(lines: &[String]) -> String {
    let short = |line: &String| line.chars().take(150).collect::<String>();
    lines.iter().map(short).collect::<Vec<_>>().join("\n")
}

/// Checks stored -> synced -> answered: `answer` is the packet's bytes on the wire.
fn synced_before(lines: &[String], payload: &[u8], answer: &[u8]) {
    let (payload, answer) = (strace::hex(payload), strace::hex(answer));
    let sends = |line: &str| {
        let (_, call) = strace::split(line);
        ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|name| call.starts_with(name))
            && call.contains(&answer)
            && strace::is_socket(call)
    };
    let stores = |line: &str| line.contains("write") && line.contains(&payload);
    let stored = find(lines, 0, "write of the message to a file", |line| {
        stores(line) && !strace::is_socket(line)
    });
    let synced = synced_after(lines, stored);
    let answered = find(lines, 0, "write of the answer", sends);
    assert!(
        synced < answered,
        "the answer (line {answered}) left before the sync (line {synced}):\n{}",
        shown(lines)
    );
}

/// The line in which a sync that began after `stored` has returned 0.
fn synced_after(lines: &[String], stored: usize) -> usize {
    let began = find(lines, stored, "fdatasync or fsync", |line| {
        let (_, call) = strace::split(line);
        call.starts_with("fdatasync(") || call.starts_with("fsync(")
    });
    if lines[began].ends_with("= 0") {
        return began;
    }
    let (thread, _) = strace::split(&lines[began]);
    find(lines, began, "end of the sync", |line| {
        let (same, call) = strace::split(line);
        same == thread && call.contains("sync resumed>") && call.ends_with("= 0")
    })
}

const PAYLOAD: &[u8] = b"a payload that is seen on its way to the disk";

#[test]
fn puback_follows_the_sync() {
    let broker = Broker::dev();
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    bob.ping();
    let lines = watch(&broker, || {
        bob.send_publish(&message("alice", PAYLOAD, 1, 0x1234), &[]);
        assert_eq!(bob.expect_puback(0x1234), 0);
    });
    synced_before(&lines, PAYLOAD, &[0x40, 0x02, 0x12, 0x34]);
}

#[test]
fn pubrec_follows_the_sync() {
    let broker = Broker::dev();
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    bob.ping();
    let lines = watch(&broker, || {
        bob.send_publish(&message("alice", PAYLOAD, 2, 0x1234), &[]);
        assert_eq!(bob.expect_pubrec(0x1234), 0);
    });
    synced_before(&lines, PAYLOAD, &[0x50, 0x02, 0x12, 0x34]);
}

// [MQTT-4.3.3-12]: the id is free when PUBCOMP is sent, so that too must survive.
#[test]
fn pubcomp_follows_the_sync() {
    let broker = Broker::dev();
    let mut bob = Connect::v311("bob", "post").durable().open(broker.mqtt);
    bob.send_publish(&message("alice", PAYLOAD, 2, 0x1234), &[]);
    assert_eq!(bob.expect_pubrec(0x1234), 0);
    let lines = watch(&broker, || {
        bob.pubrel(0x1234);
        bob.expect_pubcomp(0x1234);
    });
    let released = strace::hex(&[0x62, 0x02, 0x12, 0x34]);
    // A read that had begun before strace came may not be shown.
    let read = lines.iter().position(|line| line.contains(&released)).unwrap_or(0);
    let synced = synced_after(&lines, read);
    let completed = strace::hex(&[0x70, 0x02, 0x12, 0x34]);
    let answered = find(&lines, 0, "PUBCOMP", |line| line.contains(&completed));
    assert!(synced < answered, "{}", shown(&lines));
}

#[test]
fn a_message_is_delivered_after_the_sync() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    bob.ping();
    let lines = watch(&broker, || {
        bob.send_publish(&message("alice", PAYLOAD, 1, 0x1234), &[]);
        assert_eq!(phone.expect_publish().payload, PAYLOAD);
    });
    let hex = strace::hex(PAYLOAD);
    let has = |line: &str| line.contains(&hex) && !line.contains("read") && !line.contains("recv");
    let stored = find(&lines, 0, "write to a file", |line| has(line) && !strace::is_socket(line));
    let sent = find(&lines, 0, "write to a socket", |line| has(line) && strace::is_socket(line));
    assert!(synced_after(&lines, stored) < sent, "{}", shown(&lines));
}

#[test]
fn many_publishes_share_a_sync() {
    let broker = Broker::dev();
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    bob.ping();
    let lines = watch(&broker, || {
        let ids: Vec<u16> = (0..60).map(|_| bob.publish("alice", "x", 1)).collect();
        assert!(ids.into_iter().all(|id| bob.expect_puback(id) == 0));
    });
    let begins = |line: &&String| {
        let (_, call) = strace::split(line);
        call.starts_with("fdatasync(") || call.starts_with("fsync(")
    };
    let syncs = lines.iter().filter(begins).count();
    assert!((1..30).contains(&syncs), "{syncs} syncs for 60 publishes");
}

/// Publishes while every sync fails, and until the broker has noticed: nothing is acknowledged.
fn doomed(broker: &mut Broker, bob: &mut Client) {
    let before = broker.log.len();
    let inject = "inject=fdatasync,fsync:error=EIO";
    let options = ["-e", "trace=fdatasync,fsync", "-e", inject];
    let strace = Strace::attach(broker.pid(), &options);
    bob.send_publish(&message("alice", "doomed", 1, 0x4321), &[]);
    let until = Instant::now() + HANG;
    loop {
        match bob.try_recv(Duration::from_millis(50)) {
            Ok(Packet::PubAck { .. }) => panic!("acknowledged, though no sync succeeded"),
            Err(Gone::Closed) => break,
            Ok(_) | Err(Gone::Silent) => {}
            Err(gone) => panic!("{gone}"),
        }
        let noticed = broker.log.all().split_off(before);
        if broker.ended() || noticed.iter().any(|line| line.contains(words::STORE_FAILED)) {
            break;
        }
        assert!(Instant::now() < until, "nothing happens: {noticed:?}");
    }
    strace.detach();
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_loses_nothing_acknowledged() {
    let mut broker = Broker::dev();
    broker.know("alice", "phone");
    broker.mail("alice", &["before"]);
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    bob.ping();
    doomed(&mut broker, &mut bob);
    // Either it opened its store again and goes on, or it ended, with an exit code that says so.
    if let Some(status) = publish_again(&mut broker) {
        assert!(!status.success(), "{status}");
        broker.restart();
        broker.mail("alice", &["after"]);
    }
    let mut phone = Connect::new(V311, "alice", "phone").device(broker.mqtt);
    assert_eq!(phone.take_text(), "before");
    // The doomed one may be there: it was not acknowledged, and it was not refused.
    let next = phone.take_text();
    let next = if next == "doomed" { phone.take_text() } else { next };
    assert_eq!(next, "after");
}

/// Publishes `after` as soon as the broker takes it; its status when it has ended instead.
fn publish_again(broker: &mut Broker) -> Option<ExitStatus> {
    let until = Instant::now() + HANG;
    while Instant::now() < until {
        if let Some(status) = broker.try_exit() {
            return Some(status);
        }
        if let Ok((mut carol, ack)) = Connect::v311("carol", "post").try_open(broker.mqtt)
            && ack.code == 0
            && carol.try_send(&publish_after()).is_ok()
            && matches!(carol.try_recv(HANG), Ok(Packet::PubAck { .. }))
        {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("neither ended nor back");
}

fn publish_after() -> Vec<u8> {
    super::support::wire::publish(V311, &message("alice", "after", 1, 1), &[])
}

const WIDE_BYTES: usize = 200_000;
/// Together more than the log holds before it is written back.
const WIDE_COUNT: usize = 400;

/// Bob fills alice's inbox until his connection ends; which messages were acknowledged.
fn publish_wide(broker: &Broker) -> Vec<String> {
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    let mut acked = Vec::new();
    for number in 1..=WIDE_COUNT {
        let name = format!("{number:08}");
        let body = name.repeat(WIDE_BYTES / name.len());
        bob.send_publish(&message("alice", body, 1, number as u16), &[]);
        match bob.try_recv(HANG) {
            Ok(Packet::PubAck { .. }) => acked.push(name),
            Err(Gone::Closed) => return acked,
            other => panic!("message {number}: {other:?}"),
        }
    }
    panic!("the log was never written back");
}

/// SQLite counts pages as written back before the main file is synced, and would remove the log.
#[test]
fn a_failed_sync_of_the_main_file_has_the_whole_log_written_back_again() {
    let broker = Broker::dev();
    broker.know("alice", "phone");
    let file = broker.data.join("homing.db").display().to_string();
    let inject = "inject=fdatasync:error=EIO:when=1";
    let options = ["-P", &file, "-e", "trace=fdatasync,pwrite64", "-e", inject];
    let strace = Strace::attach(broker.pid(), &options);
    let acked = publish_wide(&broker);
    assert!(broker.log.find_after(0, &["the store is open again"]).is_some());
    let lines = strace.detach();
    let failed = find(&lines, 0, "failed sync", |line| line.contains("(INJECTED)"));
    let writes = |lines: &[String]| lines.iter().filter(|line| line.contains("pwrite64")).count();
    let (before, after) = (writes(&lines[..failed]), writes(&lines[failed..]));
    assert!(before > 0 && after >= before, "{before} pages before the failure, {after} after");
    let mut phone = Connect::new(V311, "alice", "phone").device(broker.mqtt);
    for name in acked {
        assert_eq!(phone.take_text()[..name.len()], name);
    }
}

//! Life and death of a broker process: builds all parts from the configuration, starts them in
//! order, waits for the signal, drains, stops them in order.

mod aside;
mod auth;
mod build;
mod check;
mod doors;
mod files;
mod heirs;
mod pages;
mod panics;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "without_redis.rs"]
mod redis;
mod reload;
mod retained;
mod settings;
mod sweep;
mod sys;
mod timekeeper;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinError;

use crate::config::load::Loaded;
use crate::control::audit::Action;
use crate::control::{Audit, Who};
use crate::net::Mail;
use crate::store::lock::Mode;

pub use auth::{chain, jwt_keys};
pub use check::{NOT_LOOKED_AT, check};
pub use doors::reserve;
pub use files::{FileLimit, connections_in, file_limit};
pub use redis::redis_answers;
pub use settings::store_limits;

use build::Node;
use reload::Reloader;

/// Everything that was acknowledged is on disk at any time; this is for goodbyes only.
const DRAIN_WAIT: Duration = Duration::from_secs(8);
/// For a store that hangs.
const FINISH_WAIT: Duration = Duration::from_millis(1500);
const DRAIN_STEP: Duration = Duration::from_millis(10);

pub use reload::Load;

/// What a broker starts with. `banner` is printed when it serves.
pub struct Start {
    pub loaded: Loaded,
    /// Where `loaded` came from, for reloads.
    pub load: Load,
    pub log: crate::log::Running,
    pub mode: Mode,
    pub banner: fn(&Serving) -> String,
}

/// Where a running broker can be reached.
pub struct Serving {
    pub mqtt: Vec<std::net::SocketAddr>,
    pub mqtts: Vec<std::net::SocketAddr>,
    pub ws: Vec<std::net::SocketAddr>,
    pub wss: Vec<std::net::SocketAddr>,
    pub http: Vec<std::net::SocketAddr>,
    pub https: Vec<std::net::SocketAddr>,
    pub data: std::path::PathBuf,
}

/// Runs a broker until SIGTERM or SIGINT. Problems are told in words on stderr.
pub fn run(start: Start) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("homing-services")
        .enable_all()
        .build();
    let served = runtime.map_err(|error| format!("no runtime: {error}")).and_then(|runtime| {
        let served = runtime.block_on(serve(start));
        // What still reads from a disk that hangs is not waited for.
        runtime.shutdown_timeout(FINISH_WAIT);
        served
    });
    let code = if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    crate::log::finish(served.err());
    code
}

async fn serve(start: Start) -> Result<(), String> {
    let banner = start.banner;
    // Before the ready line: whoever reads it may send a signal at once.
    let mut signals = Signals::watch()?;
    let Some(mut node) = signals.build(start).await? else {
        tracing::info!("stopped before it served");
        return Ok(());
    };
    node.services.spawn(reload_by_signal(
        node.reloader.clone(),
        node.audit.clone(),
        signals.reload.clone(),
    ));
    announce(&node.serving, banner);
    let failure = signals.wait_for_end(&mut node).await;
    drain(node).await?;
    failure.map_or(Ok(()), Err)
}

/// The line that scripts wait for, then what people read.
fn announce(serving: &Serving, banner: fn(&Serving) -> String) {
    let Serving { mqtt, mqtts, ws, wss, http, https, data } = serving;
    let web = [("ws", ws), ("wss", wss)];
    let mut line = String::from("ready");
    let http = [("http", http), ("https", https)];
    for (name, all) in [("mqtt", mqtt), ("mqtts", mqtts)].into_iter().chain(web).chain(http) {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        if !all.is_empty() {
            line.push_str(&format!(" {name}={}", all.join(",")));
        }
    }
    println!("{line} data={}", data.display());
    print!("{}", banner(serving));
}

/// What a broker hears from outside.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    /// Then SIGHUP says that it is gone.
    on_terminal: bool,
    reload: Arc<Notify>,
}

impl Signals {
    fn watch() -> Result<Signals, String> {
        let watch = |kind| signal(kind).map_err(|error| format!("signals cannot be seen: {error}"));
        Ok(Signals {
            term: watch(SignalKind::terminate())?,
            int: watch(SignalKind::interrupt())?,
            hup: watch(SignalKind::hangup())?,
            on_terminal: std::io::stdin().is_terminal(),
            reload: Arc::default(),
        })
    }

    /// Builds the broker on a thread that may block, so that what hangs there, as a disk or a
    /// database, does not keep the signals out. `None` if one of them ends it before it is ready.
    async fn build(&mut self, start: Start) -> Result<Option<Node>, String> {
        let (wanted, unwanted) = oneshot::channel::<()>();
        let runtime = Handle::current();
        let mut building = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                tokio::select! {
                    node = build::build(start) => node.map(Some),
                    // What is half built has told nobody that it serves.
                    _ = unwanted => Ok(None),
                }
            })
        });
        tokio::select! {
            built = &mut building => return built.unwrap_or_else(|error| Err(died(error))),
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
        drop(wanted);
        Ok(None)
    }

    /// A signal ends the broker well; a store that can't go on ends it with words. SIGHUP reloads,
    /// except on a terminal.
    async fn wait_for_end(&mut self, node: &mut Node) -> Option<String> {
        loop {
            tokio::select! {
                _ = self.term.recv() => return None,
                _ = self.int.recv() => return None,
                failure = &mut node.store_failed => return Some(failure.unwrap_or_else(|_| {
                    "the store's writer ended though nobody asked it to, which is a bug".into()
                })),
                Some(Err(error)) = node.services.join_next() => {
                    if let Ok(panic) = error.try_into_panic() {
                        return Some(panics::panicked("a part of the broker", &*panic));
                    }
                }
                _ = self.hup.recv() => match self.on_terminal {
                    true => return None,
                    false => self.reload.notify_one(),
                },
            }
        }
    }
}

fn died(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panics::panicked("the start", &*panic),
        Err(error) => format!("the start was cut: {error}"),
    }
}

/// Beside the signals, so that one that ends the broker is heard meanwhile; those that come during
/// a reload cause one more. The log says how it ended, and the audit log too, which says in the log
/// if it cannot.
async fn reload_by_signal(reloader: Arc<Reloader>, audit: Arc<Audit>, asked: Arc<Notify>) {
    let action = Action { name: "reload", target: String::new() };
    let by = Who::Signal { signal: "SIGHUP" };
    loop {
        asked.notified().await;
        let result = reloader.reload().await;
        _ = audit.record(&action, by, result.as_ref().map(|_| ()).map_err(String::as_str));
    }
}

/// Nobody new comes in, everyone is told, what is under way is committed, the store is closed.
async fn drain(node: Node) -> Result<(), String> {
    tracing::info!("shutting down");
    node.gate.draining.send_replace(true);
    node.health.drain();
    node.stop.notify_waiters();
    for mailbox in node.mailboxes.iter() {
        mailbox.post([Mail::Drain]);
    }
    let workers = node.mailboxes.len();
    let drained = async {
        while node.gate.drained.load(Ordering::Relaxed) < workers {
            tokio::time::sleep(DRAIN_STEP).await;
        }
    };
    if tokio::time::timeout(DRAIN_WAIT, drained).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    let finished = tokio::time::timeout(FINISH_WAIT, node.committer.finish()).await;
    finished.map_err(|_| "the store did not finish in time; what was acknowledged is on disk")?;
    tracing::info!("stopped");
    Ok(())
}

//! Accepting and greeting, on a thread beside each worker: handshakes and logins wait for others
//! and cost time, which no message has to wait for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpListener;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::LocalSet;

use super::Mailbox;
use super::door::Door;
use super::greet::{self, Gate};
use super::watched::{run_all, spawn_unless_over};
use super::worker::Mail;

/// After a failed accept (mostly: no more open files) the next try waits, so that the loop does
/// not spin; connections that end meanwhile give files back (threat M7).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What the system takes of a connection beyond what it could send already.
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// The system takes no more milliseconds (24 days).
const USER_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Sets what the connections of a listener inherit; before it listens, those who come at once have
/// it too.
///
/// # Errors
/// If the system does not know one of these options.
pub fn prepare(listener: SockRef<'_>, outbox_wait: Duration) -> io::Result<()> {
    // One small packet should leave at once; the workers batch by themselves.
    listener.set_tcp_nodelay(true)?;
    // What the peer does not take stays here, where it is bounded and seen, and not in megabytes of
    // the system's memory.
    listener.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    // A peer that is gone without a word would else hold its place for as long as the system sends
    // again, which is a quarter of an hour and more. Twice the time, since a peer that is there and
    // takes nothing is a slow reader, and told so.
    let gone_after = outbox_wait.saturating_mul(2).min(USER_TIMEOUT_MAX);
    listener.set_tcp_user_timeout(Some(gone_after))
}

type Watched = AsyncFd<TcpListener>;

/// What is listened on, and what stands behind it.
pub type Listener = (std::net::TcpListener, Arc<Door>);

/// What those who let clients in share.
pub struct Reception {
    pub gate: Arc<Gate>,
    /// Of all workers: a connection goes to the one of its user.
    pub mailboxes: Arc<[Mailbox<Mail>]>,
}

/// Lets clients in for as long as the process lives; from the drain on nobody new.
///
/// # Errors
/// If the runtime or a listener can't be set up.
///
/// # Panics
/// With the panic of any listener. One in a greeting costs that connection alone (threat N12).
pub fn receive(listeners: Vec<Listener>, reception: Reception) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listeners, Arc::new(reception)))
}

async fn serve(listeners: Vec<Listener>, reception: Arc<Reception>) -> io::Result<()> {
    let watched = |(listener, door)| Ok((watch(listener)?, door));
    let listeners: Vec<_> = listeners.into_iter().map(watched).collect::<io::Result<_>>()?;
    let all = listeners.into_iter();
    run_all(all.map(|(listener, door)| accept(reception.clone(), listener, door))).await;
    // Those who are being greeted hear that the broker stops.
    std::future::pending().await
}

/// The runtime says when there is somebody; it is not asked to watch each one who comes.
#[expect(deprecated, reason = "what it asks of the descriptor holds: this listener owns its own")]
fn watch(listener: std::net::TcpListener) -> io::Result<Watched> {
    AsyncFd::with_interest(TcpListener::from_std(listener), Interest::READABLE)
}

async fn accept(reception: Arc<Reception>, listener: Watched, door: Arc<Door>) {
    reception.gate.until_open().await;
    tokio::select! {
        biased;
        () = reception.gate.until_drained() => {}
        () = accept_all(&reception, &listener, &door) => {}
    }
}

async fn accept_all(reception: &Arc<Reception>, listener: &Watched, door: &Arc<Door>) {
    let gate = &reception.gate;
    let mut outbox_wait = gate.live.load().outbox_wait;
    let mut room = None;
    loop {
        match listener.async_io(Interest::READABLE, TcpListener::accept).await {
            Ok((stream, peer)) => {
                let wait = gate.live.load().outbox_wait;
                if std::mem::replace(&mut outbox_wait, wait) != wait
                    && let Err(error) = prepare(SockRef::from(listener.get_ref()), wait)
                {
                    tracing::error!("limits.outbox_wait does not hold for new ones: {error}");
                }
                if let Some(seat) = gate.enter(peer).await {
                    let (reception, door) = (reception.clone(), door.clone());
                    let metrics = gate.metrics.clone();
                    let tcp = stream.into();
                    let greeting =
                        async move { greet::greet(&reception, &door, tcp, peer, seat).await };
                    spawn_unless_over(greeting, &mut room, move || _ = metrics.panics.inc());
                }
            }
            Err(error) => {
                tracing::error!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

//! Accepting and greeting, on a thread beside each worker: handshakes and logins wait for others and
//! cost time, which no message has to wait for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinSet, LocalSet};

use super::Mailbox;
use super::door::Door;
use super::greet::{self, Gate};
use super::watched::spawn_apart;
use super::worker::Mail;

/// After a failed accept (mostly: no more open files) the next try waits, so that the loop does
/// not spin; connections that end meanwhile give files back (threat M7).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// All that a thread which lets clients in starts with.
pub struct Reception {
    pub listeners: Vec<(std::net::TcpListener, Arc<Door>)>,
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
pub fn receive(reception: Reception) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(Arc::new(reception)))
}

async fn serve(reception: Arc<Reception>) -> io::Result<()> {
    let mut accepting = JoinSet::new();
    for (listener, door) in &reception.listeners {
        let listener = TcpListener::from_std(listener.try_clone()?)?;
        accepting.spawn_local(accept(reception.clone(), listener, door.clone()));
    }
    while let Some(ended) = accepting.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    // Those who are being greeted hear that the broker stops.
    std::future::pending().await
}

async fn accept(reception: Arc<Reception>, listener: TcpListener, door: Arc<Door>) {
    reception.gate.until_open().await;
    tokio::select! {
        biased;
        () = reception.gate.until_drained() => {}
        () = accept_all(&reception, &listener, &door) => {}
    }
}

async fn accept_all(reception: &Arc<Reception>, listener: &TcpListener, door: &Arc<Door>) {
    let gate = &reception.gate;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(seat) = gate.enter(peer).await {
                    let (reception, door) = (reception.clone(), door.clone());
                    let metrics = gate.metrics.clone();
                    let greeting =
                        async move { greet::greet(&reception, &door, stream, peer, seat).await };
                    spawn_apart(greeting, move || _ = metrics.panics.inc());
                }
            }
            Err(error) => {
                tracing::error!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

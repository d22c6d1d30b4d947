//! Accepting: each connection is greeted on its own, if there is a place for it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::door::Door;
use super::greet;
use super::watched::spawn_apart;
use super::worker::Worker;

/// After a failed accept (mostly: no more open files) the next try waits, so that the loop does
/// not spin; connections that end meanwhile give files back (threat M7).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

pub async fn accept(worker: Rc<Worker>, listener: TcpListener, door: Arc<Door>) {
    worker.gate.until_open().await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(seat) = worker.gate.enter(peer).await {
                    let (worker, door) = (worker.clone(), door.clone());
                    let metrics = worker.gate.metrics.clone();
                    let greeting =
                        async move { greet::greet(&worker, &door, stream, peer, seat).await };
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

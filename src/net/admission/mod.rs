//! Who may come in: places in all and per address, turns for CONNECTs, and who comes too often.
//! Tables here are bounded; what is oldest goes first.

mod flapping;
mod lobby;
mod seat;
mod source;
mod turn;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::log::Seldom;
use crate::metrics::{Metrics, Refused};
use crate::model::{Rate, Reason};

pub use flapping::FlappingLimits;
pub use seat::Seat;
pub use turn::Turn;

use flapping::Flapping;
use lobby::Lobby;
use source::Sources;
use turn::Turns;

/// What of it may change while the broker runs. `None` is no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionLimits {
    pub connections_max: usize,
    pub connections_per_ip_max: Option<usize>,
    pub unauthenticated_max: usize,
    /// From the connection to the whole CONNECT, and again for its turn.
    pub connect_wait: Duration,
    pub connect_rate: Option<Rate>,
    pub connect_rate_per_ip: Option<Rate>,
    pub connect_queue_max: usize,
    pub flapping: FlappingLimits,
}

/// See the module's documentation. Shared by all workers.
pub struct Admission {
    pub limits: ArcSwap<AdmissionLimits>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Changed while the lobby is held.
    connections: AtomicUsize,
    lobby: Mutex<Lobby>,
    sources: Mutex<Sources>,
    turns: Mutex<Turns>,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    logins: Semaphore,
    flapping: Mutex<Flapping>,
    unheard: Seldom,
    /// By [`Reason`].
    refused: [Seldom; Reason::ALL.len()],
}

impl Admission {
    /// `logins_max` are checked at the same time; it can't change.
    pub fn new(
        limits: AdmissionLimits,
        logins_max: usize,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Admission {
        let seldom = || Seldom::new(clock.clone());
        Admission {
            unheard: seldom(),
            refused: Reason::ALL.map(|_| seldom()),
            limits: ArcSwap::from_pointee(limits),
            clock,
            metrics,
            connections: AtomicUsize::new(0),
            lobby: Mutex::default(),
            sources: Mutex::default(),
            turns: Mutex::new(Turns::new()),
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            logins: Semaphore::new(logins_max.min(Semaphore::MAX_PERMITS)),
            flapping: Mutex::new(Flapping::new()),
        }
    }

    /// Sockets that are open or about to be closed.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection that is closed without a word, and tells the log.
    pub fn count_refused(&self, peer: SocketAddr, why: Refused) {
        self.metrics.doors.connections_refused(why).inc();
        if let Some(left_out) = self.unheard.say() {
            let reason = why.name();
            tracing::warn!(%peer, reason, left_out, "connection refused: {}", seat::words(why));
        }
    }

    /// Whether the log is to hear of this refusal, and how many it did not hear of: those of a
    /// flood are all alike.
    pub fn tells(&self, reason: Reason) -> Option<Option<u32>> {
        self.refused[reason as usize].say()
    }
}

/// A panic while it was held leaves nothing half done in any of these tables.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::clock::ManualClock;

    pub const NO_LIMITS: AdmissionLimits = AdmissionLimits {
        connections_max: usize::MAX / 2,
        connections_per_ip_max: None,
        unauthenticated_max: usize::MAX / 2,
        connect_wait: Duration::from_secs(10),
        connect_rate: None,
        connect_rate_per_ip: None,
        connect_queue_max: 100,
        flapping: FlappingLimits {
            window: Duration::from_secs(60),
            per_client_max: None,
            per_user_max: None,
            per_ip_max: None,
            ban: Duration::from_secs(60),
        },
    };

    pub fn admission(limits: AdmissionLimits) -> (Arc<Admission>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let metrics = Arc::new(Metrics::default());
        (Arc::new(Admission::new(limits, 2, clock.clone(), metrics)), clock)
    }
}

//! Connections that have not said a whole CONNECT, oldest first: they make room for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// In the order of their arrival, each with what tells it to go.
#[derive(Default)]
pub struct Lobby {
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Sent away, and not gone yet.
    leaving: usize,
    arrived: u64,
}

impl Lobby {
    /// Its number, and what will tell it to go.
    pub fn enter(&mut self) -> (u64, Arc<Notify>) {
        let go = Arc::new(Notify::new());
        self.arrived += 1;
        self.waiting.insert(self.arrived, go.clone());
        (self.arrived, go)
    }

    pub fn leave(&mut self, number: u64) {
        if self.waiting.remove(&number).is_none() {
            self.leaving -= 1;
        }
    }

    pub fn leaving(&self) -> usize {
        self.leaving
    }

    /// False if nobody is here.
    pub fn send_oldest_away(&mut self) -> bool {
        let Some((_, go)) = self.waiting.pop_first() else { return false };
        go.notify_one();
        self.leaving += 1;
        true
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

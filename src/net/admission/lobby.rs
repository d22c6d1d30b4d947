//! Connections that are not logged in, oldest first: they make room for others. Those that have not
//! said a whole CONNECT go before those whose login is being decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// In the order of their arrival, each with what tells it to go.
#[derive(Default)]
pub struct Lobby {
    silent: BTreeMap<u64, Arc<Notify>>,
    /// Their CONNECT is whole.
    asking: BTreeMap<u64, Arc<Notify>>,
    /// Sent away, and not gone yet.
    leaving: usize,
    arrived: u64,
}

impl Lobby {
    /// Its number, and what will tell it to go.
    pub fn enter(&mut self) -> (u64, Arc<Notify>) {
        let go = Arc::new(Notify::new());
        self.arrived += 1;
        self.silent.insert(self.arrived, go.clone());
        (self.arrived, go)
    }

    /// It has said its CONNECT.
    pub fn asks(&mut self, number: u64) {
        if let Some(go) = self.silent.remove(&number) {
            self.asking.insert(number, go);
        }
    }

    pub fn leave(&mut self, number: u64) {
        if self.silent.remove(&number).or_else(|| self.asking.remove(&number)).is_none() {
            self.leaving -= 1;
        }
    }

    pub fn leaving(&self) -> usize {
        self.leaving
    }

    /// False if nobody is here.
    pub fn send_oldest_away(&mut self) -> bool {
        let first = self.silent.pop_first().or_else(|| self.asking.pop_first());
        let Some((_, go)) = first else { return false };
        go.notify_one();
        self.leaving += 1;
        true
    }

    /// Those that have not said a whole CONNECT.
    pub fn silent(&self) -> usize {
        self.silent.len()
    }
}

//! Connections that only are there: how fast they come, what each costs.

use super::engine::{Engine, Scenario, Step};
use super::gather::acknowledge;
use super::wires::Wires;
use crate::cli::exit::Failure;
use crate::mqtt::{ConnAck, Packet};

/// Holds connections for a while; each pings in time.
pub struct Hold {
    hold_nanos: u64,
    ping_nanos: u64,
    begun: Option<u64>,
    pings: u64,
    connections: usize,
    now: u64,
}

impl Hold {
    pub fn new(hold_nanos: u64, keep_alive_secs: u16, connections: usize) -> Hold {
        let ping_nanos = u64::from(keep_alive_secs) * 1_000_000_000 / 2;
        Hold { hold_nanos, ping_nanos, begun: None, pings: 0, connections, now: 0 }
    }

    /// Pings that are due so long after the start: all connections in turn, each in its time.
    fn pings_due(&self, since: u64) -> u64 {
        if self.ping_nanos == 0 {
            return 0;
        }
        let all = u128::from(since) * self.connections as u128;
        (all / u128::from(self.ping_nanos)) as u64
    }
}

impl Scenario for Hold {
    fn welcome(&mut self, _: usize, _: &ConnAck<'_>, _: u64, _: &mut Wires) {}

    fn packet(
        &mut self,
        id: usize,
        packet: &Packet<'_>,
        _at: u64,
        wires: &mut Wires,
    ) -> Result<(), Failure> {
        if let Packet::Publish(publish) = packet {
            acknowledge(id, publish, wires);
        }
        Ok(())
    }

    fn pass(&mut self, engine: &mut Engine, at: u64) -> Result<Step, Failure> {
        let begun = *self.begun.get_or_insert(at);
        self.now = at;
        if at - begun >= self.hold_nanos {
            return Ok(Step::Done);
        }
        while self.pings < self.pings_due(at - begun) {
            let id = (self.pings % self.connections as u64) as usize;
            engine.wires.send(id, &Packet::PingReq);
            self.pings += 1;
        }
        const PASS_NANOS: u64 = 50_000_000;
        Ok(Step::Until((at + PASS_NANOS).min(begun + self.hold_nanos)))
    }

    /// Silence is what is wanted.
    fn moved(&self) -> u64 {
        self.now
    }

    fn stalled(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn progress(&self) -> String {
        let held = self.now - self.begun.unwrap_or(self.now);
        format!("held for {} of {} s", held / 1_000_000_000, self.hold_nanos / 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_pings_twice_per_keep_alive() {
        let hold = Hold::new(0, 10, 100);
        assert_eq!([0, 50_000_000, 5_000_000_000].map(|at| hold.pings_due(at)), [0, 1, 100]);
        assert_eq!(Hold::new(0, 0, 100).pings_due(u64::MAX), 0);
    }
}

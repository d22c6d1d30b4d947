//! What is measured while messages flow: arrivals, CPU time and memory.

use super::gather::acknowledge;
use super::histogram::Histogram;
use super::process::Process;
use super::report::{LATENCY, Report};
use super::stream::{Checker, Faults, Stamp};
use super::wires::Wires;
use crate::cli::exit::{FAILURE, Failure};
use crate::mqtt::{Publish, QoS};

/// What all receivers got.
pub struct Arrivals {
    run: u64,
    /// One per receiver: each hears one publisher.
    streams: Vec<Checker>,
    latency: Histogram,
    /// New messages since the measured time began.
    pub measured: u64,
    /// New messages altogether.
    pub delivered: u64,
    /// Messages of the right run at the wrong receiver.
    strays: u64,
    /// Messages of other runs and other publishers.
    foreign: u64,
    last_at: u64,
}

impl Arrivals {
    pub fn new(run: u64, receivers: usize) -> Arrivals {
        Arrivals {
            run,
            streams: vec![Checker::default(); receivers],
            latency: Histogram::default(),
            measured: 0,
            delivered: 0,
            strays: 0,
            foreign: 0,
            last_at: 0,
        }
    }

    /// From now on it counts.
    pub fn begin(&mut self) {
        self.latency.clear();
        self.measured = 0;
    }

    /// Takes and acknowledges a message at `receiver`, which hears `publisher`.
    pub fn take(
        &mut self,
        (receiver, publisher): (usize, u32),
        publish: &Publish<'_>,
        at: u64,
        (id, wires): (usize, &mut Wires),
    ) {
        acknowledge(id, publish, wires);
        match Stamp::read(publish.payload, self.run) {
            None => self.foreign += 1,
            Some(stamp) if stamp.publisher != publisher => self.strays += 1,
            Some(stamp) => {
                if self.streams[receiver].take(stamp.sequence) {
                    self.latency.add(at.saturating_sub(stamp.sent_nanos));
                    self.measured += 1;
                    self.delivered += 1;
                    self.last_at = at;
                }
            }
        }
    }

    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Different messages that this receiver got.
    pub fn of(&self, receiver: usize) -> u64 {
        self.streams[receiver].delivered()
    }

    /// The faults, if so many were sent to each receiver.
    pub fn faults(&self, sent: impl Fn(usize) -> u64) -> Faults {
        let mut all = Faults::default();
        for (receiver, stream) in self.streams.iter().enumerate() {
            all += stream.faults(sent(receiver));
        }
        all
    }
}

/// CPU time of the broker and of the generator over the measured time.
pub struct Measure {
    broker: Option<Process>,
    begun_at: u64,
    broker_cpu: u64,
    own_cpu: u64,
}

impl Measure {
    /// # Errors
    /// If the process of the broker cannot be read.
    pub fn begin(pid: Option<u32>, at: u64) -> Result<Measure, Failure> {
        let broker = pid.map(|pid| Process { pid });
        let broker_cpu = broker.map_or(Ok(0), |broker| broker.cpu_nanos())?;
        Ok(Measure { broker, begun_at: at, broker_cpu, own_cpu: Process::own().cpu_nanos()? })
    }

    /// Writes what was measured until the last arrival.
    ///
    /// # Errors
    /// If the process of the broker is gone.
    pub fn report(
        &self,
        arrivals: &Arrivals,
        faults: Faults,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let seconds = arrivals.last_at.saturating_sub(self.begun_at).max(1) as f64 / 1e9;
        let delivered = arrivals.measured;
        report.count("delivered", delivered);
        report.number("seconds", seconds);
        report.number("messages_per_second", delivered as f64 / seconds);
        report.latency(LATENCY, &arrivals.latency);
        if let Some(broker) = self.broker {
            let cpu = broker.cpu_nanos()? - self.broker_cpu;
            report.number("cpu_us_per_message", cpu as f64 / 1e3 / delivered.max(1) as f64);
            report.number("cpu_percent", cpu as f64 / 1e7 / seconds);
        }
        let own = Process::own().cpu_nanos()? - self.own_cpu;
        report.number("generator_cpu_percent", own as f64 / 1e7 / seconds);
        report.faults(faults);
        report.count("misdelivered", arrivals.strays);
        report.count("of_other_runs", arrivals.foreign);
        Ok(())
    }

    /// Writes the share of CPU time that the broker took until now.
    ///
    /// # Errors
    /// If the process of the broker is gone.
    pub fn idle(&self, until: u64, report: &mut Report) -> Result<(), Failure> {
        let nanos = until.saturating_sub(self.begun_at).max(1) as f64;
        if let Some(broker) = self.broker {
            let cpu = broker.cpu_nanos()? - self.broker_cpu;
            report.number("idle_cpu_percent", cpu as f64 * 100.0 / nanos);
        }
        Ok(())
    }
}

/// Whether what was found is what MQTT promises for this QoS.
///
/// # Errors
/// Words for what was broken.
pub fn verdict(faults: Faults, strays: u64, qos: QoS) -> Result<(), Failure> {
    let Faults { lost, duplicates, late } = faults;
    let mut broken = Vec::new();
    let mut count = |what: &str, count: u64, counts: bool| {
        if count > 0 && counts {
            broken.push(format!("{count} {what}"));
        }
    };
    count("lost", lost, qos > QoS::AtMostOnce);
    count("twice", duplicates, qos != QoS::AtLeastOnce);
    count("out of order", late, true);
    count("at the wrong receiver", strays, true);
    match broken.as_slice() {
        [] => Ok(()),
        broken => Err(Failure::new(FAILURE, format!("messages: {}", broken.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{PacketId, Properties, Version};

    const RUN: u64 = 77;

    fn arrive(arrivals: &mut Arrivals, receiver: usize, payload: &[u8], at: u64) {
        let mut wires = Wires::new(Version::V311);
        wires.add();
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: Some(PacketId::MIN),
            properties: Properties::default(),
            payload,
        };
        arrivals.take((receiver, 3), &publish, at, (0, &mut wires));
        assert_eq!(wires.next_dirty(), Some(0), "every message is acknowledged");
    }

    fn payload(run: u64, publisher: u32, sequence: u64) -> [u8; 28] {
        let mut payload = [0; 28];
        Stamp { run, publisher, sequence, sent_nanos: 100 }.write(&mut payload);
        payload
    }

    #[test]
    fn arrivals_are_counted_by_where_they_belong() {
        let mut arrivals = Arrivals::new(RUN, 2);
        arrive(&mut arrivals, 0, &payload(RUN, 3, 0), 150);
        arrivals.begin();
        arrive(&mut arrivals, 0, &payload(RUN, 3, 1), 160);
        arrive(&mut arrivals, 0, &payload(RUN, 3, 1), 170);
        arrive(&mut arrivals, 1, &payload(RUN, 4, 0), 180);
        arrive(&mut arrivals, 1, b"mail of before", 190);
        assert_eq!((arrivals.delivered, arrivals.measured), (2, 1));
        assert_eq!((arrivals.strays(), arrivals.foreign), (1, 1));
        assert_eq!(arrivals.latency.percentile(100.0), 60);
        assert_eq!((arrivals.of(0), arrivals.of(1)), (2, 0));
        assert_eq!(arrivals.faults(|_| 2), Faults { lost: 2, duplicates: 1, late: 0 });
    }

    #[test]
    fn each_qos_promises_something_else() {
        let lost = Faults { lost: 1, ..Faults::default() };
        let twice = Faults { duplicates: 1, ..Faults::default() };
        let late = Faults { late: 1, ..Faults::default() };
        let ok = |faults, qos| verdict(faults, 0, qos).is_ok();
        assert!(ok(lost, QoS::AtMostOnce) && !ok(lost, QoS::AtLeastOnce));
        assert!(ok(twice, QoS::AtLeastOnce) && !ok(twice, QoS::ExactlyOnce));
        assert!(!ok(late, QoS::AtMostOnce) && !ok(late, QoS::ExactlyOnce));
        assert!(verdict(Faults::default(), 1, QoS::AtMostOnce).is_err());
    }
}

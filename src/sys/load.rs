//! Figures per minute, smoothed over 1, 5 and 15 minutes as the load average of a system is.

use std::time::Duration;

use crate::metrics::Figures;

const WINDOWS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

/// What is counted, as mosquitto names it.
const NAMES: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/dropped",
    "publish/received",
    "publish/sent",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];

/// See the module's documentation.
#[derive(Default)]
pub struct Loads {
    counts: Option<[u64; NAMES.len()]>,
    per_minute: [[f64; WINDOWS.len()]; NAMES.len()],
}

fn counts(figures: &Figures) -> [u64; NAMES.len()] {
    [
        figures.packets_received,
        figures.packets_sent,
        figures.publish_dropped,
        figures.publish_received,
        figures.publish_sent,
        figures.bytes_received,
        figures.bytes_sent,
        figures.sockets,
        figures.connects,
    ]
}

impl Loads {
    /// The first figures are where counting begins.
    pub fn pass(&mut self, figures: &Figures, passed: Duration) {
        let now = counts(figures);
        let before = self.counts.replace(now).unwrap_or(now);
        let secs = passed.as_secs_f64();
        if secs == 0.0 {
            return;
        }
        for (place, averages) in self.per_minute.iter_mut().enumerate() {
            let rate = now[place].saturating_sub(before[place]) as f64 * 60.0 / secs;
            for (average, (_, window)) in averages.iter_mut().zip(WINDOWS) {
                let keeps = (-secs / window).exp();
                *average = *average * keeps + rate * (1.0 - keeps);
            }
        }
    }

    /// Names behind `$SYS/broker/`, and texts.
    pub fn values(&self) -> impl Iterator<Item = (String, String)> {
        self.per_minute.iter().zip(NAMES).flat_map(|(averages, name)| {
            averages.iter().zip(WINDOWS).map(move |(average, (window, _))| {
                (format!("load/{name}/{window}"), format!("{average:.2}"))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(loads: &Loads, name: &str) -> f64 {
        loads.values().find(|(found, _)| found == name).unwrap().1.parse().unwrap()
    }

    #[test]
    fn a_steady_rate_becomes_the_load_of_each_window_in_its_time() {
        let mut loads = Loads::default();
        let at = |second: u64| Figures { bytes_sent: 1000 + 10 * second, ..Figures::default() };
        loads.pass(&at(0), Duration::ZERO);
        for second in 1..=3600 {
            loads.pass(&at(second), Duration::from_secs(1));
            if second == 60 {
                assert!((370.0..390.0).contains(&load(&loads, "load/bytes/sent/1min")));
                assert!((30.0..50.0).contains(&load(&loads, "load/bytes/sent/15min")));
            }
        }
        assert!((599.0..=600.0).contains(&load(&loads, "load/bytes/sent/1min")));
        assert_eq!(load(&loads, "load/bytes/received/1min"), 0.0);
    }
}

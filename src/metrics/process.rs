//! Figures of the process itself, under the names that Prometheus' own clients use; read from /proc
//! when somebody asks.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::model::Stamp;

pub struct Process {
    open_files: Gauge,
    open_files_max: Gauge,
    resident_bytes: Gauge,
    started_secs: Gauge,
}

impl Process {
    pub fn register(all: &mut Registry) -> Process {
        let r = all.sub_registry_with_prefix("process");
        Process {
            open_files: super::gauge(r, "open_fds", "Files and sockets open now"),
            open_files_max: super::gauge(r, "max_fds", "Files and sockets that may be open"),
            resident_bytes: super::gauge(r, "resident_memory_bytes", "Memory in use"),
            started_secs: super::gauge(r, "start_time_seconds", "Unix time of the start"),
        }
    }

    pub fn started(&self, now: Stamp) {
        self.started_secs.set(now.0.div_euclid(1000));
    }

    /// Where a figure cannot be read the last one stays.
    pub fn look(&self) {
        let set = |gauge: &Gauge, value: Option<i64>| value.map(|value| gauge.set(value));
        set(&self.open_files, open_files());
        set(&self.open_files_max, number("/proc/self/limits", "Max open files"));
        let kilobytes = number("/proc/self/status", "VmRSS:");
        set(&self.resident_bytes, kilobytes.map(|kilobytes| kilobytes * 1024));
    }
}

/// The one that this very look has open does not count.
fn open_files() -> Option<i64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(count).ok()?.checked_sub(1)
}

/// The first number of the line that begins with `name`.
fn number(path: &str, name: &str) -> Option<i64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_this_process() {
        let process = Process::register(&mut Registry::default());
        process.look();
        let before = process.open_files.get();
        assert!(before > 0 && before <= process.open_files_max.get());
        assert!(process.resident_bytes.get() > 1024 * 1024);
    }
}

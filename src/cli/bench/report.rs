//! The result: a table for people, one JSON object for machines.

use serde_json::{Map, Value, json};

use super::histogram::Histogram;
use super::stream::Faults;

/// Rows in the order in which they are printed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<(&'static str, String, Value)>,
}

impl Report {
    pub fn new(scenario: &str) -> Report {
        let mut report = Report::default();
        report.text("scenario", scenario);
        report
    }

    pub fn text(&mut self, key: &'static str, text: &str) {
        self.rows.push((key, text.to_owned(), text.into()));
    }

    pub fn count(&mut self, key: &'static str, count: u64) {
        self.rows.push((key, grouped(count), count.into()));
    }

    /// A number with its unit in the key, as in `cpu_us_per_message`.
    pub fn number(&mut self, key: &'static str, number: f64) {
        let shown = if number >= 1000.0 { grouped(number.round() as u64) } else { short(number) };
        self.rows.push((key, shown, json!((number * 1000.0).round() / 1000.0)));
    }

    /// Percentiles of nanoseconds, in milliseconds.
    pub fn latency(&mut self, keys: [&'static str; 5], latency: &Histogram) {
        let percents = [50.0, 90.0, 99.0, 99.9, 100.0];
        for (key, percent) in keys.into_iter().zip(percents) {
            self.number(key, latency.percentile(percent) as f64 / 1e6);
        }
    }

    pub fn faults(&mut self, faults: Faults) {
        self.count("lost", faults.lost);
        self.count("duplicates", faults.duplicates);
        self.count("out_of_order", faults.late);
    }

    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
        let values = self.rows.iter().map(|(_, shown, _)| shown.len()).max().unwrap_or(0);
        let line = |(key, shown, _): &(&str, String, Value)| {
            let words = key.replace('_', " ");
            format!("{words:<width$}  {shown:>values$}\n")
        };
        self.rows.iter().map(line).collect()
    }

    pub fn json(&self) -> String {
        let pairs = self.rows.iter().map(|(key, _, value)| ((*key).to_owned(), value.clone()));
        Value::Object(pairs.collect::<Map<_, _>>()).to_string()
    }
}

/// Names for [`Report::latency`].
pub const LATENCY: [&str; 5] =
    ["latency_ms_p50", "latency_ms_p90", "latency_ms_p99", "latency_ms_p99.9", "latency_ms_max"];
pub const CONNECT: [&str; 5] =
    ["connect_ms_p50", "connect_ms_p90", "connect_ms_p99", "connect_ms_p99.9", "connect_ms_max"];

/// Three digits that count.
fn short(number: f64) -> String {
    let digits = if number >= 100.0 {
        0
    } else if number >= 10.0 {
        1
    } else {
        2
    };
    format!("{number:.digits$}")
}

/// `12345678` as `12,345,678`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_short_and_long_ones_in_groups() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.123, 1.5, 12.34, 456.7].map(short), ["0.12", "1.50", "12.3", "457"]);
    }

    #[test]
    fn table_and_json_say_the_same() {
        let mut report = Report::new("pairs");
        report.count("delivered", 12_345);
        report.number("cpu_us_per_message", 1.23456);
        report.faults(Faults { lost: 1, duplicates: 2, late: 3 });
        let table = report.table();
        assert!(table.contains("delivered           12,345\n"), "{table}");
        assert!(table.contains("cpu us per message    1.23\n"), "{table}");
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["cpu_us_per_message"], 1.235);
        assert_eq!((&json["lost"], &json["out_of_order"]), (&1.into(), &3.into()));
    }
}

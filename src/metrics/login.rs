//! Figures of login checks, by who is asked.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Count, gauge};

/// Who is asked whether a login is right. The name is the label `backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Http,
    Jwt,
    Redis,
    Accounts,
}

/// What came of asking. The name is the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Accepted,
    Refused,
    /// It knows no such user or token: the next backend is asked.
    Unknown,
    /// It could not answer.
    Unavailable,
    /// Too many waited: it was not asked.
    Busy,
}

/// What was known without asking. The name is the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    Accepted,
    Refused,
    /// Accepted a while ago, and the backend cannot answer.
    Stale,
}

const BACKENDS: [&str; 4] = ["http", "jwt", "redis", "accounts"];
const ASKED: [&str; 5] = ["accepted", "refused", "unknown", "unavailable", "busy"];
const REMEMBERED: [&str; 3] = ["accepted", "refused", "stale"];

/// Upper bounds of `auth_seconds`, around what people notice and what deadlines are.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

pub struct LoginMetrics {
    requests: Box<[Count]>,
    cache_hits: Box<[Count]>,
    seconds: Box<[Histogram]>,
    /// 1 while the member API is left alone because it failed.
    pub breaker_open: Gauge,
}

impl LoginMetrics {
    pub(super) fn new(registry: &mut Registry) -> LoginMetrics {
        const REQUESTS: &str = "Questions to a login backend";
        const HITS: &str = "Logins decided by what a backend said before";
        const OPEN: &str = "1 while the member API is left alone because it failed";
        LoginMetrics {
            requests: by_result(registry, "auth_requests", REQUESTS, &ASKED),
            cache_hits: by_result(registry, "auth_cache_hits", HITS, &REMEMBERED),
            seconds: seconds(registry),
            breaker_open: gauge(registry, "auth_breaker_open", OPEN),
        }
    }

    pub fn requests(&self, backend: Backend, asked: Asked) -> &Count {
        &self.requests[backend as usize * ASKED.len() + asked as usize]
    }

    pub fn cache_hits(&self, backend: Backend, remembered: Remembered) -> &Count {
        &self.cache_hits[backend as usize * REMEMBERED.len() + remembered as usize]
    }

    /// How long a backend took, in seconds.
    pub fn seconds(&self, backend: Backend) -> &Histogram {
        &self.seconds[backend as usize]
    }
}

/// One for each backend and result, the results of a backend side by side.
fn by_result(
    registry: &mut Registry,
    name: &str,
    help: &str,
    results: &[&'static str],
) -> Box<[Count]> {
    let family = Family::<[(&'static str, &'static str); 2], Count>::default();
    registry.register(name, help, family.clone());
    let labels =
        BACKENDS.iter().flat_map(|backend| results.iter().map(move |result| (*backend, *result)));
    labels
        .map(|(backend, result)| {
            family.get_or_create_owned(&[("backend", backend), ("result", result)])
        })
        .collect()
}

fn seconds(registry: &mut Registry) -> Box<[Histogram]> {
    let make: fn() -> Histogram = || Histogram::new(SECONDS);
    let family =
        Family::<[(&'static str, &'static str); 1], Histogram, _>::new_with_constructor(make);
    registry.register("auth_seconds", "How long a login backend took to answer", family.clone());
    BACKENDS.iter().map(|backend| family.get_or_create_owned(&[("backend", *backend)])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn each_backend_and_result_has_its_own_figure() {
        let metrics = Metrics::default();
        metrics.logins.requests(Backend::Accounts, Asked::Busy).inc();
        metrics.logins.cache_hits(Backend::Http, Remembered::Stale).inc();
        metrics.logins.seconds(Backend::Jwt).observe(0.002);
        let text = metrics.text().unwrap();
        for line in [
            "homing_auth_requests_total{backend=\"accounts\",result=\"busy\"} 1\n",
            "homing_auth_requests_total{backend=\"http\",result=\"accepted\"} 0\n",
            "homing_auth_cache_hits_total{backend=\"http\",result=\"stale\"} 1\n",
            "homing_auth_seconds_count{backend=\"jwt\"} 1\n",
            "homing_auth_breaker_open 0\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

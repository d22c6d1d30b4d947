//! Which store `store.url` names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{SqliteStore, Store, StoreError, StoreLimits, postgres};
use crate::clock::steady::AWAY;
use crate::model::Stamp;

/// The last that a store knows to have happened: its newest message, or the end of a session.
pub(super) const LAST: &str = "SELECT max(at) FROM (
    SELECT ts AS at FROM log WHERE id = (SELECT max(id) FROM log)
    UNION ALL SELECT max(ended_at) FROM session) AS happened";

/// How a start counts the time of durable sessions. The clock of a machine that has just started
/// may be anything (threat N1), and a session that is removed cannot be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Restart {
    /// From when on the sessions that were connected expire: never before `last`.
    pub now: Stamp,
    /// By how much those that had ended expire later, if the broker seems to have been off for more
    /// than [`AWAY`]: nobody could come back to it, or the clock is far ahead.
    pub off: Duration,
}

impl Restart {
    /// The clock says `now`; `last` is the last that the store knows to have happened.
    pub fn new(now: Stamp, last: Option<Stamp>) -> Restart {
        let last = last.unwrap_or(now);
        let off = Some(last.until(now)).filter(|off| *off > AWAY);
        Restart { now: now.max(last), off: off.unwrap_or_default() }
    }
}

/// Opens the store that `url` names: `sqlite` (a file in `data_dir`) or `postgres://…`. `now` is
/// what the clock says at the start: durable sessions that were connected before it expire from
/// then on, but never from before the last that happened in the store.
///
/// # Errors
/// [`StoreError::Open`] with the cause and what to do.
pub async fn open(
    url: &str,
    data_dir: &Path,
    limits: StoreLimits,
    now: Stamp,
) -> Result<Arc<dyn Store>, StoreError> {
    if url == "sqlite" {
        return Ok(Arc::new(SqliteStore::open(data_dir, limits, now).await?));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return postgres::open(url, limits, now).await;
    }
    Err(StoreError::Open(format!(
        "store.url is '{url}': write 'sqlite' or 'postgres://user@host/database'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_never_before_the_last_that_happened() {
        let start = |now, last| Restart::new(Stamp(now), last);
        let (day, off) = (AWAY.as_millis() as i64, Duration::ZERO);
        assert_eq!(start(7, None), Restart { now: Stamp(7), off });
        assert_eq!(start(0, Some(Stamp(day))), Restart { now: Stamp(day), off });
        assert_eq!(start(day, Some(Stamp(0))), Restart { now: Stamp(day), off });
        let off = Duration::from_millis(day as u64 + 1);
        assert_eq!(start(day + 8, Some(Stamp(7))), Restart { now: Stamp(day + 8), off });
    }
}

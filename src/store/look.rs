//! A look at the store that `store.url` names, without changing anything: not migrated, nobody's
//! session ended, no file made.

use std::path::Path;
use std::time::Duration;

use super::{StoreError, postgres, sqlite};
use crate::clock::Clock;
use crate::model::Stamp;

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The version of its schema; an older one is brought to the newest at the start.
    pub schema: u64,
    pub newest_schema: u64,
    /// When the newest message in it was stored.
    pub newest_message: Option<Stamp>,
    /// Where a server keeps it.
    pub server: Option<Server>,
}

/// The server of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub version: String,
    /// Of the smallest question, the median.
    pub round_trip: Duration,
    /// By how many milliseconds its clock is before ours.
    pub ahead_millis: i64,
}

/// Looks at the store. `in_use`: a broker runs on this data directory. `None`: there is none yet,
/// it will be made at the start.
///
/// # Errors
/// [`StoreError::Open`] and [`StoreError::Unavailable`], with what the start would say.
pub async fn look(
    url: &str,
    data_dir: &Path,
    in_use: bool,
    clock: &dyn Clock,
) -> Result<Option<Look>, StoreError> {
    match url {
        "sqlite" => sqlite::look(data_dir, in_use).await,
        url => postgres::look(url, clock).await,
    }
}

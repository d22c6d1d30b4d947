//! Which store `store.url` names.

use std::path::Path;
use std::sync::Arc;

use super::{PostgresStore, SqliteStore, Store, StoreError, StoreLimits};
use crate::model::Stamp;

/// Opens the store that `url` names: `sqlite` (a file in `data_dir`) or `postgres://…`. `now` is
/// the time of the start: durable sessions that were connected before it expire from then on.
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
        return Ok(Arc::new(PostgresStore::open(url, limits, now).await?));
    }
    Err(StoreError::Open(format!(
        "store.url is '{url}': write 'sqlite' or 'postgres://user@host/database'"
    )))
}

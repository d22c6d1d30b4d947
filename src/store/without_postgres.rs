//! Stands for PostgreSQL in a build without it.

use std::sync::Arc;

use super::look::Look;
use super::{Store, StoreError, StoreLimits};
use crate::clock::Clock;
use crate::model::Stamp;

fn without() -> StoreError {
    StoreError::Open(
        "store.url names PostgreSQL, and this program was built without it: build it with \
         `--features postgres`, or write 'sqlite'"
            .into(),
    )
}

/// # Errors
/// Always.
pub async fn open(_: &str, _: StoreLimits, _: Stamp) -> Result<Arc<dyn Store>, StoreError> {
    Err(without())
}

/// # Errors
/// Always.
pub async fn look(_: &str, _: &dyn Clock) -> Result<Option<Look>, StoreError> {
    Err(without())
}

//! temporary
use super::*;
use std::path::Path;
use std::sync::Arc;
pub async fn open(
    _url: &str,
    _data: &Path,
    limits: StoreLimits,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(MemoryStore::new(limits)))
}

//! Changes a broker's store behind its back, as damage does.

use std::path::Path;

use rusqlite::Connection;

/// Runs these statements on the store in this data directory.
pub fn change(data: &Path, sql: &str) {
    let store = Connection::open(data.join("homing.db")).unwrap();
    store.execute_batch(sql).unwrap();
    store.close().unwrap();
}

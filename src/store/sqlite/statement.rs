//! Prepared statements: a connection compiles each text once, then binds and steps it row by row.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

use crate::store::StoreError;

/// Runs a statement that answers no rows; returns how many it changed.
pub(super) fn execute(
    conn: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<u64, StoreError> {
    Ok(conn.prepare_cached(sql)?.execute(values)? as u64)
}

/// What `read` makes of each row.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// What `read` makes of the first row, if there is one.
pub(super) fn first<T>(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(read).transpose()
}

/// The one number that a statement always answers.
pub(super) fn number(conn: &Connection, sql: &str, values: impl Params) -> Result<i64, StoreError> {
    Ok(conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
}

/// Column `index` of a row.
pub(super) fn get<T: FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    Ok(row.get(index)?)
}

/// The text in column `index`, where it lies.
pub(super) fn text<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r str, StoreError> {
    Ok(row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?)
}

/// The bytes in column `index`, where they lie.
pub(super) fn bytes<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r [u8], StoreError> {
    Ok(row.get_ref(index)?.as_blob().map_err(rusqlite::Error::from)?)
}

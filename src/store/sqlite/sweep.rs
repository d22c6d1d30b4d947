//! The sweeper's reads and its removals that follow no recipient's page.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::store_error;
use super::load::get;
use crate::model::{Seq, Stamp};
use crate::store::StoreError;
use crate::store::batch::PageItem;
use crate::store::record;

/// Free pages that are given back to the file system at the end of a sweep.
const VACUUM_PAGES_COUNT_MAX: i64 = 256;
/// Below this share of free pages (its divisor) nothing is given back: they are used again.
const VACUUM_SHARE_DIVISOR: i64 = 4;

const PAGE: &str = "
    SELECT r.id, r.kind, r.uid, r.client_id,
           max(r.head, coalesce((SELECT max(seq) FROM log WHERE recipient = r.id), 0)),
           (SELECT min(seq) FROM log WHERE recipient = r.id),
           (SELECT ts FROM log WHERE recipient = r.id ORDER BY seq LIMIT 1)
    FROM recipient r WHERE r.id > ? ORDER BY r.id LIMIT ?";

pub(super) async fn page(
    conn: &mut SqliteConnection,
    after: i64,
    count: u32,
    oldest: Stamp,
) -> Result<Vec<PageItem>, StoreError> {
    let query = sqlx::query(PAGE).bind(after).bind(i64::from(count));
    let rows = query.fetch_all(&mut *conn).await.map_err(store_error)?;
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        let mut item = item(&row)?;
        let ts: Option<i64> = get(&row, 6)?;
        if ts.is_some_and(|ts| ts < oldest.0) {
            let head = record::seq(get(&row, 4)?);
            item.aged = aged(conn, &item, oldest).await?.unwrap_or(head);
        }
        page.push(item);
    }
    Ok(page)
}

fn item(row: &SqliteRow) -> Result<PageItem, StoreError> {
    let head = record::seq(get(row, 4)?);
    let low = get::<Option<i64>>(row, 5)?.map(record::seq);
    Ok(PageItem {
        number: get(row, 0)?,
        recipient: record::recipient(get(row, 1)?, get(row, 2)?, get(row, 3)?)?,
        low: low.unwrap_or(head.next()),
        aged: Seq(0),
    })
}

/// The last of the oldest records that were all taken before `oldest`; `None` if it is all of them.
async fn aged(
    conn: &mut SqliteConnection,
    item: &PageItem,
    oldest: Stamp,
) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT seq FROM log WHERE recipient = ? AND ts >= ? ORDER BY seq LIMIT 1";
    let query = sqlx::query(sql).bind(item.number).bind(oldest.0);
    let first_kept = query.fetch_optional(conn).await.map_err(store_error)?;
    let before = |row: SqliteRow| Ok(Seq(record::seq(get(&row, 0)?).0.saturating_sub(1)));
    first_kept.map(before).transpose()
}

/// Messages past their expiry. Of a session's queue only those that were not sent: what was sent
/// is owed until it is answered [MQTT-4.3.3-7], and a connected session alone knows what was.
const EXPIRED: &str = "
    SELECT id, recipient, seq FROM log
    WHERE expires_at IS NOT NULL AND expires_at <= ? AND NOT EXISTS
        (SELECT 1 FROM session s WHERE s.recipient = log.recipient
         AND (s.ended_at IS NULL OR s.sent >= log.seq))
    ORDER BY expires_at LIMIT ?";

/// Removes them. Returns how many of which logs.
pub(super) async fn remove_expired(
    conn: &mut SqliteConnection,
    now: Stamp,
    count: u32,
) -> Result<(u64, HashSet<i64>), StoreError> {
    let query = sqlx::query(EXPIRED).bind(now.0).bind(i64::from(count));
    let rows = query.fetch_all(&mut *conn).await.map_err(store_error)?;
    let mut newest: HashMap<i64, i64> = HashMap::new();
    for row in &rows {
        let seq: i64 = get(row, 2)?;
        let last = newest.entry(get(row, 1)?).or_default();
        *last = seq.max(*last);
    }
    for (recipient, seq) in &newest {
        keep_head(conn, *recipient, *seq).await?;
    }
    for row in &rows {
        let delete = sqlx::query("DELETE FROM log WHERE id = ?").bind(get::<i64>(row, 0)?);
        delete.execute(&mut *conn).await.map_err(store_error)?;
    }
    Ok((rows.len() as u64, newest.into_keys().collect()))
}

/// The newest record of a log may be among the removed ones: its number is never given again.
async fn keep_head(
    conn: &mut SqliteConnection,
    recipient: i64,
    seq: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE recipient SET head = ?2 WHERE id = ?1 AND head < ?2
               AND NOT EXISTS (SELECT 1 FROM log WHERE recipient = ?1 AND seq > ?2)";
    let update = sqlx::query(sql).bind(recipient).bind(seq);
    update.execute(conn).await.map(drop).map_err(store_error)
}

/// See [`crate::store::batch::Transaction::remove_states`].
pub(super) async fn remove_states(
    conn: &mut SqliteConnection,
    after: i64,
    oldest: Stamp,
    count: u32,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT max(id), count(*) FROM
               (SELECT id FROM sender_state WHERE id > ? ORDER BY id LIMIT ?)";
    let query = sqlx::query(sql).bind(after).bind(i64::from(count));
    let row = query.fetch_one(&mut *conn).await.map_err(store_error)?;
    let (last, found): (Option<i64>, i64) = (get(&row, 0)?, get(&row, 1)?);
    let Some(last) = last else { return Ok(None) };
    let sql = "DELETE FROM sender_state WHERE id > ? AND id <= ? AND touched_at < ?";
    let delete = sqlx::query(sql).bind(after).bind(last).bind(oldest.0);
    delete.execute(conn).await.map_err(store_error)?;
    Ok((found == i64::from(count)).then_some(last))
}

pub(super) async fn remove_dedupe(
    conn: &mut SqliteConnection,
    times: RangeInclusive<Stamp>,
    count: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM dedupe WHERE (taken_at <= ? OR taken_at > ?)
               AND id IN (SELECT id FROM dedupe ORDER BY id LIMIT ?)";
    let query = sqlx::query(sql).bind(times.start().0).bind(times.end().0);
    let delete = query.bind(i64::from(count));
    Ok(delete.execute(conn).await.map_err(store_error)?.rows_affected())
}

/// Gives a bounded number of free pages back where many are free.
pub(super) async fn shrink(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let number = |row: SqliteRow| row.try_get::<i64, _>(0);
    let free = sqlx::query("PRAGMA freelist_count").fetch_one(&mut *conn).await.and_then(number);
    let pages = sqlx::query("PRAGMA page_count").fetch_one(&mut *conn).await.and_then(number);
    if free.map_err(store_error)? > pages.map_err(store_error)? / VACUUM_SHARE_DIVISOR {
        let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES_COUNT_MAX})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(conn).await.map_err(store_error)?;
    }
    Ok(())
}

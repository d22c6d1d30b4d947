//! The sweeper's reads and its removals that follow no recipient's page.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, params};

use super::statement::{all, execute, first, get, number, text};
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

pub(super) fn page(
    conn: &Connection,
    after: i64,
    count: u32,
    oldest: Stamp,
) -> Result<Vec<PageItem>, StoreError> {
    all(conn, PAGE, params![after, count], |row| {
        let mut item = item(row)?;
        let ts: Option<i64> = get(row, 6)?;
        if ts.is_some_and(|ts| ts < oldest.0) {
            let head = record::seq(get(row, 4)?);
            item.aged = aged(conn, &item, oldest)?.unwrap_or(head);
        }
        Ok(item)
    })
}

fn item(row: &Row<'_>) -> Result<PageItem, StoreError> {
    let head = record::seq(get(row, 4)?);
    let low = get::<Option<i64>>(row, 5)?.map(record::seq);
    Ok(PageItem {
        number: get(row, 0)?,
        recipient: record::recipient(get(row, 1)?, text(row, 2)?, text(row, 3)?)?,
        low: low.unwrap_or(head.next()),
        aged: Seq(0),
    })
}

/// The last of the oldest records that were all taken before `oldest`; `None` if it is all of them.
fn aged(conn: &Connection, item: &PageItem, oldest: Stamp) -> Result<Option<Seq>, StoreError> {
    let sql = "SELECT seq FROM log WHERE recipient = ? AND ts >= ? ORDER BY seq LIMIT 1";
    let before = |row: &Row<'_>| Ok(Seq(record::seq(get(row, 0)?).0.saturating_sub(1)));
    first(conn, sql, [item.number, oldest.0], before)
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
pub(super) fn remove_expired(
    conn: &Connection,
    now: Stamp,
    count: u32,
) -> Result<(u64, HashSet<i64>), StoreError> {
    let place = |row: &Row<'_>| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?));
    let expired: Vec<(i64, i64, i64)> = all(conn, EXPIRED, params![now.0, count], place)?;
    let mut newest: HashMap<i64, i64> = HashMap::new();
    for (_, recipient, seq) in &expired {
        let last = newest.entry(*recipient).or_default();
        *last = (*seq).max(*last);
    }
    for (recipient, seq) in &newest {
        keep_head(conn, *recipient, *seq)?;
    }
    for (id, _, _) in &expired {
        execute(conn, "DELETE FROM log WHERE id = ?", [id])?;
    }
    Ok((expired.len() as u64, newest.into_keys().collect()))
}

/// The newest record of a log may be among the removed ones: its number is never given again.
fn keep_head(conn: &Connection, recipient: i64, seq: i64) -> Result<(), StoreError> {
    let sql = "UPDATE recipient SET head = ?2 WHERE id = ?1 AND head < ?2
               AND NOT EXISTS (SELECT 1 FROM log WHERE recipient = ?1 AND seq > ?2)";
    execute(conn, sql, [recipient, seq]).map(drop)
}

/// See [`crate::store::batch::Transaction::remove_states`].
pub(super) fn remove_states(
    conn: &Connection,
    after: i64,
    oldest: Stamp,
    count: u32,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM sender_state WHERE id > ? ORDER BY id LIMIT ?";
    let ids: Vec<i64> = all(conn, sql, params![after, count], |row| get(row, 0))?;
    let Some(last) = ids.last() else { return Ok(None) };
    let sql = "DELETE FROM sender_state WHERE id > ? AND id <= ? AND touched_at < ?";
    execute(conn, sql, [after, *last, oldest.0])?;
    Ok((ids.len() as u64 == u64::from(count)).then_some(*last))
}

pub(super) fn remove_dedupe(
    conn: &Connection,
    times: RangeInclusive<Stamp>,
    count: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM dedupe WHERE (taken_at <= ? OR taken_at > ?)
               AND id IN (SELECT id FROM dedupe ORDER BY id LIMIT ?)";
    execute(conn, sql, params![times.start().0, times.end().0, count])
}

/// Gives a bounded number of free pages back where many are free.
pub(super) fn shrink(conn: &Connection) -> Result<(), StoreError> {
    let free = number(conn, "PRAGMA freelist_count", [])?;
    if free > number(conn, "PRAGMA page_count", [])? / VACUUM_SHARE_DIVISOR {
        let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES_COUNT_MAX})");
        // It gives one page back per step.
        all(conn, &sql, [], |_| Ok(()))?;
    }
    Ok(())
}

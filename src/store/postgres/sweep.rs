//! The sweeper's reads and its removals that follow no recipient's page.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use sqlx::postgres::{PgConnection, PgRow};

use super::error::Failed;
use super::load::get;
use crate::model::{Seq, Stamp};
use crate::store::StoreError;
use crate::store::batch::PageItem;
use crate::store::record;

/// The last column is the first record that is younger than the retention, if the oldest is not.
const PAGE: &str = "
    SELECT r.id, r.kind, r.uid, r.client_id, r.head, o.seq,
           CASE WHEN o.ts < $3 THEN
               coalesce((SELECT seq FROM log WHERE recipient = r.id AND ts >= $3
                         ORDER BY seq LIMIT 1), r.head + 1)
           END
    FROM (SELECT * FROM recipient WHERE id > $1 ORDER BY id LIMIT $2) r
    LEFT JOIN LATERAL
        (SELECT seq, ts FROM log WHERE recipient = r.id ORDER BY seq LIMIT 1) o ON true
    ORDER BY r.id";

pub(super) async fn page(
    conn: &mut PgConnection,
    after: i64,
    count: u32,
    oldest: Stamp,
) -> Result<Vec<PageItem>, Failed> {
    let query = sqlx::query(PAGE).bind(after).bind(i64::from(count)).bind(oldest.0);
    let rows = query.fetch_all(conn).await?;
    Ok(rows.iter().map(item).collect::<Result<_, StoreError>>()?)
}

fn item(row: &PgRow) -> Result<PageItem, StoreError> {
    let head = record::seq(get(row, 4)?);
    let low = get::<Option<i64>>(row, 5)?.map(record::seq);
    let first_kept = get::<Option<i64>>(row, 6)?.map(record::seq);
    Ok(PageItem {
        number: get(row, 0)?,
        recipient: record::recipient(get(row, 1)?, get(row, 2)?, get(row, 3)?)?,
        low: low.unwrap_or(head.next()),
        aged: first_kept.map_or(Seq(0), |seq| Seq(seq.0.saturating_sub(1))),
    })
}

/// Removes messages past their expiry. Of a session's queue only those that were not sent: what was
/// sent is owed until it is answered [MQTT-4.3.3-7], and a connected session alone knows what was.
const REMOVE_EXPIRED: &str = "
    DELETE FROM log WHERE id IN
        (SELECT id FROM log l WHERE expires_at <= $1 AND NOT EXISTS
            (SELECT 1 FROM session s WHERE s.recipient = l.recipient
             AND (s.ended_at IS NULL OR s.sent >= l.seq))
         ORDER BY expires_at LIMIT $2)
    RETURNING recipient";

/// Returns how many of which logs.
pub(super) async fn remove_expired(
    conn: &mut PgConnection,
    now: Stamp,
    count: u32,
) -> Result<(u64, HashSet<i64>), Failed> {
    let query = sqlx::query(REMOVE_EXPIRED).bind(now.0).bind(i64::from(count));
    let rows = query.fetch_all(conn).await?;
    let logs = rows.iter().map(|row| get(row, 0)).collect::<Result<_, StoreError>>()?;
    Ok((rows.len() as u64, logs))
}

/// See [`crate::store::batch::Transaction::remove_states`].
pub(super) async fn remove_states(
    conn: &mut PgConnection,
    after: i64,
    oldest: Stamp,
    count: u32,
) -> Result<Option<i64>, Failed> {
    let sql = "SELECT max(id), count(*) FROM
               (SELECT id FROM sender_state WHERE id > $1 ORDER BY id LIMIT $2) AS page";
    let query = sqlx::query(sql).bind(after).bind(i64::from(count));
    let row = query.fetch_one(&mut *conn).await?;
    let (last, found): (Option<i64>, i64) = (get(&row, 0)?, get(&row, 1)?);
    let Some(last) = last else { return Ok(None) };
    let sql = "DELETE FROM sender_state WHERE id > $1 AND id <= $2 AND touched_at < $3";
    sqlx::query(sql).bind(after).bind(last).bind(oldest.0).execute(conn).await?;
    Ok((found == i64::from(count)).then_some(last))
}

pub(super) async fn remove_dedupe(
    conn: &mut PgConnection,
    times: RangeInclusive<Stamp>,
    count: u32,
) -> Result<u64, Failed> {
    let sql = "DELETE FROM dedupe WHERE id IN
                   (SELECT id FROM dedupe WHERE taken_at <= $1 OR taken_at > $2 LIMIT $3)";
    let query = sqlx::query(sql).bind(times.start().0).bind(times.end().0);
    let delete = query.bind(i64::from(count));
    Ok(delete.execute(conn).await?.rows_affected())
}

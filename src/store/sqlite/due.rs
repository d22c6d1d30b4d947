//! What waits for its time: loaded for a transaction, written back, claimed, looked for.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::chunk::{Bound, Statement};
use super::error::store_error;
use super::flush::{execute, split};
use super::load::{fetch, get};
use super::read::raw_message;
use crate::model::{Due, DueName, MessageId, Stamp, Uid};
use crate::store::batch::{DueId, Work};
use crate::store::due::{
    CLAIMED, RawDue, RawRights, SCHEDULED, Waiting, bytes, checksum, name, readable,
};
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::{Claim, StoreError};

static BY_NAME: Statement = Statement::new(
    "uid, name",
    "SELECT d.message_id, d.from_uid, d.name, d.bytes, d.state FROM v CROSS JOIN due d
     ON d.domain = '' AND d.from_uid = v.uid AND d.name = v.name",
);
static BY_ID: Statement = Statement::new(
    "message_id",
    "SELECT d.message_id, d.from_uid, d.name, d.bytes, d.state FROM v CROSS JOIN due d
     ON d.message_id = v.message_id",
);
static LEFT: Statement = Statement::new(
    "uid",
    "SELECT v.uid, count(*), sum(d.bytes) FROM v CROSS JOIN due d
     ON d.domain = '' AND d.from_uid = v.uid GROUP BY v.uid",
);
static GONE: Statement =
    Statement::new("message_id", "DELETE FROM due WHERE message_id IN (SELECT message_id FROM v)");
static PUT: Statement = Statement::new(
    "due, name, roles, attrs, login_expires, message_id, from_uid, from_client, kind, topic, \
     flags, ts, expires_at, checksum, bytes, attributes, body",
    "INSERT INTO due (due, name, roles, attrs, login_expires, message_id, from_uid, from_client,
                      kind, topic, flags, ts, expires_at, checksum, bytes, attributes, body)
     SELECT * FROM v WHERE due IS NOT NULL",
);
static CLAIM: Statement = Statement::new(
    "id",
    "SELECT d.due, d.name, d.roles, d.attrs, d.login_expires,
            d.message_id, d.from_uid, d.from_client, d.kind, d.topic, d.flags, d.ts, d.expires_at,
            d.checksum, d.attributes, d.body
     FROM v CROSS JOIN due d ON d.id = v.id",
);
/// A will that is claimed is nobody's any more: the next one of its device may wait already.
static CLAIMS: Statement = Statement::new(
    "id",
    "UPDATE due SET state = 1, name = CASE WHEN name LIKE 'w%' THEN NULL ELSE name END
     WHERE id IN (SELECT id FROM v)",
);

fn bind_id<'q>(query: Bound<'q>, id: &MessageId) -> Bound<'q> {
    query.bind(id.0.to_be_bytes().to_vec())
}

pub(super) async fn load(
    conn: &mut SqliteConnection,
    names: HashSet<DueId>,
    ids: HashSet<MessageId>,
    owners: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let names: Vec<DueId> = names.into_iter().collect();
    let ids: Vec<MessageId> = ids.into_iter().collect();
    let owners: Vec<Uid> = owners.into_iter().collect();
    let mut rows = fetch(conn, &BY_NAME, &names, |query, (uid, name): &DueId| {
        query.bind(uid.as_str().to_owned()).bind(name.to_column())
    })
    .await?;
    rows.extend(fetch(conn, &BY_ID, &ids, bind_id).await?);
    for row in rows {
        work.found_due(record::message_id(get(&row, 0)?)?, waiting(&row)?);
    }
    let rows = fetch(conn, &LEFT, &owners, |query, uid: &Uid| query.bind(uid.as_str().to_owned()));
    for row in rows.await? {
        let left = Kept::from_columns(get(&row, 1)?, get(&row, 2)?);
        work.left.insert(record::uid(get(&row, 0)?)?, left);
    }
    work.looked_for_due(names, ids, owners);
    Ok(())
}

fn waiting(row: &SqliteRow) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        uid: record::uid(get(row, 1)?)?,
        name: name(get(row, 2)?)?,
        bytes: get::<i64>(row, 3)?.max(0) as u64,
        claimed: get::<i64>(row, 4)? == CLAIMED,
    })
}

/// Returns how many of users to be forgotten there were.
pub(super) async fn flush(
    conn: &mut SqliteConnection,
    (set, forgotten, released): (HashMap<MessageId, Option<Due>>, HashSet<Uid>, HashSet<MessageId>),
    now: Stamp,
) -> Result<u64, StoreError> {
    let (put, gone) = split(set);
    execute(conn, &GONE, &gone, bind_id).await?;
    let mut count = 0;
    for uid in forgotten {
        let delete = sqlx::query("DELETE FROM due WHERE domain = '' AND from_uid = ?");
        let delete = delete.bind(uid.as_str().to_owned()).execute(&mut *conn).await;
        count += delete.map_err(store_error)?.rows_affected();
    }
    for id in released {
        let sql = "UPDATE due SET due = min(due, ?), name = NULL WHERE message_id = ?";
        let release = sqlx::query(sql).bind(now.0).bind(id.0.to_be_bytes().to_vec());
        release.execute(&mut *conn).await.map_err(store_error)?;
    }
    execute(conn, &PUT, &put, |query, (_, due)| bind_due(query, due)).await?;
    Ok(count)
}

fn bind_due<'q>(query: Bound<'q>, due: &Due) -> Bound<'q> {
    let (message, rights) = (&due.message, RawRights::of(&due.who));
    let attributes = message.attributes.as_bytes();
    query
        .bind(due.at.0)
        .bind(due.name.as_ref().map(DueName::to_column))
        .bind(rights.roles)
        .bind(rights.attrs)
        .bind(rights.login_expires)
        .bind(message.id.0.to_be_bytes().to_vec())
        .bind(message.from.uid.as_str().to_owned())
        .bind(message.from.client_id.as_str().to_owned())
        .bind(message.kind as i64)
        .bind(message.topic.to_string())
        .bind(flags(message.qos, message.retain))
        .bind(message.ts.0)
        .bind(message.expires_at.map(|at| at.0))
        .bind(checksum(due) as i64)
        .bind(bytes(due) as i64)
        .bind((!attributes.is_empty()).then(|| attributes.to_vec()))
        .bind(message.body.to_vec())
}

/// See [`crate::store::Write::Claim`].
pub(super) async fn claim(
    conn: &mut SqliteConnection,
    claim: Claim,
) -> Result<Vec<Due>, StoreError> {
    let sql = "SELECT id, bytes FROM due WHERE state = ? AND due <= ?
               ORDER BY due, message_id LIMIT ?";
    let query = sqlx::query(sql).bind(SCHEDULED).bind(claim.until.0).bind(claim.count_max as i64);
    let rows = query.fetch_all(&mut *conn).await.map_err(store_error)?;
    let sizes: Vec<u64> =
        rows.iter().map(|row| Ok(get::<i64>(row, 1)?.max(0) as u64)).collect::<Result<_, _>>()?;
    let rows = &rows[..claim.count(sizes.into_iter()).min(rows.len())];
    let ids: Vec<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    let rows = fetch(conn, &CLAIM, &ids, |query, id| query.bind(*id)).await?;
    let mut due = readable(rows.iter().map(raw_due));
    due.sort_by_key(|due| (due.at, due.message.id));
    execute(conn, &CLAIMS, &ids, |query, id| query.bind(*id)).await?;
    Ok(due)
}

fn raw_due(row: &SqliteRow) -> Result<Due, StoreError> {
    let rights =
        RawRights { roles: get(row, 2)?, attrs: get(row, 3)?, login_expires: get(row, 4)? };
    RawDue { at: get(row, 0)?, name: get(row, 1)?, rights, message: raw_message(row, 5)? }.check()
}

/// What was on its way waits again.
pub(super) async fn unclaim(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let unclaim = sqlx::query("UPDATE due SET state = 0 WHERE state = 1").execute(conn).await;
    unclaim.map(drop).map_err(store_error)
}

/// See [`crate::store::Store::next_due`].
pub(super) async fn next(pool: &SqlitePool) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT due FROM due WHERE state = 0 ORDER BY due LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(pool).await.map_err(store_error)?;
    row.map(|row| Ok(Stamp(get(&row, 0)?))).transpose()
}

/// See [`crate::store::Store::due_count`].
pub(super) async fn count(pool: &SqlitePool) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM due").fetch_one(pool).await.map_err(store_error)?;
    Ok(get::<i64>(&row, 0)?.max(0) as u64)
}

//! What waits for its time: loaded for a transaction, written back, claimed, looked for.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::{PgConnection, PgPool, PgRow};

use super::error::{Failed, store_error};
use super::flush::{column, split};
use super::load::get;
use super::read::raw_message;
use crate::model::{Due, DueName, MessageId, Stamp, Uid};
use crate::store::batch::{DueId, Work};
use crate::store::due::{CLAIMED, RawDue, RawRights, Waiting, bytes, checksum, name, readable};
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::{Claim, StoreError};

/// Locked: several nodes may want the same one, and it goes out once.
const BY_NAME: &str = "
    SELECT d.message_id, d.from_uid, d.name, d.bytes, d.state
    FROM unnest($1::text[], $2::text[]) AS v (uid, name)
    JOIN due d ON d.domain = '' AND d.from_uid = v.uid AND d.name = v.name
    ORDER BY d.message_id FOR UPDATE OF d";
const BY_ID: &str = "
    SELECT message_id, from_uid, name, bytes, state FROM due
    WHERE message_id = ANY($1) ORDER BY message_id FOR UPDATE";
const LEFT: &str = "
    SELECT from_uid, count(*), sum(bytes)::bigint FROM due
    WHERE domain = '' AND from_uid = ANY($1) GROUP BY from_uid";
const PUT: &str = "
    INSERT INTO due (due, name, roles, attrs, login_expires, message_id, from_uid, from_client,
                     kind, topic, flags, ts, expires_at, checksum, bytes, attributes, body)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bigint[],
                         $6::bytea[], $7::text[], $8::text[], $9::bigint[], $10::text[],
                         $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                         $15::bigint[], $16::bytea[], $17::bytea[])";
const RELEASED: &str =
    "UPDATE due SET due = least(due, $2), name = NULL WHERE message_id = ANY($1)";
/// What another node is claiming is left to it.
const CANDIDATES: &str = "
    SELECT message_id, bytes FROM due WHERE state = 0 AND due <= $1
    ORDER BY due, message_id LIMIT $2 FOR UPDATE SKIP LOCKED";
const READ: &str = "
    SELECT due, name, roles, attrs, login_expires, message_id, from_uid, from_client, kind, topic,
           flags, ts, expires_at, checksum, attributes, body
    FROM due WHERE message_id = ANY($1) ORDER BY due, message_id";
/// A will that is claimed is nobody's any more: the next one of its device may wait already.
const CLAIMS: &str = "
    UPDATE due SET state = 1, name = CASE WHEN name LIKE 'w%' THEN NULL ELSE name END
    WHERE message_id = ANY($1)";

fn id_bytes(id: &MessageId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

pub(super) async fn load(
    conn: &mut PgConnection,
    names: HashSet<DueId>,
    ids: HashSet<MessageId>,
    owners: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), Failed> {
    let mut rows = Vec::new();
    if !names.is_empty() {
        let uids: Vec<String> = names.iter().map(|(uid, _)| uid.to_string()).collect();
        let texts: Vec<String> = names.iter().map(|(_, name)| name.to_column()).collect();
        rows = sqlx::query(BY_NAME).bind(uids).bind(texts).fetch_all(&mut *conn).await?;
    }
    if !ids.is_empty() {
        let wanted: Vec<Vec<u8>> = ids.iter().map(id_bytes).collect();
        rows.extend(sqlx::query(BY_ID).bind(wanted).fetch_all(&mut *conn).await?);
    }
    for row in &rows {
        work.found_due(record::message_id(get(row, 0)?)?, waiting(row)?);
    }
    if !owners.is_empty() {
        let wanted: Vec<String> = owners.iter().map(|uid| uid.to_string()).collect();
        for row in sqlx::query(LEFT).bind(wanted).fetch_all(conn).await? {
            let left = Kept::from_columns(get(&row, 1)?, get(&row, 2)?);
            work.left.insert(record::uid(get(&row, 0)?)?, left);
        }
    }
    work.looked_for_due(names, ids, owners);
    Ok(())
}

fn waiting(row: &PgRow) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        uid: record::uid(get(row, 1)?)?,
        name: name(get(row, 2)?)?,
        bytes: get::<i64>(row, 3)?.max(0) as u64,
        claimed: get::<i64>(row, 4)? == CLAIMED,
    })
}

/// Returns how many of users to be forgotten there were.
pub(super) async fn flush(
    conn: &mut PgConnection,
    (set, forgotten, released): (HashMap<MessageId, Option<Due>>, HashSet<Uid>, HashSet<MessageId>),
    now: Stamp,
) -> Result<u64, Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let gone: Vec<Vec<u8>> = gone.iter().map(id_bytes).collect();
        let delete = sqlx::query("DELETE FROM due WHERE message_id = ANY($1)").bind(gone);
        delete.execute(&mut *conn).await?;
    }
    let mut count = 0;
    if !forgotten.is_empty() {
        let uids: Vec<String> = forgotten.iter().map(|uid| uid.to_string()).collect();
        let delete = sqlx::query("DELETE FROM due WHERE domain = '' AND from_uid = ANY($1)");
        count = delete.bind(uids).execute(&mut *conn).await?.rows_affected();
    }
    let put: Vec<Due> = put.into_iter().map(|(_, due)| due).collect();
    if !released.is_empty() {
        let released: Vec<Vec<u8>> = released.iter().map(id_bytes).collect();
        sqlx::query(RELEASED).bind(released).bind(now.0).execute(&mut *conn).await?;
    }
    self::put(conn, &put).await?;
    Ok(count)
}

async fn put(conn: &mut PgConnection, all: &[Due]) -> Result<(), Failed> {
    if all.is_empty() {
        return Ok(());
    }
    let attributes = |due: &Due| {
        let bytes = due.message.attributes.as_bytes();
        (!bytes.is_empty()).then(|| bytes.to_vec())
    };
    let query = sqlx::query(PUT)
        .bind(column(all, |due| due.at.0))
        .bind(column(all, |due| due.name.as_ref().map(DueName::to_column)))
        .bind(column(all, |due| RawRights::of(&due.who).roles))
        .bind(column(all, |due| RawRights::of(&due.who).attrs))
        .bind(column(all, |due| RawRights::of(&due.who).login_expires))
        .bind(column(all, |due| id_bytes(&due.message.id)))
        .bind(column(all, |due| due.message.from.uid.as_str()))
        .bind(column(all, |due| due.message.from.client_id.as_str()))
        .bind(column(all, |due| due.message.kind as i64))
        .bind(column(all, |due| &*due.message.topic))
        .bind(column(all, |due| flags(due.message.qos, due.message.retain)))
        .bind(column(all, |due| due.message.ts.0))
        .bind(column(all, |due| due.message.expires_at.map(|at| at.0)))
        .bind(column(all, |due| checksum(due) as i64))
        .bind(column(all, |due| bytes(due) as i64))
        .bind(column(all, attributes))
        .bind(column(all, |due| due.message.body.to_vec()));
    query.execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Write::Claim`].
pub(super) async fn claim(conn: &mut PgConnection, claim: Claim) -> Result<Vec<Due>, Failed> {
    let query = sqlx::query(CANDIDATES).bind(claim.until.0).bind(claim.count_max as i64);
    let rows = query.fetch_all(&mut *conn).await?;
    let sizes: Vec<u64> = rows
        .iter()
        .map(|row| Ok(get::<i64>(row, 1)?.max(0) as u64))
        .collect::<Result<_, StoreError>>()?;
    let rows = &rows[..claim.count(sizes.into_iter()).min(rows.len())];
    let ids: Vec<Vec<u8>> =
        rows.iter().map(|row| get(row, 0)).collect::<Result<_, StoreError>>()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(READ).bind(&ids).fetch_all(&mut *conn).await?;
    sqlx::query(CLAIMS).bind(&ids).execute(conn).await?;
    Ok(readable(rows.iter().map(raw_due)))
}

fn raw_due(row: &PgRow) -> Result<Due, StoreError> {
    let rights =
        RawRights { roles: get(row, 2)?, attrs: get(row, 3)?, login_expires: get(row, 4)? };
    RawDue { at: get(row, 0)?, name: get(row, 1)?, rights, message: raw_message(row, 5)? }.check()
}

/// What was on its way waits again; also what is on the way of another node, and then only one of
/// the two finds it there when it goes out.
pub(super) async fn unclaim(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let unclaim = sqlx::query("UPDATE due SET state = 0 WHERE state = 1");
    unclaim.execute(conn).await.map(drop)
}

/// See [`crate::store::Store::next_due`].
pub(super) async fn next(pool: &PgPool) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT due FROM due WHERE state = 0 ORDER BY due LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(pool).await.map_err(store_error)?;
    row.map(|row| Ok(Stamp(get(&row, 0)?))).transpose()
}

/// See [`crate::store::Store::due_count`].
pub(super) async fn count(pool: &PgPool) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM due").fetch_one(pool).await.map_err(store_error)?;
    Ok(get::<i64>(&row, 0)?.max(0) as u64)
}

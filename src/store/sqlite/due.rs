//! What waits for its time: loaded for a transaction, written back, claimed, looked for.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row, params};

use super::read::raw_message;
use super::statement::{all, bytes as bytes_at, execute, first, get, number, text};
use crate::model::{Due, DueName, MessageId, Stamp, Uid};
use crate::store::batch::{DueId, Work};
use crate::store::due::{
    CLAIMED, RawDue, RawRights, SCHEDULED, Waiting, bytes, checksum, name, readable,
};
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::{Claim, StoreError};

const BY_NAME: &str = "
    SELECT message_id, from_uid, name, bytes, state FROM due
    WHERE domain = '' AND from_uid = ? AND name = ?";
const BY_ID: &str = "
    SELECT message_id, from_uid, name, bytes, state FROM due WHERE message_id = ?";
const LEFT: &str = "
    SELECT count(*), coalesce(sum(bytes), 0) FROM due WHERE domain = '' AND from_uid = ?";
const GONE: &str = "DELETE FROM due WHERE message_id = ?";
const FORGOTTEN: &str = "DELETE FROM due WHERE domain = '' AND from_uid = ?";
const RELEASED: &str = "UPDATE due SET due = min(due, ?), name = NULL WHERE message_id = ?";
const PUT: &str = "
    INSERT INTO due (due, name, roles, attrs, login_expires, message_id, from_uid, from_client,
                     kind, topic, flags, ts, expires_at, checksum, bytes, attributes, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const DUE: &str = "
    SELECT id, bytes FROM due WHERE state = ? AND due <= ? ORDER BY due, message_id LIMIT ?";
const CLAIM: &str = "
    SELECT due, name, roles, attrs, login_expires, message_id, from_uid, from_client, kind, topic,
           flags, ts, expires_at, checksum, attributes, body
    FROM due WHERE id = ?";
/// A will that is claimed is nobody's any more: the next one of its device may wait already.
const CLAIMS: &str = "
    UPDATE due SET state = 1, name = CASE WHEN name LIKE 'w%' THEN NULL ELSE name END
    WHERE id = ?";

pub(super) fn load(
    conn: &Connection,
    names: HashSet<DueId>,
    ids: HashSet<MessageId>,
    owners: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), StoreError> {
    for (uid, name) in &names {
        if let Some((id, waiting)) =
            first(conn, BY_NAME, params![uid.as_str(), name.to_column()], waiting)?
        {
            work.found_due(id, waiting);
        }
    }
    for id in &ids {
        if let Some((id, waiting)) = first(conn, BY_ID, [id.0.to_be_bytes()], waiting)? {
            work.found_due(id, waiting);
        }
    }
    for uid in &owners {
        let kept = |row: &Row<'_>| Ok(Kept::from_columns(get(row, 0)?, get(row, 1)?));
        if let Some(left) = first(conn, LEFT, [uid.as_str()], kept)? {
            work.left.insert(uid.clone(), left);
        }
    }
    work.looked_for_due(names, ids, owners);
    Ok(())
}

fn waiting(row: &Row<'_>) -> Result<(MessageId, Waiting), StoreError> {
    let waiting = Waiting {
        uid: record::uid(text(row, 1)?)?,
        name: name(get::<Option<String>>(row, 2)?.as_deref())?,
        bytes: get::<i64>(row, 3)?.max(0) as u64,
        claimed: get::<i64>(row, 4)? == CLAIMED,
    };
    Ok((record::message_id(bytes_at(row, 0)?)?, waiting))
}

/// Returns how many of users to be forgotten there were.
pub(super) fn flush(
    conn: &Connection,
    (set, forgotten, released): (HashMap<MessageId, Option<Due>>, HashSet<Uid>, HashSet<MessageId>),
    now: Stamp,
) -> Result<u64, StoreError> {
    for (id, _) in set.iter().filter(|(_, due)| due.is_none()) {
        execute(conn, GONE, [id.0.to_be_bytes()])?;
    }
    let mut count = 0;
    for uid in forgotten {
        count += execute(conn, FORGOTTEN, [uid.as_str()])?;
    }
    for id in released {
        execute(conn, RELEASED, params![now.0, id.0.to_be_bytes()])?;
    }
    for due in set.values().flatten() {
        put(conn, due)?;
    }
    Ok(count)
}

fn put(conn: &Connection, due: &Due) -> Result<(), StoreError> {
    let (message, rights) = (&due.message, RawRights::of(&due.who));
    let attributes = message.attributes.as_bytes();
    let values = params![
        due.at.0,
        due.name.as_ref().map(DueName::to_column),
        rights.roles,
        rights.attrs,
        rights.login_expires,
        message.id.0.to_be_bytes(),
        message.from.uid.as_str(),
        message.from.client_id.as_str(),
        message.kind as i64,
        &*message.topic,
        flags(message.qos, message.retain),
        message.ts.0,
        message.expires_at.map(|at| at.0),
        checksum(due) as i64,
        bytes(due) as i64,
        (!attributes.is_empty()).then_some(attributes),
        &*message.body,
    ];
    execute(conn, PUT, values).map(drop)
}

/// See [`crate::store::Write::Claim`].
pub(super) fn claim(conn: &Connection, claim: Claim) -> Result<Vec<Due>, StoreError> {
    let values = [SCHEDULED, claim.until.0, claim.count_max as i64];
    let place = |row: &Row<'_>| Ok((get::<i64>(row, 0)?, get::<i64>(row, 1)?.max(0) as u64));
    let mut places = all(conn, DUE, values, place)?;
    places.truncate(claim.count(places.iter().map(|(_, bytes)| *bytes)));
    let mut claimed = Vec::with_capacity(places.len());
    for (id, _) in places {
        claimed.extend(first(conn, CLAIM, [id], |row| Ok(raw_due(row)))?);
        execute(conn, CLAIMS, [id])?;
    }
    let mut due = readable(claimed.into_iter());
    due.sort_by_key(|due| (due.at, due.message.id));
    Ok(due)
}

fn raw_due(row: &Row<'_>) -> Result<Due, StoreError> {
    let rights =
        RawRights { roles: get(row, 2)?, attrs: get(row, 3)?, login_expires: get(row, 4)? };
    RawDue { at: get(row, 0)?, name: get(row, 1)?, rights, message: raw_message(row, 5)? }.check()
}

/// What was on its way waits again.
pub(super) fn unclaim(conn: &Connection) -> Result<(), StoreError> {
    execute(conn, "UPDATE due SET state = 0 WHERE state = 1", []).map(drop)
}

/// See [`crate::store::Store::next_due`].
pub(super) fn next(conn: &Connection) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT due FROM due WHERE state = 0 ORDER BY due LIMIT 1";
    first(conn, sql, [], |row| Ok(Stamp(get(row, 0)?)))
}

/// See [`crate::store::Store::due_count`].
pub(super) fn count(conn: &Connection) -> Result<u64, StoreError> {
    Ok(number(conn, "SELECT count(*) FROM due", [])?.max(0) as u64)
}

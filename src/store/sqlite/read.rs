//! Reads beside the writer: records with their check, subscriptions, accounts, devices, sessions.

use rusqlite::{Connection, Row, params};

use super::statement::{all, bytes, first, get, number, text};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};
use crate::store::record::{self, RawMessage, RawRecord, columns};
use crate::store::{Account, Cursor, KnownDevice, StoreError, Subscription};

const RECORDS: &str = "
    SELECT l.recipient, l.seq, l.delivery, l.ts, l.expires_at, l.checksum,
           coalesce(l.message, b.message)
    FROM log l LEFT JOIN body b ON b.id = l.body_id
    WHERE l.recipient = (SELECT id FROM recipient
                         WHERE kind = ? AND domain = '' AND uid = ? AND client_id = ?)
      AND l.seq > ?
    ORDER BY l.seq LIMIT ?";

/// Row by row: what is beyond the bound in bytes is not read.
pub(super) fn records(
    conn: &Connection,
    recipient: &Recipient,
    after: Seq,
    count_max: usize,
    bytes_max: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (kind, uid, client_id) = columns(recipient);
    let count_max = i64::try_from(count_max.max(1)).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(RECORDS)?;
    let mut rows = statement.query((kind, uid, client_id, after.0 as i64, count_max))?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let entry = raw(row)?.check(recipient)?;
        bytes += entry.message.body.len();
        if !entries.is_empty() && bytes > bytes_max {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn raw(row: &Row<'_>) -> Result<RawRecord, StoreError> {
    Ok(RawRecord {
        recipient: get(row, 0)?,
        seq: get(row, 1)?,
        delivery: get(row, 2)?,
        ts: get(row, 3)?,
        expires_at: get(row, 4)?,
        checksum: get(row, 5)?,
        message: get(row, 6)?,
    })
}

/// A message from `message_id` to `body`, as the tables of retained and of waiting ones name its
/// columns; the first of them is `at`.
pub(super) fn raw_message(row: &Row<'_>, at: usize) -> Result<RawMessage, StoreError> {
    Ok(RawMessage {
        message_id: bytes(row, at)?.to_vec(),
        from_uid: get(row, at + 1)?,
        from_client: get(row, at + 2)?,
        kind: get(row, at + 3)?,
        topic: get(row, at + 4)?,
        flags: get(row, at + 5)?,
        ts: get(row, at + 6)?,
        expires_at: get(row, at + 7)?,
        checksum: get(row, at + 8)?,
        attributes: get(row, at + 9)?,
        body: get(row, at + 10)?,
    })
}

/// See [`crate::store::Store::legacies`]: their logs are below zero.
pub(super) fn legacies(
    conn: &Connection,
    count_max: usize,
) -> Result<Vec<(SessionKey, Entry)>, StoreError> {
    let sql = "SELECT r.id, l.seq, l.delivery, l.ts, l.expires_at, l.checksum,
                      coalesce(l.message, b.message), r.uid, r.client_id
               FROM log l JOIN recipient r ON r.id = -l.recipient
               LEFT JOIN body b ON b.id = l.body_id
               WHERE l.recipient < 0 ORDER BY l.recipient, l.seq LIMIT ?";
    all(conn, sql, [i64::try_from(count_max).unwrap_or(i64::MAX)], |row| {
        let key = record::session_key(text(row, 7)?, text(row, 8)?)?;
        let entry = raw(row)?.check(&Recipient::Session(key.clone()))?;
        Ok((key, entry))
    })
}

pub(super) fn subscriptions(
    conn: &Connection,
    after: Option<(SessionKey, Filter)>,
    count_max: usize,
) -> Result<Vec<(SessionKey, Subscription)>, StoreError> {
    let sql = "SELECT r.uid, r.client_id, s.filter, s.options, s.identifier
               FROM recipient r CROSS JOIN subscription s ON s.recipient = r.id
               WHERE r.kind = 1 AND r.domain = '' AND (r.uid, r.client_id) >= (?1, ?2)
                 AND (r.uid, r.client_id, s.filter) > (?1, ?2, ?3)
               ORDER BY r.uid, r.client_id, s.filter LIMIT ?4";
    let (uid, client_id, filter) = match &after {
        Some((key, filter)) => (key.uid.as_str(), key.client_id.as_str(), filter.as_str()),
        None => ("", "", ""),
    };
    all(conn, sql, params![uid, client_id, filter, count_max as i64], |row| {
        let key = record::session_key(text(row, 0)?, text(row, 1)?)?;
        Ok((key, record::subscription(text(row, 2)?, get(row, 3)?, get(row, 4)?)?))
    })
}

pub(super) fn account(conn: &Connection, uid: &Uid) -> Result<Option<Account>, StoreError> {
    let sql = "SELECT password_hash, roles FROM account WHERE domain = '' AND uid = ?";
    first(conn, sql, [uid.as_str()], |row| {
        Ok(Account { password_hash: get(row, 0)?, roles: record::roles(text(row, 1)?)? })
    })
}

pub(super) fn accounts(
    conn: &Connection,
    after: Option<&Uid>,
    count_max: usize,
) -> Result<Vec<(Uid, Roles)>, StoreError> {
    let sql = "SELECT uid, roles FROM account WHERE domain = '' AND uid > ? ORDER BY uid LIMIT ?";
    all(conn, sql, params![after.map_or("", Uid::as_str), count_max as i64], |row| {
        Ok((record::uid(text(row, 0)?)?, record::roles(text(row, 1)?)?))
    })
}

/// See [`crate::store::Store::newest`].
pub(super) fn newest(conn: &Connection) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT ts FROM log ORDER BY id DESC LIMIT 1";
    first(conn, sql, [], |row| Ok(Stamp(get(row, 0)?)))
}

pub(super) fn bans(conn: &Connection) -> Result<Vec<Ban>, StoreError> {
    let sql = "SELECT uid, client_id, net, made_at, until, reason FROM ban WHERE domain = ''
               ORDER BY uid, client_id, net";
    all(conn, sql, [], |row| {
        let target = [text(row, 0)?, text(row, 1)?, text(row, 2)?];
        record::ban(target, get(row, 3)?, get(row, 4)?, text(row, 5)?)
    })
}

pub(super) fn devices(conn: &Connection, uid: &Uid) -> Result<Vec<KnownDevice>, StoreError> {
    let sql = "SELECT d.client_id, d.cursor, d.sent,
                      max(r.head, coalesce((SELECT max(seq) FROM log WHERE recipient = r.id), 0)),
                      d.seen_at
               FROM recipient r JOIN device d ON d.recipient = r.id
               WHERE r.kind = 0 AND r.domain = '' AND r.uid = ? AND r.client_id = ''
               ORDER BY d.client_id";
    all(conn, sql, [uid.as_str()], |row| {
        let cursor = Cursor {
            cursor: record::seq(get(row, 1)?),
            sent: record::seq(get(row, 2)?),
            head: record::seq(get(row, 3)?),
        };
        let client_id = record::client_id(text(row, 0)?)?;
        Ok(KnownDevice { client_id, cursor, seen_at: Stamp(get(row, 4)?) })
    })
}

pub(super) fn sessions(conn: &Connection, uid: &Uid) -> Result<Vec<ClientId>, StoreError> {
    let sql = "SELECT r.client_id FROM recipient r JOIN session s ON s.recipient = r.id
               WHERE r.kind = 1 AND r.domain = '' AND r.uid = ?
               ORDER BY s.ended_at IS NULL, s.ended_at, r.client_id";
    all(conn, sql, [uid.as_str()], |row| record::client_id(text(row, 0)?))
}

pub(super) fn retained_count(conn: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM retained WHERE domain = ''";
    Ok(number(conn, sql, [])?.max(0) as u64)
}

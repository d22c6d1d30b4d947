//! Reads beside the writer: records with their check, subscriptions, accounts, devices, sessions.

use sqlx::postgres::{PgPool, PgRow};

use super::error::store_error;
use super::load::get;
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};
use crate::store::record::{self, RawMessage, RawRecord, columns};
use crate::store::{Account, Cursor, KnownDevice, StoreError, Subscription};

/// The bytes are bounded on the server, roughly: a record comes if what precedes it fits.
const RECORDS: &str = "
    SELECT l.recipient, l.seq, l.delivery, l.ts, l.expires_at, l.checksum,
           coalesce(l.message, b.message)
    FROM (SELECT *, sum(octet_length(coalesce(message, ''))) OVER w AS bytes
          FROM (SELECT * FROM log
                WHERE recipient = (SELECT id FROM recipient
                                   WHERE kind = $1 AND domain = '' AND uid = $2
                                     AND client_id = $3)
                  AND seq > $4 ORDER BY seq LIMIT $5) AS page
          WINDOW w AS (ORDER BY seq)) AS l
    LEFT JOIN body b ON b.id = l.body_id
    WHERE l.bytes - octet_length(coalesce(l.message, '')) <= $6
    ORDER BY l.seq";

pub(super) async fn records(
    pool: &PgPool,
    recipient: &Recipient,
    after: Seq,
    count_max: usize,
    bytes_max: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (kind, uid, client_id) = columns(recipient);
    let query = sqlx::query(RECORDS).bind(kind).bind(uid).bind(client_id).bind(after.0 as i64);
    let count = i64::try_from(count_max.max(1)).unwrap_or(i64::MAX);
    let query = query.bind(count).bind(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for row in query.fetch_all(pool).await.map_err(store_error)? {
        let entry = raw(&row)?.check(recipient)?;
        // Shared bodies are counted here.
        bytes += entry.message.body.len();
        if !entries.is_empty() && bytes > bytes_max {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn raw(row: &PgRow) -> Result<RawRecord, StoreError> {
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
pub(super) fn raw_message(row: &PgRow, at: usize) -> Result<RawMessage, StoreError> {
    Ok(RawMessage {
        message_id: get(row, at)?,
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
pub(super) async fn legacies(
    pool: &PgPool,
    count_max: usize,
) -> Result<Vec<(SessionKey, Entry)>, StoreError> {
    let sql = "SELECT r.id, l.seq, l.delivery, l.ts, l.expires_at, l.checksum,
                      coalesce(l.message, b.message), r.uid, r.client_id
               FROM log l JOIN recipient r ON r.id = -l.recipient
               LEFT JOIN body b ON b.id = l.body_id
               WHERE l.recipient < 0 ORDER BY l.recipient, l.seq LIMIT $1";
    let query = sqlx::query(sql).bind(i64::try_from(count_max).unwrap_or(i64::MAX));
    let rows = query.fetch_all(pool).await.map_err(store_error)?;
    let legacy = |row: &PgRow| {
        let key = record::session_key(get(row, 7)?, get(row, 8)?)?;
        let entry = raw(row)?.check(&Recipient::Session(key.clone()))?;
        Ok((key, entry))
    };
    rows.iter().map(legacy).collect()
}

pub(super) async fn subscriptions(
    pool: &PgPool,
    after: Option<(SessionKey, Filter)>,
    count_max: usize,
) -> Result<Vec<(SessionKey, Subscription)>, StoreError> {
    let sql = "SELECT r.uid, r.client_id, s.filter, s.options, s.identifier
               FROM recipient r JOIN subscription s ON s.recipient = r.id
               WHERE r.kind = 1 AND r.domain = '' AND (r.uid, r.client_id) >= ($1, $2)
                 AND (r.uid, r.client_id, s.filter) > ($1, $2, $3)
               ORDER BY r.uid, r.client_id, s.filter LIMIT $4";
    let query = match &after {
        Some((key, filter)) => sqlx::query(sql)
            .bind(key.uid.as_str())
            .bind(key.client_id.as_str())
            .bind(filter.as_str()),
        None => sqlx::query(sql).bind("").bind("").bind(""),
    };
    let rows = query.bind(count_max as i64).fetch_all(pool).await.map_err(store_error)?;
    let subscription = |row: &PgRow| {
        let key = record::session_key(get(row, 0)?, get(row, 1)?)?;
        Ok((key, record::subscription(get(row, 2)?, get(row, 3)?, get(row, 4)?)?))
    };
    rows.iter().map(subscription).collect()
}

pub(super) async fn account(pool: &PgPool, uid: &Uid) -> Result<Option<Account>, StoreError> {
    let sql = "SELECT password_hash, roles FROM account WHERE domain = '' AND uid = $1";
    let row =
        sqlx::query(sql).bind(uid.as_str()).fetch_optional(pool).await.map_err(store_error)?;
    let account = |row: &PgRow| {
        Ok(Account {
            password_hash: get::<&str>(row, 0)?.to_owned(),
            roles: record::roles(get(row, 1)?)?,
        })
    };
    row.as_ref().map(account).transpose()
}

pub(super) async fn accounts(
    pool: &PgPool,
    after: Option<&Uid>,
    count_max: usize,
) -> Result<Vec<(Uid, Roles)>, StoreError> {
    let sql = "SELECT uid, roles FROM account WHERE domain = '' AND uid > $1 ORDER BY uid LIMIT $2";
    let query = sqlx::query(sql).bind(after.map_or("", Uid::as_str)).bind(count_max as i64);
    let rows = query.fetch_all(pool).await.map_err(store_error)?;
    rows.iter().map(|row| Ok((record::uid(get(row, 0)?)?, record::roles(get(row, 1)?)?))).collect()
}

/// See [`crate::store::Store::newest`].
pub(super) async fn newest(pool: &PgPool) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT ts FROM log ORDER BY id DESC LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(pool).await.map_err(store_error)?;
    row.map(|row| Ok(Stamp(get(&row, 0)?))).transpose()
}

pub(super) async fn bans(pool: &PgPool) -> Result<Vec<Ban>, StoreError> {
    let sql = "SELECT uid, client_id, net, made_at, until, reason FROM ban WHERE domain = ''
               ORDER BY uid, client_id, net";
    let rows = sqlx::query(sql).fetch_all(pool).await.map_err(store_error)?;
    let ban = |row: &PgRow| {
        record::ban(
            [get(row, 0)?, get(row, 1)?, get(row, 2)?],
            get(row, 3)?,
            get(row, 4)?,
            get(row, 5)?,
        )
    };
    rows.iter().map(ban).collect()
}

pub(super) async fn devices(pool: &PgPool, uid: &Uid) -> Result<Vec<KnownDevice>, StoreError> {
    let sql = "SELECT d.client_id, d.cursor, d.sent, r.head, d.seen_at
               FROM recipient r JOIN device d ON d.recipient = r.id
               WHERE r.kind = 0 AND r.domain = '' AND r.uid = $1 AND r.client_id = ''
               ORDER BY d.client_id";
    let rows = sqlx::query(sql).bind(uid.as_str()).fetch_all(pool).await.map_err(store_error)?;
    let device = |row: &PgRow| {
        let cursor = Cursor {
            cursor: record::seq(get(row, 1)?),
            sent: record::seq(get(row, 2)?),
            head: record::seq(get(row, 3)?),
        };
        let client_id = record::client_id(get(row, 0)?)?;
        Ok(KnownDevice { client_id, cursor, seen_at: Stamp(get(row, 4)?) })
    };
    rows.iter().map(device).collect()
}

pub(super) async fn sessions(pool: &PgPool, uid: &Uid) -> Result<Vec<ClientId>, StoreError> {
    let sql = "SELECT r.client_id FROM recipient r JOIN session s ON s.recipient = r.id
               WHERE r.kind = 1 AND r.domain = '' AND r.uid = $1
               ORDER BY s.ended_at IS NULL, s.ended_at, r.client_id";
    let rows = sqlx::query(sql).bind(uid.as_str()).fetch_all(pool).await.map_err(store_error)?;
    rows.iter().map(|row| record::client_id(get(row, 0)?)).collect()
}

pub(super) async fn retained_count(pool: &PgPool) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM retained WHERE domain = ''";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await.map_err(store_error)?;
    Ok(count.max(0) as u64)
}

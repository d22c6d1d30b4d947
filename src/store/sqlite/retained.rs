//! Retained messages: loaded for a transaction, written back, read for a filter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::chunk::{Bound, Statement};
use super::error::store_error;
use super::flush::{execute, split};
use super::load::{fetch, get};
use super::read::raw_message;
use crate::model::{Filter, Message, Stamp, Uid};
use crate::store::StoreError;
use crate::store::batch::Work;
use crate::store::checksum::message_hash;
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::retained::{Owner, RetainedPage, SCAN_COUNT_MAX, bytes, range};

static OWNERS: Statement = Statement::new(
    "topic",
    "SELECT r.topic, r.from_uid, r.bytes FROM v CROSS JOIN retained r
     ON r.domain = '' AND r.topic = v.topic",
);
static KEPT: Statement = Statement::new(
    "uid",
    "SELECT v.uid, count(*), sum(r.bytes) FROM v CROSS JOIN retained r
     ON r.domain = '' AND r.from_uid = v.uid GROUP BY v.uid",
);
static GONE: Statement = Statement::new(
    "topic",
    "DELETE FROM retained WHERE domain = '' AND topic IN (SELECT topic FROM v)",
);
static PUT: Statement = Statement::new(
    "topic, message_id, from_uid, from_client, kind, flags, ts, expires_at, checksum, bytes, \
     attributes, body",
    "INSERT INTO retained (topic, message_id, from_uid, from_client, kind, flags, ts, expires_at,
                           checksum, bytes, attributes, body)
     SELECT * FROM v WHERE topic IS NOT NULL
     ON CONFLICT (domain, topic) DO UPDATE
     SET message_id = excluded.message_id, from_uid = excluded.from_uid,
         from_client = excluded.from_client, kind = excluded.kind, flags = excluded.flags,
         ts = excluded.ts, expires_at = excluded.expires_at, checksum = excluded.checksum,
         bytes = excluded.bytes, attributes = excluded.attributes, body = excluded.body",
);
static MESSAGES: Statement = Statement::new(
    "topic",
    "SELECT r.message_id, r.from_uid, r.from_client, r.kind, r.topic, r.flags, r.ts,
            r.expires_at, r.checksum, r.attributes, r.body
     FROM v CROSS JOIN retained r ON r.domain = '' AND r.topic = v.topic ORDER BY r.topic",
);

#[allow(clippy::borrowed_box)] // as the slices of them give it
fn bind_topic<'q>(query: Bound<'q>, topic: &Box<str>) -> Bound<'q> {
    query.bind(topic.to_string())
}

pub(super) async fn load(
    conn: &mut SqliteConnection,
    topics: HashSet<Box<str>>,
    uids: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let (topics, uids): (Vec<_>, Vec<_>) =
        (topics.into_iter().collect(), uids.into_iter().collect());
    let rows = fetch(conn, &OWNERS, &topics, bind_topic);
    for row in rows.await? {
        let owner =
            Owner { uid: record::uid(get(&row, 1)?)?, bytes: get::<i64>(&row, 2)?.max(0) as u64 };
        work.retained.insert(get::<&str>(&row, 0)?.into(), Some(owner));
    }
    let rows = fetch(conn, &KEPT, &uids, |query, uid: &Uid| query.bind(uid.as_str().to_owned()));
    for row in rows.await? {
        let kept = Kept::from_columns(get(&row, 1)?, get(&row, 2)?);
        work.kept.insert(record::uid(get(&row, 0)?)?, kept);
    }
    work.looked_for_retained(topics, uids);
    Ok(())
}

pub(super) async fn flush(
    conn: &mut SqliteConnection,
    set: HashMap<Box<str>, Option<Arc<Message>>>,
) -> Result<(), StoreError> {
    let (put, gone) = split(set);
    execute(conn, &GONE, &gone, bind_topic).await?;
    execute(conn, &PUT, &put, |query, (topic, message)| {
        let attributes = message.attributes.as_bytes();
        query
            .bind(topic.to_string())
            .bind(message.id.0.to_be_bytes().to_vec())
            .bind(message.from.uid.as_str().to_owned())
            .bind(message.from.client_id.as_str().to_owned())
            .bind(message.kind as i64)
            .bind(flags(message.qos, message.retain))
            .bind(message.ts.0)
            .bind(message.expires_at.map(|at| at.0))
            .bind(message_hash(message) as i64)
            .bind(bytes(message) as i64)
            .bind((!attributes.is_empty()).then(|| attributes.to_vec()))
            .bind(message.body.to_vec())
    })
    .await?;
    Ok(())
}

/// See [`crate::store::Store::retained`].
pub(super) async fn read(
    pool: &SqlitePool,
    filter: &Filter,
    after: Option<&str>,
    count_max: usize,
    bytes_max: usize,
) -> Result<RetainedPage, StoreError> {
    let mut conn = pool.acquire().await.map_err(store_error)?;
    let (topics, mut next) = scan(&mut conn, filter, after).await?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    let found = topics.len();
    let wanted: Vec<Box<str>> = topics.into_iter().take(count_max.max(1)).collect();
    let cut = wanted.len() < found;
    let rows = fetch(&mut conn, &MESSAGES, &wanted, bind_topic);
    for row in rows.await? {
        let message = raw_message(&row, 0)?.check()?;
        bytes += message.body.len();
        if !messages.is_empty() && bytes > bytes_max {
            next = messages.last().map(|message: &Arc<Message>| Box::from(&*message.topic));
            return Ok(RetainedPage { messages, next });
        }
        messages.push(Arc::new(message));
    }
    if cut {
        next = wanted.last().cloned();
    }
    Ok(RetainedPage { messages, next })
}

/// Topics that match, and where to go on if there may be more.
async fn scan(
    conn: &mut SqliteConnection,
    filter: &Filter,
    after: Option<&str>,
) -> Result<(Vec<Box<str>>, Option<Box<str>>), StoreError> {
    let sql = "SELECT topic FROM retained
               WHERE domain = '' AND topic >= ?1 AND (?2 IS NULL OR topic < ?2)
                 AND (?3 IS NULL OR topic > ?3) ORDER BY topic LIMIT ?4";
    let (from, before) = range(filter);
    let from = after.map_or(from, |after| after.max(from));
    let query = sqlx::query(sql).bind(from.to_owned()).bind(before).bind(after.map(str::to_owned));
    let rows = query.bind(SCAN_COUNT_MAX as i64).fetch_all(conn).await.map_err(store_error)?;
    let all: Vec<&str> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    let next = (all.len() == SCAN_COUNT_MAX).then(|| all[all.len() - 1].into());
    let matching = all.into_iter().filter(|topic| filter.matches(topic)).map(Into::into);
    Ok((matching.collect(), next))
}

/// Removes those past their expiry; returns how many.
pub(super) async fn remove_expired(
    conn: &mut SqliteConnection,
    now: Stamp,
    count: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM retained WHERE id IN
                   (SELECT id FROM retained WHERE expires_at IS NOT NULL AND expires_at <= ?
                    ORDER BY expires_at LIMIT ?)";
    let delete = sqlx::query(sql).bind(now.0).bind(i64::from(count));
    Ok(delete.execute(conn).await.map_err(store_error)?.rows_affected())
}

//! Retained messages: loaded for a transaction, written back, read for a filter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::postgres::{PgConnection, PgPool};

use super::error::{Failed, store_error};
use super::flush::{column, split};
use super::load::get;
use super::read::raw_message;
use crate::model::{Filter, Message, Stamp, Uid};
use crate::store::StoreError;
use crate::store::batch::Work;
use crate::store::checksum::message_hash;
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::retained::{Owner, RetainedPage, SCAN_COUNT_MAX, bytes, range};

const PUT: &str = "
    INSERT INTO retained (topic, message_id, from_uid, from_client, kind, flags, ts, expires_at,
                          checksum, bytes, attributes, body)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::bigint[],
                         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
                         $11::bytea[], $12::bytea[])
    ON CONFLICT (domain, topic) DO UPDATE
    SET message_id = excluded.message_id, from_uid = excluded.from_uid,
        from_client = excluded.from_client, kind = excluded.kind, flags = excluded.flags,
        ts = excluded.ts, expires_at = excluded.expires_at, checksum = excluded.checksum,
        bytes = excluded.bytes, attributes = excluded.attributes, body = excluded.body";

pub(super) async fn load(
    conn: &mut PgConnection,
    topics: HashSet<Box<str>>,
    uids: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), Failed> {
    if !topics.is_empty() {
        let sql = "SELECT topic, from_uid, bytes FROM retained
                   WHERE domain = '' AND topic = ANY($1)";
        let wanted: Vec<String> = topics.iter().map(|topic| topic.to_string()).collect();
        for row in sqlx::query(sql).bind(wanted).fetch_all(&mut *conn).await? {
            let bytes = get::<i64>(&row, 2)?.max(0) as u64;
            let owner = Owner { uid: record::uid(get(&row, 1)?)?, bytes };
            work.retained.insert(get::<&str>(&row, 0)?.into(), Some(owner));
        }
    }
    if !uids.is_empty() {
        let sql = "SELECT from_uid, count(*), sum(bytes)::bigint FROM retained
                   WHERE domain = '' AND from_uid = ANY($1) GROUP BY from_uid";
        let wanted: Vec<String> = uids.iter().map(|uid| uid.to_string()).collect();
        for row in sqlx::query(sql).bind(wanted).fetch_all(conn).await? {
            let kept = Kept::from_columns(get(&row, 1)?, get(&row, 2)?);
            work.kept.insert(record::uid(get(&row, 0)?)?, kept);
        }
    }
    work.looked_for_retained(topics, uids);
    Ok(())
}

pub(super) async fn flush(
    conn: &mut PgConnection,
    set: HashMap<Box<str>, Option<Arc<Message>>>,
) -> Result<(), Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let sql = "DELETE FROM retained WHERE domain = '' AND topic = ANY($1)";
        let gone: Vec<String> = gone.iter().map(|topic| topic.to_string()).collect();
        sqlx::query(sql).bind(gone).execute(&mut *conn).await?;
    }
    if put.is_empty() {
        return Ok(());
    }
    let attributes = |message: &Message| {
        let bytes = message.attributes.as_bytes();
        (!bytes.is_empty()).then(|| bytes.to_vec())
    };
    let query = sqlx::query(PUT)
        .bind(column(&put, |(topic, _)| &**topic))
        .bind(column(&put, |(_, message)| message.id.0.to_be_bytes().to_vec()))
        .bind(column(&put, |(_, message)| message.from.uid.as_str()))
        .bind(column(&put, |(_, message)| message.from.client_id.as_str()))
        .bind(column(&put, |(_, message)| message.kind as i64))
        .bind(column(&put, |(_, message)| flags(message.qos, message.retain)))
        .bind(column(&put, |(_, message)| message.ts.0))
        .bind(column(&put, |(_, message)| message.expires_at.map(|at| at.0)))
        .bind(column(&put, |(_, message)| message_hash(message) as i64))
        .bind(column(&put, |(_, message)| bytes(message) as i64))
        .bind(column(&put, |(_, message)| attributes(message)))
        .bind(column(&put, |(_, message)| message.body.to_vec()));
    query.execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::retained`].
pub(super) async fn read(
    pool: &PgPool,
    filter: &Filter,
    after: Option<&str>,
    count_max: usize,
    bytes_max: usize,
) -> Result<RetainedPage, StoreError> {
    let (mut topics, mut next) = scan(pool, filter, after).await?;
    if topics.len() > count_max.max(1) {
        topics.truncate(count_max.max(1));
        next = topics.last().map(|topic| topic.as_str().into());
    }
    let sql = "SELECT message_id, from_uid, from_client, kind, topic, flags, ts, expires_at,
                      checksum, attributes, body
               FROM (SELECT *, row_number() OVER w AS number,
                            sum(octet_length(body)) OVER w AS total
                     FROM retained WHERE domain = '' AND topic = ANY($1)
                     WINDOW w AS (ORDER BY topic)) AS r
               WHERE number = 1 OR total <= $2 ORDER BY topic";
    let wanted = topics.len();
    let query = sqlx::query(sql).bind(topics);
    let query = query.bind(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    let rows = query.fetch_all(pool).await.map_err(store_error)?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in &rows {
        messages.push(Arc::new(raw_message(row, 0)?.check()?));
    }
    // Fewer also when one was removed meanwhile: then the next page begins a little earlier.
    if messages.len() < wanted {
        next = messages.last().map(|message| Box::from(&*message.topic)).or(next);
    }
    Ok(RetainedPage { messages, next })
}

/// Topics that match, and where to go on if there may be more.
async fn scan(
    pool: &PgPool,
    filter: &Filter,
    after: Option<&str>,
) -> Result<(Vec<String>, Option<Box<str>>), StoreError> {
    let sql = "SELECT topic FROM retained
               WHERE domain = '' AND topic >= $1 AND ($2::text IS NULL OR topic < $2)
                 AND ($3::text IS NULL OR topic > $3) ORDER BY topic LIMIT $4";
    let (from, before) = range(filter);
    // PostgreSQL has no NUL in text; one topic is between itself and itself.
    let before = before.filter(|before| !before.ends_with('\0'));
    let from = after.map_or(from, |after| after.max(from));
    let limit = if filter.as_str().contains(['+', '#']) { SCAN_COUNT_MAX } else { 1 };
    let query = sqlx::query(sql).bind(from).bind(before).bind(after).bind(limit as i64);
    let rows = query.fetch_all(pool).await.map_err(store_error)?;
    let all: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    let next = (all.len() == SCAN_COUNT_MAX).then(|| all[all.len() - 1].as_str().into());
    Ok((all.into_iter().filter(|topic| filter.matches(topic)).collect(), next))
}

/// Removes those past their expiry; returns how many.
pub(super) async fn remove_expired(
    conn: &mut PgConnection,
    now: Stamp,
    count: u32,
) -> Result<u64, Failed> {
    let sql = "DELETE FROM retained WHERE domain = '' AND topic IN
                   (SELECT topic FROM retained WHERE expires_at <= $1
                    ORDER BY expires_at LIMIT $2)";
    let delete = sqlx::query(sql).bind(now.0).bind(i64::from(count));
    Ok(delete.execute(conn).await?.rows_affected())
}

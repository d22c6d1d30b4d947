//! Retained messages: loaded for a transaction, written back, read for a filter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::read::raw_message;
use super::statement::{all, execute, first, get, text};
use crate::model::{Filter, Message, Stamp, Uid};
use crate::store::StoreError;
use crate::store::batch::Work;
use crate::store::checksum::message_hash;
use crate::store::quota::Kept;
use crate::store::record::{self, flags};
use crate::store::retained::{Owner, RetainedPage, SCAN_COUNT_MAX, bytes, range};

const OWNER: &str = "SELECT from_uid, bytes FROM retained WHERE domain = '' AND topic = ?";
const KEPT: &str = "
    SELECT count(*), coalesce(sum(bytes), 0) FROM retained WHERE domain = '' AND from_uid = ?";
const GONE: &str = "DELETE FROM retained WHERE domain = '' AND topic = ?";
const PUT: &str = "
    INSERT INTO retained (topic, message_id, from_uid, from_client, kind, flags, ts, expires_at,
                          checksum, bytes, attributes, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (domain, topic) DO UPDATE
    SET message_id = excluded.message_id, from_uid = excluded.from_uid,
        from_client = excluded.from_client, kind = excluded.kind, flags = excluded.flags,
        ts = excluded.ts, expires_at = excluded.expires_at, checksum = excluded.checksum,
        bytes = excluded.bytes, attributes = excluded.attributes, body = excluded.body";
const MESSAGE: &str = "
    SELECT message_id, from_uid, from_client, kind, topic, flags, ts, expires_at, checksum,
           attributes, body
    FROM retained WHERE domain = '' AND topic = ?";
const TOPICS: &str = "
    SELECT topic FROM retained
    WHERE domain = '' AND topic >= ?1 AND (?2 IS NULL OR topic < ?2)
      AND (?3 IS NULL OR topic > ?3) ORDER BY topic LIMIT ?4";

pub(super) fn load(
    conn: &Connection,
    topics: HashSet<Box<str>>,
    uids: HashSet<Uid>,
    work: &mut Work,
) -> Result<(), StoreError> {
    for topic in &topics {
        if let Some(owner) = first(conn, OWNER, [topic], owner)? {
            work.retained.insert(topic.clone(), Some(owner));
        }
    }
    for uid in &uids {
        let kept = |row: &Row<'_>| Ok(Kept::from_columns(get(row, 0)?, get(row, 1)?));
        if let Some(kept) = first(conn, KEPT, [uid.as_str()], kept)? {
            work.kept.insert(uid.clone(), kept);
        }
    }
    work.looked_for_retained(topics, uids);
    Ok(())
}

fn owner(row: &Row<'_>) -> Result<Owner, StoreError> {
    Ok(Owner { uid: record::uid(text(row, 0)?)?, bytes: get::<i64>(row, 1)?.max(0) as u64 })
}

pub(super) fn flush(
    conn: &Connection,
    set: HashMap<Box<str>, Option<Arc<Message>>>,
) -> Result<(), StoreError> {
    for (topic, message) in set {
        match message {
            Some(message) => put(conn, &topic, &message)?,
            None => execute(conn, GONE, [topic]).map(drop)?,
        }
    }
    Ok(())
}

fn put(conn: &Connection, topic: &str, message: &Message) -> Result<(), StoreError> {
    let attributes = message.attributes.as_bytes();
    let values = params![
        topic,
        message.id.0.to_be_bytes(),
        message.from.uid.as_str(),
        message.from.client_id.as_str(),
        message.kind as i64,
        flags(message.qos, message.retain),
        message.ts.0,
        message.expires_at.map(|at| at.0),
        message_hash(message) as i64,
        bytes(message) as i64,
        (!attributes.is_empty()).then_some(attributes),
        &*message.body,
    ];
    execute(conn, PUT, values).map(drop)
}

/// See [`crate::store::Store::retained`].
pub(super) fn read(
    conn: &Connection,
    filter: &Filter,
    after: Option<&str>,
    count_max: usize,
    bytes_max: usize,
) -> Result<RetainedPage, StoreError> {
    let (topics, mut next) = scan(conn, filter, after)?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    let wanted = &topics[..topics.len().min(count_max.max(1))];
    for topic in wanted {
        let message = first(conn, MESSAGE, [topic], |row| raw_message(row, 0)?.check())?;
        let Some(message) = message else { continue };
        bytes += message.body.len();
        if !messages.is_empty() && bytes > bytes_max {
            next = messages.last().map(|message: &Arc<Message>| Box::from(&*message.topic));
            return Ok(RetainedPage { messages, next });
        }
        messages.push(Arc::new(message));
    }
    if wanted.len() < topics.len() {
        next = wanted.last().cloned();
    }
    Ok(RetainedPage { messages, next })
}

type Topic = Box<str>;

/// Topics that match, and where to go on if there may be more.
fn scan(
    conn: &Connection,
    filter: &Filter,
    after: Option<&str>,
) -> Result<(Vec<Topic>, Option<Topic>), StoreError> {
    let (from, before) = range(filter);
    let from = after.map_or(from, |after| after.max(from));
    let values = params![from, before, after, SCAN_COUNT_MAX as i64];
    let mut all: Vec<Topic> = all(conn, TOPICS, values, |row| Ok(text(row, 0)?.into()))?;
    let next = (all.len() == SCAN_COUNT_MAX).then(|| all[all.len() - 1].clone());
    all.retain(|topic| filter.matches(topic));
    Ok((all, next))
}

/// Removes those past their expiry; returns how many.
pub(super) fn remove_expired(conn: &Connection, now: Stamp, count: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM retained WHERE id IN
                   (SELECT id FROM retained WHERE expires_at IS NOT NULL AND expires_at <= ?
                    ORDER BY expires_at LIMIT ?)";
    execute(conn, sql, params![now.0, count])
}

//! Writes a transaction's changes back: one statement per set, its rows as arrays.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Failed;
use super::load::get;
use super::{due, retained};
use crate::model::{Ban, BanTarget, ClientId, Filter, MessageId, Seq, SessionKey, Stamp, Uid};
use crate::store::batch::{Changes, Counts, DedupeId, Deletion, Device, Leaving, Row, Session};
use crate::store::checksum::record_checksum;
use crate::store::packed::pack;
use crate::store::record::{delivery_number, roles_text};
use crate::store::{Account, Removal, Subscription, millis};

const DELETIONS: &str = "
    WITH gone AS (
        DELETE FROM log l
        USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
              AS d (recipient, first, last, number)
        WHERE l.recipient = d.recipient AND l.seq BETWEEN d.first AND d.last
        RETURNING d.number)
    SELECT number, count(*) FROM gone GROUP BY number";
const LEAVING: &str = "
    UPDATE log l SET recipient = -l.recipient
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
         AS v (recipient, first, last, sent)
    WHERE l.recipient = v.recipient AND l.seq BETWEEN v.first AND v.last AND l.delivery >= 256
      AND NOT ((l.delivery & 3) = 2 AND l.seq <= v.sent)";
const HEADS: &str = "
    UPDATE recipient r SET head = v.head
    FROM unnest($1::bigint[], $2::bigint[]) AS v (id, head) WHERE r.id = v.id";
const ROWS: &str = "
    INSERT INTO log (recipient, seq, delivery, ts, expires_at, checksum, body_id, message)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bigint[], $7::bigint[], $8::bytea[])";
/// A key that another node took meanwhile and that still counts is left alone: fewer rows than
/// keys come back then.
const DEDUPE: &str = "
    INSERT INTO dedupe AS d (uid, key, message_id, taken_at)
    SELECT uid, key, message_id, $4
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS v (uid, key, message_id)
    ORDER BY uid, key
    ON CONFLICT (domain, uid, key) DO UPDATE
    SET message_id = excluded.message_id, taken_at = excluded.taken_at
    WHERE d.taken_at <= $5";
const STATES: &str = "
    INSERT INTO sender_state (uid, client_id, state, touched_at)
    SELECT uid, client_id, state, $4
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS v (uid, client_id, state)
    ORDER BY uid, client_id
    ON CONFLICT (domain, uid, client_id) DO UPDATE
    SET touched_at = excluded.touched_at, state = excluded.state";
const STATES_GONE: &str = "
    DELETE FROM sender_state s USING unnest($1::text[], $2::text[]) AS v (uid, client_id)
    WHERE s.domain = '' AND s.uid = v.uid AND s.client_id = v.client_id";
const DEVICES: &str = "
    INSERT INTO device (recipient, client_id, cursor, sent, seen_at, known_at)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bigint[])
    ON CONFLICT (recipient, client_id) DO UPDATE
    SET cursor = excluded.cursor, sent = excluded.sent, seen_at = excluded.seen_at";
const DEVICES_GONE: &str = "
    DELETE FROM device d USING unnest($1::bigint[], $2::text[]) AS v (recipient, client_id)
    WHERE d.recipient = v.recipient AND d.client_id = v.client_id";
const SESSIONS: &str = "
    INSERT INTO session (recipient, expiry, ended_at, cursor, sent)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (recipient) DO UPDATE
    SET expiry = excluded.expiry, ended_at = excluded.ended_at, cursor = excluded.cursor,
        sent = excluded.sent";
const SUBSCRIPTIONS: &str = "
    INSERT INTO subscription (recipient, filter, options, identifier)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
    ON CONFLICT (recipient, filter) DO UPDATE
    SET options = excluded.options, identifier = excluded.identifier";
const SUBSCRIPTIONS_GONE: &str = "
    DELETE FROM subscription s USING unnest($1::bigint[], $2::text[]) AS v (recipient, filter)
    WHERE s.recipient = v.recipient AND s.filter = v.filter";

type Conn<'c> = &'c mut PgConnection;

pub(super) async fn flush(
    conn: &mut PgConnection,
    changes: Changes,
    now: Stamp,
    dedupe_oldest: Stamp,
) -> Result<Counts, Failed> {
    leaving(conn, &changes.leaving).await?;
    let mut counts = deletions(conn, &changes.deletions).await?;
    heads(conn, changes.appended).await?;
    rows(conn, &changes.rows).await?;
    dedupe(conn, changes.dedupe, now, dedupe_oldest).await?;
    states(conn, changes.states, now).await?;
    devices(conn, changes.devices).await?;
    sessions(conn, changes.sessions).await?;
    if !changes.cleared.is_empty() {
        let cleared: Vec<i64> = changes.cleared.into_iter().collect();
        let clear = sqlx::query("DELETE FROM subscription WHERE recipient = ANY($1)");
        clear.bind(cleared).execute(&mut *conn).await?;
    }
    subscriptions(conn, changes.subscriptions).await?;
    retained::flush(conn, changes.retained).await?;
    let due = (changes.due, changes.due_forgotten, changes.due_released);
    counts.add(Removal::Forgotten, due::flush(conn, due, now).await?);
    accounts(conn, changes.accounts).await?;
    bans(conn, changes.bans, now).await?;
    Ok(counts)
}

/// One column of a set.
pub(super) fn column<'a, T, C>(items: &'a [T], value: impl Fn(&'a T) -> C) -> Vec<C> {
    items.iter().map(value).collect()
}

/// Splits a set into what is put and what is deleted.
pub(super) fn split<K, V>(set: HashMap<K, Option<V>>) -> (Vec<(K, V)>, Vec<K>) {
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    for (key, value) in set {
        match value {
            Some(value) => put.push((key, value)),
            None => gone.push(key),
        }
    }
    (put, gone)
}

async fn leaving(conn: Conn<'_>, all: &[Leaving]) -> Result<(), Failed> {
    if all.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(LEAVING)
        .bind(column(all, |l| l.recipient))
        .bind(column(all, |l| l.first.0 as i64))
        .bind(column(all, |l| l.last.0 as i64))
        .bind(column(all, |l| l.sent.0 as i64));
    query.execute(conn).await?;
    Ok(())
}

async fn deletions(conn: Conn<'_>, all: &[Deletion]) -> Result<Counts, Failed> {
    let mut counts = Counts::default();
    if all.is_empty() {
        return Ok(counts);
    }
    let query = sqlx::query(DELETIONS)
        .bind(column(all, |d| d.recipient))
        .bind(column(all, |d| d.first.0 as i64))
        .bind(column(all, |d| d.last.0 as i64));
    for row in query.fetch_all(conn).await? {
        let (number, gone): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(deletion) = all.get((number - 1).max(0) as usize) {
            counts.add(deletion.why, gone.max(0) as u64);
        }
    }
    Ok(counts)
}

async fn heads(conn: Conn<'_>, appended: HashMap<i64, (Seq, Seq)>) -> Result<(), Failed> {
    if appended.is_empty() {
        return Ok(());
    }
    let all: Vec<(i64, Seq)> = appended.into_iter().map(|(id, (_, head))| (id, head)).collect();
    let query = sqlx::query(HEADS).bind(column(&all, |(id, _)| *id));
    query.bind(column(&all, |(_, head)| head.0 as i64)).execute(conn).await?;
    Ok(())
}

async fn rows(conn: Conn<'_>, rows: &[Row]) -> Result<(), Failed> {
    if rows.is_empty() {
        return Ok(());
    }
    let bodies = bodies(conn, rows).await?;
    let body_id = |row: &Row| row.shared.and_then(|shared| bodies.get(&shared).copied());
    let checksum =
        |row: &Row| record_checksum(row.recipient, row.seq, row.delivery, row.hash) as i64;
    let message = |row: &Row| row.shared.is_none().then(|| pack(&row.message));
    let query = sqlx::query(ROWS)
        .bind(column(rows, |row| row.recipient))
        .bind(column(rows, |row| row.seq.0 as i64))
        .bind(column(rows, |row| delivery_number(row.delivery)))
        .bind(column(rows, |row| row.message.ts.0))
        .bind(column(rows, |row| row.message.expires_at.map(|at| at.0)))
        .bind(column(rows, checksum))
        .bind(column(rows, body_id))
        .bind(column(rows, message));
    query.execute(conn).await?;
    Ok(())
}

/// Stores each shared message once, with the number of its rows.
async fn bodies(conn: Conn<'_>, rows: &[Row]) -> Result<HashMap<usize, i64>, Failed> {
    let mut refs: BTreeMap<usize, (i64, &Row)> = BTreeMap::new();
    for row in rows {
        if let Some(shared) = row.shared {
            refs.entry(shared).or_insert((0, row)).0 += 1;
        }
    }
    let mut ids = HashMap::new();
    for (shared, (count, row)) in refs {
        let insert = sqlx::query("INSERT INTO body (refs, message) VALUES ($1, $2) RETURNING id");
        let insert = insert.bind(count).bind(pack(&row.message));
        ids.insert(shared, get(&insert.fetch_one(&mut *conn).await?, 0)?);
    }
    Ok(ids)
}

async fn dedupe(
    conn: Conn<'_>,
    set: HashMap<DedupeId, MessageId>,
    now: Stamp,
    oldest: Stamp,
) -> Result<(), Failed> {
    if set.is_empty() {
        return Ok(());
    }
    let all: Vec<(DedupeId, MessageId)> = set.into_iter().collect();
    let query = sqlx::query(DEDUPE)
        .bind(column(&all, |((uid, _), _)| uid.as_str()))
        .bind(column(&all, |((_, key), _)| &**key))
        .bind(column(&all, |(_, id)| id.0.to_be_bytes().to_vec()))
        .bind(now.0)
        .bind(oldest.0);
    let taken = query.execute(conn).await?.rows_affected();
    if taken == all.len() as u64 {
        return Ok(());
    }
    let words = "another node took the same message id at the same time";
    Err(Failed::Again(crate::store::StoreError::Unavailable(words.into())))
}

async fn states(
    conn: Conn<'_>,
    set: HashMap<SessionKey, Option<Vec<u8>>>,
    now: Stamp,
) -> Result<(), Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let query = sqlx::query(STATES_GONE).bind(column(&gone, |key| key.uid.as_str()));
        query.bind(column(&gone, |key| key.client_id.as_str())).execute(&mut *conn).await?;
    }
    if !put.is_empty() {
        let query = sqlx::query(STATES)
            .bind(column(&put, |(key, _)| key.uid.as_str()))
            .bind(column(&put, |(key, _)| key.client_id.as_str()))
            .bind(column(&put, |(_, state)| &**state))
            .bind(now.0);
        query.execute(conn).await?;
    }
    Ok(())
}

async fn devices(
    conn: Conn<'_>,
    set: HashMap<(i64, ClientId), Option<Device>>,
) -> Result<(), Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let query = sqlx::query(DEVICES_GONE).bind(column(&gone, |(id, _)| *id));
        query.bind(column(&gone, |(_, client_id)| client_id.as_str())).execute(&mut *conn).await?;
    }
    if !put.is_empty() {
        let query = sqlx::query(DEVICES)
            .bind(column(&put, |((id, _), _)| *id))
            .bind(column(&put, |((_, client_id), _)| client_id.as_str()))
            .bind(column(&put, |(_, device)| device.cursor.0 as i64))
            .bind(column(&put, |(_, device)| device.sent.0 as i64))
            .bind(column(&put, |(_, device)| device.seen_at.0))
            .bind(column(&put, |(_, device)| device.known_at.0));
        query.execute(conn).await?;
    }
    Ok(())
}

async fn sessions(conn: Conn<'_>, set: HashMap<i64, Option<Session>>) -> Result<(), Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let query = sqlx::query("DELETE FROM session WHERE recipient = ANY($1)");
        query.bind(gone).execute(&mut *conn).await?;
    }
    if !put.is_empty() {
        let query = sqlx::query(SESSIONS)
            .bind(column(&put, |(id, _)| *id))
            .bind(column(&put, |(_, session)| millis(session.expiry)))
            .bind(column(&put, |(_, session)| session.ended_at.map(|at| at.0)))
            .bind(column(&put, |(_, session)| session.cursor.0 as i64))
            .bind(column(&put, |(_, session)| session.sent.0 as i64));
        query.execute(conn).await?;
    }
    Ok(())
}

async fn subscriptions(
    conn: Conn<'_>,
    set: HashMap<(i64, Filter), Option<Subscription>>,
) -> Result<(), Failed> {
    let (put, gone) = split(set);
    if !gone.is_empty() {
        let query = sqlx::query(SUBSCRIPTIONS_GONE).bind(column(&gone, |(id, _)| *id));
        query.bind(column(&gone, |(_, filter)| filter.as_str())).execute(&mut *conn).await?;
    }
    if !put.is_empty() {
        let query = sqlx::query(SUBSCRIPTIONS)
            .bind(column(&put, |((id, _), _)| *id))
            .bind(column(&put, |((_, filter), _)| filter.as_str()))
            .bind(column(&put, |(_, subscription)| i64::from(subscription.options)))
            .bind(column(&put, |(_, subscription)| i64::from(subscription.id)));
        query.execute(conn).await?;
    }
    Ok(())
}

async fn accounts(conn: Conn<'_>, set: HashMap<Uid, Option<Account>>) -> Result<(), Failed> {
    for (uid, account) in set {
        let query = match account {
            Some(account) => sqlx::query(
                "INSERT INTO account (uid, password_hash, roles) VALUES ($1, $2, $3)
                 ON CONFLICT (domain, uid) DO UPDATE SET
                 password_hash = excluded.password_hash, roles = excluded.roles",
            )
            .bind(uid.to_string())
            .bind(account.password_hash)
            .bind(roles_text(&account.roles)),
            None => sqlx::query("DELETE FROM account WHERE domain = '' AND uid = $1")
                .bind(uid.to_string()),
        };
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

async fn bans(
    conn: Conn<'_>,
    set: HashMap<BanTarget, Option<Ban>>,
    now: Stamp,
) -> Result<(), Failed> {
    if set.is_empty() {
        return Ok(());
    }
    let over = sqlx::query("DELETE FROM ban WHERE until <= $1").bind(now.0);
    over.execute(&mut *conn).await?;
    for (target, ban) in set {
        let [uid, client_id, net] = target.to_columns();
        let query = match ban {
            Some(ban) => sqlx::query(
                "INSERT INTO ban (uid, client_id, net, made_at, until, reason)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (domain, uid, client_id, net) DO UPDATE SET
                 made_at = excluded.made_at, until = excluded.until, reason = excluded.reason",
            )
            .bind(uid)
            .bind(client_id)
            .bind(net)
            .bind(ban.made_at.0)
            .bind(ban.until.0)
            .bind(ban.reason.as_str().to_owned()),
            None => sqlx::query(
                "DELETE FROM ban
                 WHERE domain = '' AND uid = $1 AND client_id = $2 AND net = $3",
            )
            .bind(uid)
            .bind(client_id)
            .bind(net),
        };
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

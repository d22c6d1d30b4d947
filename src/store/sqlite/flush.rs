//! Writes a transaction's changes back: one multi-row statement per set.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnection;

use super::chunk::{Bound, CHUNK_ROWS_MAX, Statement};
use super::error::store_error;
use super::{due, retained};
use crate::model::{Ban, BanTarget, ClientId, Filter, MessageId, Seq, SessionKey, Stamp, Uid};
use crate::store::batch::{Changes, Counts, DedupeId, Deletion, Device, Leaving, Row, Session};
use crate::store::checksum::record_checksum;
use crate::store::packed::pack;
use crate::store::record::{delivery_number, roles_text};
use crate::store::{Account, Removal, StoreError, Subscription, millis};

static ROWS: Statement = Statement::new(
    "recipient, seq, delivery, ts, expires_at, checksum, body_id, message",
    "INSERT INTO log (recipient, seq, delivery, ts, expires_at, checksum, body_id, message)
     SELECT * FROM v WHERE recipient IS NOT NULL",
);
static DELETIONS: Statement = Statement::new(
    "recipient, first, last",
    "DELETE FROM log WHERE id IN
         (SELECT l.id FROM v CROSS JOIN log l
          ON l.recipient = v.recipient AND l.seq BETWEEN v.first AND v.last)",
);
static HEADS: Statement = Statement::new(
    "id, head",
    "UPDATE recipient SET head = max(recipient.head, v.head) FROM v WHERE recipient.id = v.id",
);
static DEVICES: Statement = Statement::new(
    "recipient, client_id, cursor, sent, seen_at, known_at",
    "INSERT INTO device (recipient, client_id, cursor, sent, seen_at, known_at)
     SELECT * FROM v WHERE recipient IS NOT NULL
     ON CONFLICT (recipient, client_id) DO UPDATE
     SET cursor = excluded.cursor, sent = excluded.sent, seen_at = excluded.seen_at",
);
static DEVICES_GONE: Statement = Statement::new(
    "recipient, client_id",
    "DELETE FROM device WHERE (recipient, client_id) IN (SELECT recipient, client_id FROM v)",
);
static SESSIONS: Statement = Statement::new(
    "recipient, expiry, ended_at, cursor, sent",
    "INSERT INTO session (recipient, expiry, ended_at, cursor, sent)
     SELECT * FROM v WHERE recipient IS NOT NULL
     ON CONFLICT (recipient) DO UPDATE
     SET expiry = excluded.expiry, ended_at = excluded.ended_at, cursor = excluded.cursor,
         sent = excluded.sent",
);
static SESSIONS_GONE: Statement =
    Statement::new("recipient", "DELETE FROM session WHERE recipient IN (SELECT recipient FROM v)");
static SUBSCRIPTIONS_CLEARED: Statement = Statement::new(
    "recipient",
    "DELETE FROM subscription WHERE recipient IN (SELECT recipient FROM v)",
);
static SUBSCRIPTIONS: Statement = Statement::new(
    "recipient, filter, options, identifier",
    "INSERT INTO subscription (recipient, filter, options, identifier)
     SELECT * FROM v WHERE recipient IS NOT NULL
     ON CONFLICT (recipient, filter) DO UPDATE
     SET options = excluded.options, identifier = excluded.identifier",
);
static SUBSCRIPTIONS_GONE: Statement = Statement::new(
    "recipient, filter",
    "DELETE FROM subscription WHERE (recipient, filter) IN (SELECT recipient, filter FROM v)",
);
static STATES: Statement = Statement::new(
    "uid, client_id, touched_at, state",
    "INSERT INTO sender_state (uid, client_id, touched_at, state)
     SELECT * FROM v WHERE uid IS NOT NULL
     ON CONFLICT (domain, uid, client_id) DO UPDATE
     SET touched_at = excluded.touched_at, state = excluded.state",
);
static STATES_GONE: Statement = Statement::new(
    "uid, client_id",
    "DELETE FROM sender_state
     WHERE domain = '' AND (uid, client_id) IN (SELECT uid, client_id FROM v)",
);
static DEDUPE: Statement = Statement::new(
    "uid, key, message_id, taken_at",
    "INSERT OR REPLACE INTO dedupe (uid, key, message_id, taken_at)
     SELECT * FROM v WHERE uid IS NOT NULL",
);

type Conn<'c> = &'c mut SqliteConnection;

/// Runs a statement for all `items`, chunk by chunk; returns how many rows it changed.
pub(super) async fn execute<T>(
    conn: Conn<'_>,
    statement: &'static Statement,
    items: &[T],
    bind: impl for<'q> Fn(Bound<'q>, &T) -> Bound<'q>,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for chunk in items.chunks(CHUNK_ROWS_MAX) {
        let query = statement.query(chunk, &bind)?;
        changed += query.execute(&mut *conn).await.map_err(store_error)?.rows_affected();
    }
    Ok(changed)
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

pub(super) async fn flush(
    conn: &mut SqliteConnection,
    changes: Changes,
    now: Stamp,
) -> Result<Counts, StoreError> {
    leaving(conn, &changes.leaving).await?;
    let mut counts = deletions(conn, &changes.deletions).await?;
    let heads: Vec<(i64, Seq)> = changes.heads.into_iter().collect();
    execute(conn, &HEADS, &heads, |query, (id, head)| query.bind(*id).bind(head.0 as i64)).await?;
    rows(conn, &changes.rows).await?;
    dedupe(conn, changes.dedupe, now).await?;
    states(conn, changes.states, now).await?;
    devices(conn, changes.devices).await?;
    sessions(conn, changes.sessions).await?;
    let cleared: Vec<i64> = changes.cleared.into_iter().collect();
    execute(conn, &SUBSCRIPTIONS_CLEARED, &cleared, |query, id| query.bind(*id)).await?;
    subscriptions(conn, changes.subscriptions).await?;
    retained::flush(conn, changes.retained).await?;
    let due = (changes.due, changes.due_forgotten, changes.due_released);
    counts.add(Removal::Forgotten, due::flush(conn, due, now).await?);
    accounts(conn, changes.accounts).await?;
    bans(conn, changes.bans, now).await?;
    Ok(counts)
}

async fn leaving(conn: Conn<'_>, all: &[Leaving]) -> Result<(), StoreError> {
    for Leaving { recipient, first, last, sent } in all {
        let sql = "UPDATE log SET recipient = -recipient
                   WHERE recipient = ? AND seq BETWEEN ? AND ? AND delivery >= 256
                   AND NOT ((delivery & 3) = 2 AND seq <= ?)";
        let update = sqlx::query(sql).bind(*recipient).bind(first.0 as i64).bind(last.0 as i64);
        update.bind(sent.0 as i64).execute(&mut *conn).await.map_err(store_error)?;
    }
    Ok(())
}

/// One statement per reason and chunk: how many rows it changed is what is counted.
async fn deletions(conn: Conn<'_>, all: &[Deletion]) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for why in Removal::ALL {
        let these: Vec<Deletion> = all.iter().filter(|one| one.why == why).copied().collect();
        let gone = execute(conn, &DELETIONS, &these, |query, deletion| {
            let Deletion { recipient, first, last, .. } = deletion;
            query.bind(*recipient).bind(first.0 as i64).bind(last.0 as i64)
        });
        counts.add(why, gone.await?);
    }
    Ok(counts)
}

async fn rows(conn: Conn<'_>, rows: &[Row]) -> Result<(), StoreError> {
    let bodies = bodies(conn, rows).await?;
    execute(conn, &ROWS, rows, |query, row| bind_row(query, row, &bodies)).await?;
    Ok(())
}

/// Stores each shared message once, with the number of its rows.
async fn bodies(conn: Conn<'_>, rows: &[Row]) -> Result<HashMap<usize, i64>, StoreError> {
    let mut refs: HashMap<usize, (i64, &Row)> = HashMap::new();
    for row in rows {
        if let Some(shared) = row.shared {
            refs.entry(shared).or_insert((0, row)).0 += 1;
        }
    }
    let mut ids = HashMap::new();
    for (shared, (count, row)) in refs {
        let insert = sqlx::query("INSERT INTO body (refs, message) VALUES (?, ?)");
        let insert = insert.bind(count).bind(pack(&row.message));
        let done = insert.execute(&mut *conn).await.map_err(store_error)?;
        ids.insert(shared, done.last_insert_rowid());
    }
    Ok(ids)
}

fn bind_row<'q>(query: Bound<'q>, row: &Row, bodies: &HashMap<usize, i64>) -> Bound<'q> {
    let body_id = row.shared.and_then(|shared| bodies.get(&shared).copied());
    query
        .bind(row.recipient)
        .bind(row.seq.0 as i64)
        .bind(delivery_number(row.delivery))
        .bind(row.message.ts.0)
        .bind(row.message.expires_at.map(|at| at.0))
        .bind(record_checksum(row.recipient, row.seq, row.delivery, row.hash) as i64)
        .bind(body_id)
        .bind(body_id.is_none().then(|| pack(&row.message)))
}

async fn dedupe(
    conn: Conn<'_>,
    set: HashMap<DedupeId, MessageId>,
    now: Stamp,
) -> Result<(), StoreError> {
    let put: Vec<_> = set.into_iter().collect();
    execute(conn, &DEDUPE, &put, |query, ((uid, key), id)| {
        let query = query.bind(uid.as_str().to_owned()).bind(key.to_string());
        query.bind(id.0.to_be_bytes().to_vec()).bind(now.0)
    })
    .await?;
    Ok(())
}

async fn states(
    conn: Conn<'_>,
    set: HashMap<SessionKey, Option<Vec<u8>>>,
    now: Stamp,
) -> Result<(), StoreError> {
    let (put, gone) = split(set);
    execute(conn, &STATES_GONE, &gone, bind_key).await?;
    execute(conn, &STATES, &put, |query, (key, state)| {
        bind_key(query, key).bind(now.0).bind(state.clone())
    })
    .await?;
    Ok(())
}

fn bind_key<'q>(query: Bound<'q>, key: &SessionKey) -> Bound<'q> {
    query.bind(key.uid.as_str().to_owned()).bind(key.client_id.as_str().to_owned())
}

async fn devices(
    conn: Conn<'_>,
    set: HashMap<(i64, ClientId), Option<Device>>,
) -> Result<(), StoreError> {
    let (put, gone) = split(set);
    execute(conn, &DEVICES_GONE, &gone, |query, (id, client_id)| {
        query.bind(*id).bind(client_id.as_str().to_owned())
    })
    .await?;
    execute(conn, &DEVICES, &put, |query, ((recipient, client_id), device)| {
        let query = query.bind(*recipient).bind(client_id.as_str().to_owned());
        let query = bind_seqs(query, device.cursor, device.sent);
        query.bind(device.seen_at.0).bind(device.known_at.0)
    })
    .await?;
    Ok(())
}

fn bind_seqs<'q>(query: Bound<'q>, cursor: Seq, sent: Seq) -> Bound<'q> {
    query.bind(cursor.0 as i64).bind(sent.0 as i64)
}

async fn sessions(conn: Conn<'_>, set: HashMap<i64, Option<Session>>) -> Result<(), StoreError> {
    let (put, gone) = split(set);
    execute(conn, &SESSIONS_GONE, &gone, |query, id| query.bind(*id)).await?;
    execute(conn, &SESSIONS, &put, |query, (id, session)| {
        let query = query.bind(*id).bind(millis(session.expiry));
        let query = query.bind(session.ended_at.map(|at| at.0));
        bind_seqs(query, session.cursor, session.sent)
    })
    .await?;
    Ok(())
}

async fn subscriptions(
    conn: Conn<'_>,
    set: HashMap<(i64, Filter), Option<Subscription>>,
) -> Result<(), StoreError> {
    let (put, gone) = split(set);
    execute(conn, &SUBSCRIPTIONS_GONE, &gone, |query, (id, filter)| {
        query.bind(*id).bind(filter.as_str().to_owned())
    })
    .await?;
    execute(conn, &SUBSCRIPTIONS, &put, |query, ((id, filter), subscription)| {
        let query = query.bind(*id).bind(filter.as_str().to_owned());
        query.bind(i64::from(subscription.options)).bind(i64::from(subscription.id))
    })
    .await?;
    Ok(())
}

async fn accounts(conn: Conn<'_>, set: HashMap<Uid, Option<Account>>) -> Result<(), StoreError> {
    for (uid, account) in set {
        let uid = uid.as_str().to_owned();
        let query = match account {
            Some(account) => sqlx::query(
                "INSERT INTO account (uid, password_hash, roles) VALUES (?, ?, ?)
                 ON CONFLICT (domain, uid) DO UPDATE SET
                 password_hash = excluded.password_hash, roles = excluded.roles",
            )
            .bind(uid)
            .bind(account.password_hash)
            .bind(roles_text(&account.roles)),
            None => sqlx::query("DELETE FROM account WHERE domain = '' AND uid = ?").bind(uid),
        };
        query.execute(&mut *conn).await.map_err(store_error)?;
    }
    Ok(())
}

async fn bans(
    conn: Conn<'_>,
    set: HashMap<BanTarget, Option<Ban>>,
    now: Stamp,
) -> Result<(), StoreError> {
    if set.is_empty() {
        return Ok(());
    }
    let over = sqlx::query("DELETE FROM ban WHERE until <= ?").bind(now.0);
    over.execute(&mut *conn).await.map_err(store_error)?;
    for (target, ban) in set {
        let [uid, client_id, net] = target.to_columns();
        let query = match ban {
            Some(ban) => sqlx::query(
                "INSERT INTO ban (uid, client_id, net, made_at, until, reason)
                 VALUES (?, ?, ?, ?, ?, ?)
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
                 WHERE domain = '' AND uid = ? AND client_id = ? AND net = ?",
            )
            .bind(uid)
            .bind(client_id)
            .bind(net),
        };
        query.execute(&mut *conn).await.map_err(store_error)?;
    }
    Ok(())
}

//! Loads what a transaction needs, in chunks: recipients with their logs' ends and readers,
//! sender states, dedupe keys, subscriptions.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::chunk::{Bound, CHUNK_ROWS_MAX, Statement};
use super::error::store_error;
use crate::model::{Recipient, SenderState, SessionKey, Stamp};
use crate::store::StoreError;
use crate::store::batch::{
    DEDUPE_KEPT, DedupeId, Device, Devices, Ledger, Readers, Session, StateSlot, Work,
};
use crate::store::record::{self, columns, corrupt};

static RECIPIENTS: Statement = Statement::new(
    "kind, uid, client_id",
    "SELECT r.id, r.kind, r.uid, r.client_id,
            max(r.head, coalesce((SELECT max(seq) FROM log WHERE recipient = r.id), 0)) AS head,
            (SELECT min(seq) FROM log WHERE recipient = r.id) AS low,
            (SELECT count(*) FROM (SELECT 1 FROM log WHERE recipient = r.id LIMIT 256)) AS records
     FROM v CROSS JOIN recipient r
     ON r.kind = v.kind AND r.domain = '' AND r.uid = v.uid AND r.client_id = v.client_id",
);
static NEW_RECIPIENTS: Statement = Statement::new(
    "kind, uid, client_id",
    "INSERT INTO recipient (kind, uid, client_id) SELECT * FROM v WHERE kind IS NOT NULL
     RETURNING id, kind, uid, client_id, 0 AS head, NULL AS low, 0 AS records",
);
static DEVICES: Statement = Statement::new(
    "recipient",
    "SELECT d.recipient, d.client_id, d.cursor, d.sent, d.seen_at, d.known_at
     FROM v CROSS JOIN device d ON d.recipient = v.recipient",
);
static SESSIONS: Statement = Statement::new(
    "recipient",
    "SELECT s.recipient, s.expiry, s.ended_at, s.cursor, s.sent
     FROM v CROSS JOIN session s ON s.recipient = v.recipient",
);
static STATES: Statement = Statement::new(
    "uid, client_id",
    "SELECT s.uid, s.client_id, s.state FROM v CROSS JOIN sender_state s
     ON s.domain = '' AND s.uid = v.uid AND s.client_id = v.client_id",
);
static DEDUPE: Statement = Statement::new(
    "uid, key, oldest",
    "SELECT d.uid, d.key, d.message_id FROM v CROSS JOIN dedupe d
     ON d.domain = '' AND d.uid = v.uid AND d.key = v.key AND d.taken_at > v.oldest",
);
static SUBSCRIPTIONS: Statement = Statement::new(
    "recipient",
    "SELECT s.recipient, s.filter, s.options, s.identifier
     FROM v CROSS JOIN subscription s ON s.recipient = v.recipient",
);

/// Runs a statement for all `items`, chunk by chunk.
pub(super) async fn fetch<T: Sync>(
    conn: &mut SqliteConnection,
    statement: &'static Statement,
    items: &[T],
    bind: impl for<'q> Fn(Bound<'q>, &T) -> Bound<'q>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let mut rows = Vec::new();
    for chunk in items.chunks(CHUNK_ROWS_MAX) {
        let query = statement.query(chunk, &bind)?;
        rows.extend(query.fetch_all(&mut *conn).await.map_err(store_error)?);
    }
    Ok(rows)
}

fn bind_name<'q>(query: Bound<'q>, recipient: &Recipient) -> Bound<'q> {
    let (kind, uid, client_id) = columns(recipient);
    query.bind(kind).bind(uid.to_owned()).bind(client_id.to_owned())
}

/// Column `index` of a row.
pub(super) fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(index).map_err(store_error)
}

/// Loads recipients; those to be created are inserted if they are not there.
pub(super) async fn recipients(
    conn: &mut SqliteConnection,
    wanted: HashMap<Recipient, bool>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let names: Vec<Recipient> = wanted.keys().cloned().collect();
    let rows = fetch(conn, &RECIPIENTS, &names, bind_name).await?;
    let mut loaded = ledgers(&rows)?;
    let missing =
        |(name, create): (Recipient, bool)| (create && !loaded.contains_key(&name)).then_some(name);
    let missing: Vec<Recipient> = wanted.into_iter().filter_map(missing).collect();
    let created = fetch(conn, &NEW_RECIPIENTS, &missing, bind_name).await?;
    fill_readers(conn, &mut loaded).await?;
    loaded.extend(ledgers(&created)?);
    for name in names {
        let ledger = loaded.remove(&name);
        work.ledgers.insert(name, ledger);
    }
    Ok(())
}

fn ledgers(rows: &[SqliteRow]) -> Result<HashMap<Recipient, Ledger>, StoreError> {
    let ledger = |row: &SqliteRow| {
        let name = record::recipient(get(row, 1)?, get(row, 2)?, get(row, 3)?)?;
        let head = record::seq(get(row, 4)?);
        let low = get::<Option<i64>>(row, 5)?.map(record::seq);
        let readers = match &name {
            Recipient::Inbox(_) => Readers::Inbox(Devices::default()),
            Recipient::Session(_) => Readers::Session(None),
            Recipient::Feed(_) => Readers::Feed,
        };
        let mut ledger = Ledger::new(get(row, 0)?, head, low, readers);
        // Counted up to a bound: a longer log is looked at again when something of it is removed.
        ledger.dense = (head.next().0 - ledger.low.0) as i64 == get::<i64>(row, 6)?;
        Ok((name, ledger))
    };
    rows.iter().map(ledger).collect()
}

async fn fill_readers(
    conn: &mut SqliteConnection,
    loaded: &mut HashMap<Recipient, Ledger>,
) -> Result<(), StoreError> {
    let is_inbox = |ledger: &Ledger| matches!(ledger.readers, Readers::Inbox(_));
    let (inboxes, others): (Vec<_>, Vec<_>) = loaded.values_mut().partition(|l| is_inbox(l));
    let mut by_id: HashMap<i64, &mut Ledger> = HashMap::new();
    let ids = |ledgers: &[&mut Ledger]| ledgers.iter().map(|l| l.id).collect::<Vec<_>>();
    let (inbox_ids, other_ids) = (ids(&inboxes), ids(&others));
    by_id.extend(inboxes.into_iter().chain(others).map(|ledger| (ledger.id, ledger)));
    for row in fetch(conn, &DEVICES, &inbox_ids, |query, id: &i64| query.bind(*id)).await? {
        let Some(ledger) = by_id.get_mut(&get(&row, 0)?) else { continue };
        if let Readers::Inbox(devices) = &mut ledger.readers {
            devices.insert(record::client_id(get(&row, 1)?)?, device(&row)?);
        }
    }
    for row in fetch(conn, &SESSIONS, &other_ids, |query, id: &i64| query.bind(*id)).await? {
        if let Some(ledger) = by_id.get_mut(&get(&row, 0)?) {
            ledger.readers = Readers::Session(Some(session(&row)?));
        }
    }
    Ok(())
}

fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    Ok(Device {
        cursor: record::seq(get(row, 2)?),
        sent: record::seq(get(row, 3)?),
        seen_at: Stamp(get(row, 4)?),
        known_at: Stamp(get(row, 5)?),
    })
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    Ok(Session {
        expiry: record::duration(get(row, 1)?),
        ended_at: get::<Option<i64>>(row, 2)?.map(Stamp),
        cursor: record::seq(get(row, 3)?),
        sent: record::seq(get(row, 4)?),
    })
}

pub(super) async fn states(
    conn: &mut SqliteConnection,
    keys: Vec<SessionKey>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let rows = fetch(conn, &STATES, &keys, |query, key: &SessionKey| {
        query.bind(key.uid.as_str().to_owned()).bind(key.client_id.as_str().to_owned())
    });
    for row in rows.await? {
        let key = record::session_key(get(&row, 0)?, get(&row, 1)?)?;
        let state = SenderState::decode(get(&row, 2)?)
            .ok_or_else(|| corrupt(format!("the sender state of session {key} cannot be read")))?;
        work.states.insert(key, StateSlot::stored(state));
    }
    for key in keys {
        work.states.entry(key).or_default();
    }
    Ok(())
}

pub(super) async fn dedupe(
    conn: &mut SqliteConnection,
    keys: Vec<DedupeId>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let oldest = work.now.before(DEDUPE_KEPT).0;
    let rows = fetch(conn, &DEDUPE, &keys, move |query, (uid, key): &DedupeId| {
        query.bind(uid.as_str().to_owned()).bind(key.to_string()).bind(oldest)
    });
    for row in rows.await? {
        let id = record::message_id(get(&row, 2)?)?;
        let key = (record::uid(get(&row, 0)?)?, get::<&str>(&row, 1)?.into());
        work.dedupe.insert(key, Some(id));
    }
    for key in keys {
        work.dedupe.entry(key).or_default();
    }
    Ok(())
}

/// After the recipients: only sessions that are there have subscriptions.
pub(super) async fn subscriptions(
    conn: &mut SqliteConnection,
    keys: Vec<SessionKey>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let mut by_id = HashMap::new();
    for key in &keys {
        let ledger = work.ledgers.get(&Recipient::Session(key.clone())).and_then(Option::as_ref);
        if let Some(Ledger { id, readers: Readers::Session(Some(_)), .. }) = ledger {
            by_id.insert(*id, key);
        }
        work.subscriptions.insert(key.clone(), BTreeMap::new());
    }
    let ids: Vec<i64> = by_id.keys().copied().collect();
    let rows = fetch(conn, &SUBSCRIPTIONS, &ids, |query, id: &i64| query.bind(*id));
    for row in rows.await? {
        let subscription = record::subscription(get(&row, 1)?, get(&row, 2)?, get(&row, 3)?)?;
        let key = by_id.get(&get::<i64>(&row, 0)?).copied();
        if let Some(loaded) = key.and_then(|key| work.subscriptions.get_mut(key)) {
            loaded.insert(subscription.filter.clone(), subscription);
        }
    }
    Ok(())
}

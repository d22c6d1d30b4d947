//! Loads what a transaction needs. Recipients are locked in the order of their numbers, so that
//! nodes that want the same ones wait instead of blocking each other.

use std::collections::{BTreeMap, HashMap};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::{Failed, store_error};
use crate::model::{Recipient, SenderState, Seq, SessionKey, Stamp};
use crate::store::StoreError;
use crate::store::batch::{
    DEDUPE_KEPT, DedupeId, Device, Devices, Ledger, Readers, Session, StateSlot, Work,
};
use crate::store::record::{self, columns, corrupt};

const LOCK: &str = "
    SELECT r.id, r.kind, r.uid, r.client_id, r.head
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS v (kind, uid, client_id)
    JOIN recipient r
    ON r.kind = v.kind AND r.domain = '' AND r.uid = v.uid AND r.client_id = v.client_id
    ORDER BY r.id FOR UPDATE OF r";
const CREATE: &str = "
    INSERT INTO recipient (kind, uid, client_id)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING";
/// Of locked recipients, so that it sees what other nodes committed before the lock.
const LOWS: &str = "
    SELECT v.id, (SELECT min(seq) FROM log WHERE recipient = v.id)
    FROM unnest($1::bigint[]) AS v (id)";
const DEVICES: &str = "
    SELECT recipient, client_id, cursor, sent, seen_at, known_at
    FROM device WHERE recipient = ANY($1)";
const SESSIONS: &str = "
    SELECT recipient, expiry, ended_at, cursor, sent FROM session WHERE recipient = ANY($1)";
const STATES: &str = "
    SELECT s.uid, s.client_id, s.state FROM unnest($1::text[], $2::text[]) AS v (uid, client_id)
    JOIN sender_state s ON s.domain = '' AND s.uid = v.uid AND s.client_id = v.client_id";
const DEDUPE: &str = "
    SELECT d.uid, d.key, d.message_id FROM unnest($1::text[], $2::text[]) AS v (uid, key)
    JOIN dedupe d ON d.domain = '' AND d.uid = v.uid AND d.key = v.key
    WHERE d.taken_at > $3";
const SUBSCRIPTIONS: &str = "
    SELECT recipient, filter, options, identifier FROM subscription WHERE recipient = ANY($1)";

/// Column `index` of a row.
pub(super) fn get<'r, T>(row: &'r PgRow, index: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(index).map_err(store_error)
}

/// Locks and loads recipients; those to be created are inserted if they are not there.
pub(super) async fn recipients(
    conn: &mut PgConnection,
    wanted: HashMap<Recipient, bool>,
    work: &mut Work,
) -> Result<(), Failed> {
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<Recipient> = wanted.keys().cloned().collect();
    let mut loaded = lock(conn, &names).await?;
    let missing =
        |(name, create): (Recipient, bool)| (create && !loaded.contains_key(&name)).then_some(name);
    let missing: Vec<Recipient> = wanted.into_iter().filter_map(missing).collect();
    if !missing.is_empty() {
        let (kinds, uids, clients) = name_columns(&missing);
        let create = sqlx::query(CREATE).bind(kinds).bind(uids).bind(clients);
        create.execute(&mut *conn).await?;
        loaded.extend(lock(conn, &missing).await?);
    }
    fill(conn, &mut loaded).await?;
    for name in names {
        let ledger = loaded.remove(&name);
        work.ledgers.insert(name, ledger);
    }
    Ok(())
}

fn name_columns(names: &[Recipient]) -> (Vec<i64>, Vec<&str>, Vec<&str>) {
    let mut all = (Vec::new(), Vec::new(), Vec::new());
    for (kind, uid, client_id) in names.iter().map(columns) {
        all.0.push(kind);
        all.1.push(uid);
        all.2.push(client_id);
    }
    all
}

async fn lock(
    conn: &mut PgConnection,
    names: &[Recipient],
) -> Result<HashMap<Recipient, Ledger>, Failed> {
    let (kinds, uids, clients) = name_columns(names);
    let query = sqlx::query(LOCK).bind(kinds).bind(uids).bind(clients);
    let rows = query.fetch_all(conn).await?;
    let ledger = |row: &PgRow| {
        let name = record::recipient(get(row, 1)?, get(row, 2)?, get(row, 3)?)?;
        let readers = match &name {
            Recipient::Inbox(_) => Readers::Inbox(Devices::default()),
            Recipient::Session(_) => Readers::Session(None),
            Recipient::Feed(_) => Readers::Feed,
        };
        Ok((name, Ledger::new(get(row, 0)?, record::seq(get(row, 4)?), None, readers)))
    };
    rows.iter().map(ledger).collect()
}

async fn fill(
    conn: &mut PgConnection,
    loaded: &mut HashMap<Recipient, Ledger>,
) -> Result<(), Failed> {
    let mut by_id: HashMap<i64, &mut Ledger> =
        loaded.values_mut().map(|ledger| (ledger.id, ledger)).collect();
    let ids: Vec<i64> = by_id.keys().copied().collect();
    for row in sqlx::query(LOWS).bind(&ids).fetch_all(&mut *conn).await? {
        if let (Some(ledger), Some(low)) = (by_id.get_mut(&get(&row, 0)?), get(&row, 1)?) {
            (ledger.low, ledger.dense) = (record::seq(low), false);
        }
    }
    for row in sqlx::query(DEVICES).bind(&ids).fetch_all(&mut *conn).await? {
        let ledger = by_id.get_mut(&get(&row, 0)?);
        if let Some(Ledger { readers: Readers::Inbox(devices), .. }) = ledger {
            devices.insert(record::client_id(get(&row, 1)?)?, device(&row)?);
        }
    }
    for row in sqlx::query(SESSIONS).bind(&ids).fetch_all(&mut *conn).await? {
        if let Some(ledger) = by_id.get_mut(&get(&row, 0)?) {
            ledger.readers = Readers::Session(Some(session(&row)?));
        }
    }
    Ok(())
}

fn seq(row: &PgRow, index: usize) -> Result<Seq, StoreError> {
    Ok(record::seq(get(row, index)?))
}

fn device(row: &PgRow) -> Result<Device, StoreError> {
    let (seen_at, known_at) = (Stamp(get(row, 4)?), Stamp(get(row, 5)?));
    Ok(Device { cursor: seq(row, 2)?, sent: seq(row, 3)?, seen_at, known_at })
}

fn session(row: &PgRow) -> Result<Session, StoreError> {
    let expiry = record::duration(get(row, 1)?);
    let ended_at = get::<Option<i64>>(row, 2)?.map(Stamp);
    Ok(Session { expiry, ended_at, cursor: seq(row, 3)?, sent: seq(row, 4)? })
}

pub(super) async fn states(
    conn: &mut PgConnection,
    keys: Vec<SessionKey>,
    work: &mut Work,
) -> Result<(), Failed> {
    if !keys.is_empty() {
        let uids: Vec<&str> = keys.iter().map(|key| key.uid.as_str()).collect();
        let clients: Vec<&str> = keys.iter().map(|key| key.client_id.as_str()).collect();
        for row in sqlx::query(STATES).bind(uids).bind(clients).fetch_all(conn).await? {
            let key = record::session_key(get(&row, 0)?, get(&row, 1)?)?;
            let state = SenderState::decode(get(&row, 2)?);
            let wrong = || corrupt(format!("the sender state of session {key} cannot be read"));
            let slot = StateSlot::stored(state.ok_or_else(wrong)?);
            work.states.insert(key, slot);
        }
    }
    for key in keys {
        work.states.entry(key).or_default();
    }
    Ok(())
}

pub(super) async fn dedupe(
    conn: &mut PgConnection,
    keys: Vec<DedupeId>,
    work: &mut Work,
) -> Result<(), Failed> {
    if !keys.is_empty() {
        let uids: Vec<&str> = keys.iter().map(|(uid, _)| uid.as_str()).collect();
        let texts: Vec<&str> = keys.iter().map(|(_, key)| &**key).collect();
        let query = sqlx::query(DEDUPE).bind(uids).bind(texts);
        for row in query.bind(work.now.before(DEDUPE_KEPT).0).fetch_all(conn).await? {
            let id = record::message_id(get(&row, 2)?)?;
            let key = (record::uid(get(&row, 0)?)?, get::<&str>(&row, 1)?.into());
            work.dedupe.insert(key, Some(id));
        }
    }
    for key in keys {
        work.dedupe.entry(key).or_default();
    }
    Ok(())
}

/// After the recipients: only sessions that are there have subscriptions.
pub(super) async fn subscriptions(
    conn: &mut PgConnection,
    keys: Vec<SessionKey>,
    work: &mut Work,
) -> Result<(), Failed> {
    let mut by_id = HashMap::new();
    for key in &keys {
        let ledger = work.ledgers.get(&Recipient::Session(key.clone())).and_then(Option::as_ref);
        if let Some(Ledger { id, readers: Readers::Session(Some(_)), .. }) = ledger {
            by_id.insert(*id, key);
        }
        work.subscriptions.insert(key.clone(), BTreeMap::new());
    }
    if by_id.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = by_id.keys().copied().collect();
    for row in sqlx::query(SUBSCRIPTIONS).bind(ids).fetch_all(conn).await? {
        let subscription = record::subscription(get(&row, 1)?, get(&row, 2)?, get(&row, 3)?)?;
        let key = by_id.get(&get::<i64>(&row, 0)?).copied();
        if let Some(loaded) = key.and_then(|key| work.subscriptions.get_mut(key)) {
            loaded.insert(subscription.filter.clone(), subscription);
        }
    }
    Ok(())
}

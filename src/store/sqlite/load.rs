//! Loads what a transaction needs: recipients with their logs' ends and readers, sender states,
//! dedupe keys, subscriptions. What is implied is not asked for: nobody reads a log that is not
//! there.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row, params};

use super::statement::{all, bytes, execute, first, get, text};
use crate::model::{ClientId, Recipient, SenderState, Seq, SessionKey, Stamp};
use crate::store::batch::{
    DEDUPE_KEPT, DedupeId, Device, Devices, Ledger, Readers, Session, StateSlot, Work,
};
use crate::store::record::{self, columns, corrupt};
use crate::store::{StoreError, Subscription};

const RECIPIENT: &str = "
    SELECT r.id,
           max(r.head, coalesce((SELECT max(seq) FROM log WHERE recipient = r.id), 0)),
           (SELECT min(seq) FROM log WHERE recipient = r.id),
           (SELECT count(*) FROM (SELECT 1 FROM log WHERE recipient = r.id LIMIT 256))
    FROM recipient r WHERE r.kind = ? AND r.domain = '' AND r.uid = ? AND r.client_id = ?";
const NEW_RECIPIENT: &str = "INSERT INTO recipient (kind, uid, client_id) VALUES (?, ?, ?)";
const DEVICES: &str = "
    SELECT client_id, cursor, sent, seen_at, known_at FROM device WHERE recipient = ?";
const SESSION: &str = "SELECT expiry, ended_at, cursor, sent FROM session WHERE recipient = ?";
const STATE: &str = "
    SELECT state FROM sender_state WHERE domain = '' AND uid = ? AND client_id = ?";
const DEDUPE: &str = "
    SELECT message_id FROM dedupe WHERE domain = '' AND uid = ? AND key = ? AND taken_at > ?";
const SUBSCRIPTIONS: &str = "
    SELECT filter, options, identifier FROM subscription WHERE recipient = ?";

/// Loads recipients; those to be created are inserted if they are not there.
pub(super) fn recipients(
    conn: &Connection,
    wanted: HashMap<Recipient, bool>,
    work: &mut Work,
) -> Result<(), StoreError> {
    for (name, create) in wanted {
        let ledger = match first(conn, RECIPIENT, columns(&name), |row| ledger(row, &name))? {
            Some(mut ledger) => {
                fill_readers(conn, &mut ledger)?;
                Some(ledger)
            }
            None if create => {
                execute(conn, NEW_RECIPIENT, columns(&name))?;
                let id = conn.last_insert_rowid();
                Some(Ledger::new(id, Seq(0), None, no_readers(&name)))
            }
            None => None,
        };
        work.ledgers.insert(name, ledger);
    }
    Ok(())
}

fn ledger(row: &Row<'_>, name: &Recipient) -> Result<Ledger, StoreError> {
    let head = record::seq(get(row, 1)?);
    let low = get::<Option<i64>>(row, 2)?.map(record::seq);
    let mut ledger = Ledger::new(get(row, 0)?, head, low, no_readers(name));
    // Counted up to a bound: a longer log is looked at again when something of it is removed.
    ledger.dense = (head.next().0 - ledger.low.0) as i64 == get::<i64>(row, 3)?;
    Ok(ledger)
}

fn no_readers(name: &Recipient) -> Readers {
    match name {
        Recipient::Inbox(_) => Readers::Inbox(Devices::default()),
        Recipient::Session(_) => Readers::Session(None),
        Recipient::Feed(_) => Readers::Feed,
    }
}

fn fill_readers(conn: &Connection, ledger: &mut Ledger) -> Result<(), StoreError> {
    match &mut ledger.readers {
        Readers::Inbox(devices) => {
            for (client_id, device) in all(conn, DEVICES, [ledger.id], device)? {
                devices.insert(client_id, device);
            }
        }
        Readers::Session(kept) => *kept = first(conn, SESSION, [ledger.id], session)?,
        Readers::Feed => {}
    }
    Ok(())
}

fn device(row: &Row<'_>) -> Result<(ClientId, Device), StoreError> {
    let device = Device {
        cursor: record::seq(get(row, 1)?),
        sent: record::seq(get(row, 2)?),
        seen_at: Stamp(get(row, 3)?),
        known_at: Stamp(get(row, 4)?),
    };
    Ok((record::client_id(text(row, 0)?)?, device))
}

fn session(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        expiry: record::duration(get(row, 0)?),
        ended_at: get::<Option<i64>>(row, 1)?.map(Stamp),
        cursor: record::seq(get(row, 2)?),
        sent: record::seq(get(row, 3)?),
    })
}

pub(super) fn states(
    conn: &Connection,
    keys: HashSet<SessionKey>,
    work: &mut Work,
) -> Result<(), StoreError> {
    for key in keys {
        let names = [key.uid.as_str(), key.client_id.as_str()];
        let state = first(conn, STATE, names, |row| Ok(SenderState::decode(bytes(row, 0)?)))?;
        let unread = || corrupt(format!("the sender state of session {key} cannot be read"));
        let state = state.map(|state| state.ok_or_else(unread)).transpose()?;
        work.states.insert(key, state.map(StateSlot::stored).unwrap_or_default());
    }
    Ok(())
}

pub(super) fn dedupe(
    conn: &Connection,
    keys: HashSet<DedupeId>,
    work: &mut Work,
) -> Result<(), StoreError> {
    let oldest = work.now.before(DEDUPE_KEPT).0;
    for key in keys {
        let values = params![key.0.as_str(), key.1, oldest];
        let id = first(conn, DEDUPE, values, |row| record::message_id(bytes(row, 0)?))?;
        work.dedupe.insert(key, id);
    }
    Ok(())
}

/// After the recipients: only sessions that are there have subscriptions.
pub(super) fn subscriptions(
    conn: &Connection,
    keys: HashSet<SessionKey>,
    work: &mut Work,
) -> Result<(), StoreError> {
    for key in keys {
        let ledger = work.ledgers.get(&Recipient::Session(key.clone())).and_then(Option::as_ref);
        let loaded = match ledger {
            Some(Ledger { id, readers: Readers::Session(Some(_)), .. }) => {
                all(conn, SUBSCRIPTIONS, [*id], subscription)?
            }
            _ => Vec::new(),
        };
        let loaded = loaded.into_iter().map(|one| (one.filter.clone(), one));
        work.subscriptions.insert(key, loaded.collect());
    }
    Ok(())
}

fn subscription(row: &Row<'_>) -> Result<Subscription, StoreError> {
    record::subscription(text(row, 0)?, get(row, 1)?, get(row, 2)?)
}

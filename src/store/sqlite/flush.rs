//! Writes a transaction's changes back, set by set and row by row.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::statement::execute;
use super::{due, retained};
use crate::model::{Ban, BanTarget, ClientId, Filter, MessageId, SessionKey, Stamp, Uid};
use crate::store::batch::{Changes, Counts, DedupeId, Deletion, Device, Leaving, Row, Session};
use crate::store::checksum::record_checksum;
use crate::store::packed::pack;
use crate::store::record::{delivery_number, roles_text};
use crate::store::{Account, Removal, StoreError, Subscription, millis};

const LEAVING: &str = "
    UPDATE log SET recipient = -recipient
    WHERE recipient = ? AND seq BETWEEN ? AND ? AND delivery >= 256
    AND NOT ((delivery & 3) = 2 AND seq <= ?)";
const ROW: &str = "
    INSERT INTO log (recipient, seq, delivery, ts, expires_at, checksum, body_id, message)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const BODY: &str = "INSERT INTO body (refs, message) VALUES (?, ?)";
const DELETION: &str = "DELETE FROM log WHERE recipient = ? AND seq BETWEEN ? AND ?";
const HEAD: &str = "UPDATE recipient SET head = max(head, ?2) WHERE id = ?1";
const DEDUPE: &str = "
    INSERT OR REPLACE INTO dedupe (uid, key, message_id, taken_at) VALUES (?, ?, ?, ?)";
const STATE: &str = "
    INSERT INTO sender_state (uid, client_id, touched_at, state) VALUES (?, ?, ?, ?)
    ON CONFLICT (domain, uid, client_id) DO UPDATE
    SET touched_at = excluded.touched_at, state = excluded.state";
const STATE_GONE: &str = "DELETE FROM sender_state WHERE domain = '' AND uid = ? AND client_id = ?";
const DEVICE: &str = "
    INSERT INTO device (recipient, client_id, cursor, sent, seen_at, known_at)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (recipient, client_id) DO UPDATE
    SET cursor = excluded.cursor, sent = excluded.sent, seen_at = excluded.seen_at";
const DEVICE_GONE: &str = "DELETE FROM device WHERE recipient = ? AND client_id = ?";
const SESSION: &str = "
    INSERT INTO session (recipient, expiry, ended_at, cursor, sent) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (recipient) DO UPDATE
    SET expiry = excluded.expiry, ended_at = excluded.ended_at, cursor = excluded.cursor,
        sent = excluded.sent";
const SESSION_GONE: &str = "DELETE FROM session WHERE recipient = ?";
const SUBSCRIPTIONS_CLEARED: &str = "DELETE FROM subscription WHERE recipient = ?";
const SUBSCRIPTION: &str = "
    INSERT INTO subscription (recipient, filter, options, identifier) VALUES (?, ?, ?, ?)
    ON CONFLICT (recipient, filter) DO UPDATE
    SET options = excluded.options, identifier = excluded.identifier";
const SUBSCRIPTION_GONE: &str = "DELETE FROM subscription WHERE recipient = ? AND filter = ?";
const ACCOUNT: &str = "
    INSERT INTO account (uid, password_hash, roles) VALUES (?, ?, ?)
    ON CONFLICT (domain, uid) DO UPDATE SET
    password_hash = excluded.password_hash, roles = excluded.roles";
const ACCOUNT_GONE: &str = "DELETE FROM account WHERE domain = '' AND uid = ?";
const BANS_OVER: &str = "DELETE FROM ban WHERE until <= ?";
const BAN: &str = "
    INSERT INTO ban (uid, client_id, net, made_at, until, reason) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (domain, uid, client_id, net) DO UPDATE SET
    made_at = excluded.made_at, until = excluded.until, reason = excluded.reason";
const BAN_GONE: &str =
    "DELETE FROM ban WHERE domain = '' AND uid = ? AND client_id = ? AND net = ?";

type Done = Result<(), StoreError>;

pub(super) fn flush(conn: &Connection, changes: Changes, now: Stamp) -> Result<Counts, StoreError> {
    leaving(conn, &changes.leaving)?;
    let mut counts = deletions(conn, &changes.deletions)?;
    for (id, head) in changes.heads {
        execute(conn, HEAD, [id, head.0 as i64])?;
    }
    rows(conn, &changes.rows)?;
    dedupe(conn, changes.dedupe, now)?;
    states(conn, changes.states, now)?;
    devices(conn, changes.devices)?;
    sessions(conn, changes.sessions)?;
    subscriptions(conn, changes.cleared, changes.subscriptions)?;
    retained::flush(conn, changes.retained)?;
    let due = (changes.due, changes.due_forgotten, changes.due_released);
    counts.add(Removal::Forgotten, due::flush(conn, due, now)?);
    accounts(conn, changes.accounts)?;
    bans(conn, changes.bans, now)?;
    Ok(counts)
}

fn leaving(conn: &Connection, all: &[Leaving]) -> Done {
    for Leaving { recipient, first, last, sent } in all {
        execute(conn, LEAVING, [*recipient, first.0 as i64, last.0 as i64, sent.0 as i64])?;
    }
    Ok(())
}

fn deletions(conn: &Connection, all: &[Deletion]) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for Deletion { recipient, first, last, why } in all {
        let gone = execute(conn, DELETION, [*recipient, first.0 as i64, last.0 as i64])?;
        counts.add(*why, gone);
    }
    Ok(counts)
}

fn rows(conn: &Connection, rows: &[Row]) -> Done {
    let bodies = bodies(conn, rows)?;
    for row in rows {
        let body_id = row.shared.and_then(|shared| bodies.get(&shared).copied());
        let message = body_id.is_none().then(|| pack(&row.message));
        let checksum = record_checksum(row.recipient, row.seq, row.delivery, row.hash) as i64;
        let values = params![
            row.recipient,
            row.seq.0 as i64,
            delivery_number(row.delivery),
            row.message.ts.0,
            row.message.expires_at.map(|at| at.0),
            checksum,
            body_id,
            message,
        ];
        execute(conn, ROW, values)?;
    }
    Ok(())
}

/// Stores each shared message once, with the number of its rows.
fn bodies(conn: &Connection, rows: &[Row]) -> Result<HashMap<usize, i64>, StoreError> {
    let mut refs: HashMap<usize, (i64, &Row)> = HashMap::new();
    for row in rows {
        if let Some(shared) = row.shared {
            refs.entry(shared).or_insert((0, row)).0 += 1;
        }
    }
    let mut ids = HashMap::new();
    for (shared, (count, row)) in refs {
        execute(conn, BODY, params![count, pack(&row.message)])?;
        ids.insert(shared, conn.last_insert_rowid());
    }
    Ok(ids)
}

fn dedupe(conn: &Connection, set: HashMap<DedupeId, MessageId>, now: Stamp) -> Done {
    for ((uid, key), id) in set {
        execute(conn, DEDUPE, params![uid.as_str(), key, id.0.to_be_bytes(), now.0])?;
    }
    Ok(())
}

fn states(conn: &Connection, set: HashMap<SessionKey, Option<Vec<u8>>>, now: Stamp) -> Done {
    for (SessionKey { uid, client_id }, state) in set {
        let (uid, client_id) = (uid.as_str(), client_id.as_str());
        match state {
            Some(state) => execute(conn, STATE, params![uid, client_id, now.0, state])?,
            None => execute(conn, STATE_GONE, [uid, client_id])?,
        };
    }
    Ok(())
}

fn devices(conn: &Connection, set: HashMap<(i64, ClientId), Option<Device>>) -> Done {
    for ((recipient, client_id), device) in set {
        let client_id = client_id.as_str();
        match device {
            Some(Device { cursor, sent, seen_at, known_at }) => {
                let (cursor, sent) = (cursor.0 as i64, sent.0 as i64);
                let values = params![recipient, client_id, cursor, sent, seen_at.0, known_at.0];
                execute(conn, DEVICE, values)?
            }
            None => execute(conn, DEVICE_GONE, params![recipient, client_id])?,
        };
    }
    Ok(())
}

fn sessions(conn: &Connection, set: HashMap<i64, Option<Session>>) -> Done {
    for (id, session) in set {
        match session {
            Some(Session { expiry, ended_at, cursor, sent }) => {
                let (expiry, ended_at) = (millis(expiry), ended_at.map(|at| at.0));
                let (cursor, sent) = (cursor.0 as i64, sent.0 as i64);
                execute(conn, SESSION, params![id, expiry, ended_at, cursor, sent])?
            }
            None => execute(conn, SESSION_GONE, [id])?,
        };
    }
    Ok(())
}

fn subscriptions(
    conn: &Connection,
    cleared: HashSet<i64>,
    set: HashMap<(i64, Filter), Option<Subscription>>,
) -> Done {
    for id in cleared {
        execute(conn, SUBSCRIPTIONS_CLEARED, [id])?;
    }
    for ((recipient, filter), subscription) in set {
        let filter = filter.as_str();
        match subscription {
            Some(Subscription { options, id, .. }) => {
                execute(conn, SUBSCRIPTION, params![recipient, filter, options, id])?
            }
            None => execute(conn, SUBSCRIPTION_GONE, params![recipient, filter])?,
        };
    }
    Ok(())
}

fn accounts(conn: &Connection, set: HashMap<Uid, Option<Account>>) -> Done {
    for (uid, account) in set {
        let uid = uid.as_str();
        match account {
            Some(Account { password_hash, roles }) => {
                execute(conn, ACCOUNT, params![uid, password_hash, roles_text(&roles)])?
            }
            None => execute(conn, ACCOUNT_GONE, [uid])?,
        };
    }
    Ok(())
}

fn bans(conn: &Connection, set: HashMap<BanTarget, Option<Ban>>, now: Stamp) -> Done {
    if set.is_empty() {
        return Ok(());
    }
    execute(conn, BANS_OVER, [now.0])?;
    for (target, ban) in set {
        let [uid, client_id, net] = target.to_columns();
        match ban {
            Some(Ban { made_at, until, reason, .. }) => {
                let values = params![uid, client_id, net, made_at.0, until.0, reason.as_str()];
                execute(conn, BAN, values)?
            }
            None => execute(conn, BAN_GONE, [uid, client_id, net])?,
        };
    }
    Ok(())
}

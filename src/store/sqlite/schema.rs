//! The file: how it is opened, who made it, which version its schema has.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ToSql};

use super::due;
use super::error::open_error;
use super::statement::execute;
use crate::model::Stamp;
use crate::store::open::{LAST, Restart};
use crate::store::record::corrupt;
use crate::store::{StoreError, StoreIdentity, StoreLimits, millis};

/// "homg": tells a store of homing from other SQLite files.
const APPLICATION_ID: i64 = 0x686f_6d67;
/// Each migration leads to the version of its place, counted from 1.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
];
/// The version that this homing writes.
pub(super) const NEWEST: u64 = MIGRATIONS.len() as u64;
const PAGE_BYTES: u32 = 4 * 1024;
const WRITER_CACHE_KIB: i64 = 64 * 1024;
const READER_CACHE_KIB: i64 = 8 * 1024;
/// The log is cut back to this after a checkpoint.
const WAL_KEPT_BYTES: i64 = 16 * 1024 * 1024;
/// The directory's lock keeps other writers out; only a checkpoint may be met for a moment.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const STATEMENTS_COUNT_MAX: usize = 256;
/// Where what a statement sorts lies.
const TEMP_STORE: &str = "MEMORY";

/// How a file is opened that is there. A connection is used by one thread at a time.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What every connection is told first.
fn prepare(conn: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS_COUNT_MAX);
    conn.busy_timeout(BUSY_WAIT)?;
    set(conn, "foreign_keys", false)?;
    set(conn, "cache_size", -cache_kib)?;
    set(conn, "temp_store", TEMP_STORE)
}

fn set(conn: &Connection, name: &str, value: impl ToSql) -> rusqlite::Result<()> {
    conn.pragma_update(None, name, value)
}

/// A connection that writes; the first one makes the file what it is.
fn connect_writer(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, FLAGS)?;
    set(&conn, "page_size", PAGE_BYTES)?;
    set(&conn, "auto_vacuum", "INCREMENTAL")?;
    set(&conn, "journal_mode", "WAL")?;
    // After the size of a page: SQLite counts its cache in pages of the size at this moment.
    prepare(&conn, WRITER_CACHE_KIB)?;
    set(&conn, "synchronous", "FULL")?;
    set(&conn, "journal_size_limit", WAL_KEPT_BYTES)?;
    Ok(conn)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, FLAGS)?;
    prepare_reader(&conn)?;
    Ok(conn)
}

pub(super) fn prepare_reader(conn: &Connection) -> rusqlite::Result<()> {
    prepare(conn, READER_CACHE_KIB)?;
    set(conn, "query_only", true)
}

/// Opens the file for writing, made private and brought to the newest schema.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    make_private(path).map_err(|error| {
        StoreError::Open(format!("{}: {error}; check its owner and rights", path.display()))
    })?;
    let mut writer = connect_writer(path).map_err(|error| open_error(path, error))?;
    check_maker(&writer, path)?;
    migrate(&mut writer, path)?;
    Ok(writer)
}

/// SQLite gives its -wal and -shm files the rights of the main file.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::set_permissions(&name, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

pub(super) fn check_maker(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| open_error(path, error);
    let maker = pragma(conn, "application_id").map_err(failed)?;
    let sql = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = conn.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    match maker {
        APPLICATION_ID => Ok(()),
        0 if tables == 0 => Ok(()),
        _ => Err(StoreError::Open(format!(
            "{} is a database of another program: move it away or choose another data directory",
            path.display()
        ))),
    }
}

/// The schema's version; 0 if there is none yet.
pub(super) fn version(conn: &Connection, path: &Path) -> Result<u64, StoreError> {
    let version = pragma(conn, "user_version").map_err(|error| open_error(path, error))?;
    match u64::try_from(version).unwrap_or(0) {
        version if version > NEWEST => Err(StoreError::Open(format!(
            "{} has schema version {version}, this homing knows up to {NEWEST}: it was written by \
             a newer homing; run that one, or restore a backup made before the upgrade",
            path.display()
        ))),
        version => Ok(version),
    }
}

fn migrate(writer: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = version(writer, path)?;
    if version == NEWEST {
        return Ok(());
    }
    if version > 0 {
        let file = path.display();
        tracing::warn!("bringing {file} from schema {version} to {NEWEST}; this may take minutes");
    }
    migrate_from(version, writer).map_err(|error| open_error(path, error))
}

fn migrate_from(version: u64, writer: &mut Connection) -> rusqlite::Result<()> {
    // What sorting a big store takes is not to be taken from memory.
    set(writer, "temp_store", "FILE")?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let transaction = writer.transaction()?;
        transaction.execute_batch(sql)?;
        set(&transaction, "application_id", APPLICATION_ID)?;
        set(&transaction, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    set(writer, "temp_store", TEMP_STORE)
}

/// Reads the store's identity; a new store gets one.
pub(super) fn identity(writer: &Connection, random: u128) -> Result<StoreIdentity, StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES ('uuid', ?), ('epoch', ?)
               ON CONFLICT DO NOTHING";
    execute(writer, sql, (random.to_be_bytes(), 1u64.to_be_bytes()))?;
    let (uuid, epoch) = (meta(writer, "uuid")?, meta(writer, "epoch")?);
    Ok(StoreIdentity { uuid: u128::from_be_bytes(uuid), epoch: u64::from_be_bytes(epoch) })
}

fn meta<const N: usize>(writer: &Connection, name: &str) -> Result<[u8; N], StoreError> {
    let sql = "SELECT value FROM meta WHERE name = ?";
    let value: Vec<u8> = writer.query_row(sql, [name], |row| row.get(0))?;
    value.try_into().map_err(|_| corrupt(format!("meta '{name}' has a wrong length")))
}

/// Durable sessions that were connected when the last process ended begin to expire. How far they
/// were sent to went with that process, so all of their queue may have been sent before: it goes
/// out with DUP [MQTT-3.3.1-1]. The clock says `now`, see [`Restart`].
pub(super) fn end_open_sessions(
    writer: &mut Connection,
    limits: &StoreLimits,
    now: Stamp,
) -> Result<(), StoreError> {
    let transaction = writer.transaction()?;
    let last: Option<i64> = transaction.query_row(LAST, [], |row| row.get(0))?;
    let restart = Restart::new(now, last.map(Stamp));
    let sql = "UPDATE session SET ended_at = ended_at + ?1 WHERE ?1 > 0";
    execute(&transaction, sql, [millis(restart.off)])?;
    let sql = "UPDATE session SET ended_at = ?, expiry = ?, sent = max(sent,
        coalesce((SELECT max(seq) FROM log WHERE log.recipient = session.recipient), 0))
        WHERE ended_at IS NULL";
    execute(&transaction, sql, [restart.now.0, millis(limits.session_expiry_max)])?;
    // What was on its way when the last process ended waits again.
    due::unclaim(&transaction)?;
    Ok(transaction.commit()?)
}

/// Compares the structure of the whole file with itself.
pub(super) fn quick_check(conn: &Connection) -> Result<(), StoreError> {
    let finding: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match finding.as_str() {
        "ok" => Ok(()),
        finding => Err(corrupt(finding)),
    }
}

/// Writes all of the log into the main file and begins it anew.
pub(super) fn write_log_back(writer: &Connection, path: &Path) -> Result<(), StoreError> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy = writer.query_row(sql, [], |row| row.get::<_, i64>(0));
    match busy.map_err(|error| open_error(path, error))? {
        0 => Ok(()),
        _ => {
            let path = path.display();
            Err(StoreError::Open(format!("{path}: its log cannot be written back")))
        }
    }
}

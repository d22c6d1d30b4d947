//! The file: how it is opened, who made it, which version its schema has.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::due;
use super::error::{open_error, store_error};
use crate::model::Stamp;
use crate::store::open::{LAST, Restart};
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
const PAGE_BYTES: u32 = 16 * 1024;
const WRITER_CACHE_KIB: i64 = 64 * 1024;
const READER_CACHE_KIB: i64 = 8 * 1024;
/// Pages in the log (32 MiB) after which it is written back: a page that many commits change is
/// written back once. After kill -9 so much is read at the start.
const WAL_PAGES_MAX: u32 = 2048;
/// The log is cut back to this after a checkpoint.
const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// The directory's lock keeps other writers out; only a checkpoint may be met for a moment.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const STATEMENTS_COUNT_MAX: usize = 256;
/// Where what a statement sorts lies.
const TEMP_STORE: &str = "MEMORY";

fn options(path: &Path, cache_kib: i64) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(BUSY_WAIT)
        .statement_cache_capacity(STATEMENTS_COUNT_MAX)
        .pragma("cache_size", (-cache_kib).to_string())
        .pragma("temp_store", TEMP_STORE)
        .disable_statement_logging()
}

pub(super) fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path, WRITER_CACHE_KIB)
        .page_size(PAGE_BYTES)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", WAL_PAGES_MAX.to_string())
        .pragma("journal_size_limit", WAL_KEPT_BYTES.to_string())
}

pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    options(path, READER_CACHE_KIB).pragma("query_only", "ON")
}

/// Opens the file for writing, made private and brought to the newest schema.
pub(super) async fn open_writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    make_private(path).map_err(|error| {
        StoreError::Open(format!("{}: {error}; check its owner and rights", path.display()))
    })?;
    let mut writer =
        writer_options(path).connect().await.map_err(|error| open_error(path, error))?;
    check_maker(&mut writer, path).await?;
    migrate(&mut writer, path).await?;
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

async fn pragma(writer: &mut SqliteConnection, name: &'static str) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(writer).await?;
    row.try_get::<i64, _>(0)
}

pub(super) async fn check_maker(
    writer: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |error| open_error(path, error);
    let maker = pragma(writer, "application_id").await.map_err(failed)?;
    let tables = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(writer).await;
    let tables: i64 = tables.and_then(|row| row.try_get(0)).map_err(failed)?;
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
pub(super) async fn version(reader: &mut SqliteConnection, path: &Path) -> Result<u64, StoreError> {
    let version = pragma(reader, "user_version").await.map_err(|error| open_error(path, error))?;
    match u64::try_from(version).unwrap_or(0) {
        version if version > NEWEST => Err(StoreError::Open(format!(
            "{} has schema version {version}, this homing knows up to {NEWEST}: it was written by \
             a newer homing; run that one, or restore a backup made before the upgrade",
            path.display()
        ))),
        version => Ok(version),
    }
}

async fn migrate(writer: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| open_error(path, error);
    let version = version(writer, path).await?;
    if version == NEWEST {
        return Ok(());
    }
    if version > 0 {
        let file = path.display();
        tracing::warn!("bringing {file} from schema {version} to {NEWEST}; this may take minutes");
    }
    // What sorting a big store takes is not to be taken from memory.
    set_temp_store(writer, "FILE").await.map_err(failed)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let mut transaction = writer.begin().await.map_err(failed)?;
        let script = format!(
            "{sql}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
            index + 1
        );
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    set_temp_store(writer, TEMP_STORE).await.map_err(failed)
}

async fn set_temp_store(writer: &mut SqliteConnection, place: &str) -> Result<(), sqlx::Error> {
    let sql = format!("PRAGMA temp_store = {place}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(writer).await.map(drop)
}

/// Reads the store's identity; a new store gets one.
pub(super) async fn identity(
    writer: &mut SqliteConnection,
    random: u128,
) -> Result<StoreIdentity, StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES ('uuid', ?), ('epoch', ?)
               ON CONFLICT DO NOTHING";
    let insert =
        sqlx::query(sql).bind(random.to_be_bytes().to_vec()).bind(1u64.to_be_bytes().to_vec());
    insert.execute(&mut *writer).await.map_err(store_error)?;
    let uuid = meta(writer, "uuid").await?;
    let epoch = meta(writer, "epoch").await?;
    Ok(StoreIdentity { uuid: u128::from_be_bytes(uuid), epoch: u64::from_be_bytes(epoch) })
}

async fn meta<const N: usize>(
    writer: &mut SqliteConnection,
    name: &str,
) -> Result<[u8; N], StoreError> {
    let query = sqlx::query_scalar("SELECT value FROM meta WHERE name = ?").bind(name.to_owned());
    let value: Vec<u8> = query.fetch_one(writer).await.map_err(store_error)?;
    value
        .try_into()
        .map_err(|_| crate::store::record::corrupt(format!("meta '{name}' has a wrong length")))
}

/// Durable sessions that were connected when the last process ended begin to expire. How far they
/// were sent to went with that process, so all of their queue may have been sent before: it goes
/// out with DUP [MQTT-3.3.1-1]. The clock says `now`, see [`Restart`].
pub(super) async fn end_open_sessions(
    writer: &mut SqliteConnection,
    limits: &StoreLimits,
    now: Stamp,
) -> Result<(), StoreError> {
    let mut transaction = writer.begin().await.map_err(store_error)?;
    let last = sqlx::query_scalar::<_, Option<i64>>(LAST).fetch_one(&mut *transaction).await;
    let restart = Restart::new(now, last.map_err(store_error)?.map(Stamp));
    let sql = "UPDATE session SET ended_at = ended_at + ?1 WHERE ?1 > 0";
    let delay = sqlx::query(sql).bind(millis(restart.off));
    delay.execute(&mut *transaction).await.map_err(store_error)?;
    let sql = "UPDATE session SET ended_at = ?, expiry = ?, sent = max(sent,
        coalesce((SELECT max(seq) FROM log WHERE log.recipient = session.recipient), 0))
        WHERE ended_at IS NULL";
    let end = sqlx::query(sql).bind(restart.now.0).bind(millis(limits.session_expiry_max));
    end.execute(&mut *transaction).await.map_err(store_error)?;
    // What was on its way when the last process ended waits again.
    due::unclaim(&mut transaction).await?;
    transaction.commit().await.map_err(store_error)
}

//! Connecting: what the server must promise, and its schema.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::due;
use super::error::store_error;
use crate::model::Stamp;
use crate::store::open::{LAST, Restart};
use crate::store::{StoreError, StoreIdentity, StoreLimits, millis};

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
/// Nodes that start at the same time migrate one after the other ("homing").
const MIGRATION_LOCK: i64 = 0x686f_6d69_6e67;

/// Reads `store.url`.
///
/// # Errors
/// [`StoreError::Open`] without the url, which may hold a password.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Open(format!("store.url cannot be read: {error}")))?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("homing") };
    Ok(options.disable_statement_logging())
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    format!("postgres://{}:{}/{database}", options.get_host(), options.get_port())
}

/// A connection whose server keeps the promise of a commit.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut conn = options.connect().await.map_err(|error| {
        StoreError::Unavailable(format!(
            "{}: {error}; check that it runs and what store.url says",
            place(options)
        ))
    })?;
    for (name, promise) in
        [("synchronous_commit", "on, remote_write or remote_apply"), ("fsync", "on")]
    {
        let show = AssertSqlSafe(format!("SHOW {name}"));
        let value: String =
            sqlx::query_scalar(show).fetch_one(&mut conn).await.map_err(store_error)?;
        if value == "off" {
            return Err(StoreError::Open(format!(
                "{}: {name} is off, so a commit may be lost at power loss and no acknowledgement \
                 could be kept: set it to {promise}",
                place(options)
            )));
        }
    }
    Ok(conn)
}

/// Brings the schema to the newest version and reads the store's identity.
pub(super) async fn prepare(
    conn: &mut PgConnection,
    limits: &StoreLimits,
    random: u128,
    now: Stamp,
) -> Result<StoreIdentity, StoreError> {
    let failed = |error: sqlx::Error| StoreError::Open(format!("its schema: {error}"));
    let mut transaction = conn.begin().await.map_err(failed)?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
    lock.execute(&mut *transaction).await.map_err(failed)?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL)")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    migrate(&mut transaction).await?;
    let uuid = meta(&mut transaction, "uuid", random.to_be_bytes()).await?;
    let epoch = meta(&mut transaction, "epoch", 1u64.to_be_bytes()).await?;
    end_open_sessions(&mut transaction, limits, now).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(StoreIdentity { uuid: u128::from_be_bytes(uuid), epoch: u64::from_be_bytes(epoch) })
}

/// After a failure: what was claimed waits again, since whoever did may not have heard of it.
pub(super) async fn connect_again(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut conn = connect(options).await?;
    due::unclaim(&mut conn).await.map_err(store_error)?;
    Ok(conn)
}

/// Sessions that were connected begin to expire. The clock says `now`, see [`Restart`].
async fn end_open_sessions(
    conn: &mut PgConnection,
    limits: &StoreLimits,
    now: Stamp,
) -> Result<(), sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar(LAST).fetch_one(&mut *conn).await?;
    let restart = Restart::new(now, last.map(Stamp));
    let sql = "UPDATE session SET ended_at = ended_at + $1 WHERE $1 > 0";
    sqlx::query(sql).bind(millis(restart.off)).execute(&mut *conn).await?;
    let sql = "UPDATE session SET ended_at = $1, expiry = $2, sent = greatest(sent,
        coalesce((SELECT max(seq) FROM log WHERE log.recipient = session.recipient), 0))
        WHERE ended_at IS NULL";
    let end = sqlx::query(sql).bind(restart.now.0).bind(millis(limits.session_expiry_max));
    end.execute(&mut *conn).await?;
    // What was on its way when this node ended.
    due::unclaim(conn).await
}

/// The schema's version, from what the store says of it; 0 if it says nothing.
pub(super) fn version(value: Option<Vec<u8>>) -> Result<u64, StoreError> {
    let wrong = |_| crate::store::record::corrupt("meta 'schema' has a wrong length");
    let bytes = value.map_or(Ok([0; 8]), |value| value.try_into().map_err(wrong))?;
    known(u64::from_be_bytes(bytes))
}

fn known(version: u64) -> Result<u64, StoreError> {
    match version {
        version if version > NEWEST => Err(StoreError::Open(format!(
            "its schema has version {version}, this homing knows up to {NEWEST}: it was written \
             by a newer homing; run that one, or restore a backup made before the upgrade"
        ))),
        version => Ok(version),
    }
}

async fn migrate(conn: &mut PgConnection) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| StoreError::Open(format!("its schema: {error}"));
    let version = known(u64::from_be_bytes(meta(conn, "schema", 0u64.to_be_bytes()).await?))?;
    for sql in &MIGRATIONS[version as usize..] {
        sqlx::raw_sql(*sql).execute(&mut *conn).await.map_err(failed)?;
    }
    let update = sqlx::query("UPDATE meta SET value = $1 WHERE name = 'schema'");
    update.bind(NEWEST.to_be_bytes().to_vec()).execute(conn).await.map(drop).map_err(failed)
}

/// Reads a value; `default` becomes it if there is none.
async fn meta<const N: usize>(
    conn: &mut PgConnection,
    name: &str,
    default: [u8; N],
) -> Result<[u8; N], StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let insert = sqlx::query(sql).bind(name).bind(default.to_vec());
    insert.execute(&mut *conn).await.map_err(store_error)?;
    let query = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name);
    let value: Vec<u8> = query.fetch_one(conn).await.map_err(store_error)?;
    let wrong = |_| crate::store::record::corrupt(format!("meta '{name}' has a wrong length"));
    value.try_into().map_err(wrong)
}

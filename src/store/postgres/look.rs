//! Reading a store's version, and asking the server how it is, in read-only transactions.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::connect::{self, NEWEST, connect};
use super::error::store_error;
use crate::clock::{Clock, Stopwatch};
use crate::model::Stamp;
use crate::store::StoreError;
use crate::store::look::{Look, Server};

/// Questions whose round trips are measured.
const ROUND_TRIPS: usize = 5;

/// As [`crate::store::look::look`].
pub async fn look(url: &str, clock: &dyn Clock) -> Result<Option<Look>, StoreError> {
    let mut conn = connect(&connect::options(url)?).await?;
    let sql = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
    sqlx::raw_sql(sql).execute(&mut conn).await.map_err(store_error)?;
    let server = server(&mut conn, clock).await?;
    let schema = schema(&mut conn).await?;
    let newest_message = match schema {
        0 => None,
        _ => newest_message(&mut conn).await?,
    };
    conn.close().await.map_err(store_error)?;
    Ok(Some(Look { schema, newest_schema: NEWEST, newest_message, server: Some(server) }))
}

async fn server(conn: &mut PgConnection, clock: &dyn Clock) -> Result<Server, StoreError> {
    let version = sqlx::query_scalar("SHOW server_version").fetch_one(&mut *conn).await;
    let version = version.map_err(store_error)?;
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let mut trips = Vec::new();
    let mut ahead_millis = 0;
    for _ in 0..ROUND_TRIPS {
        let (watch, before) = (Stopwatch::start(), clock.stamp());
        let there: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut *conn).await.map_err(store_error)?;
        // It answered in the middle of its round trip.
        ahead_millis = there - (before.0 + clock.stamp().0) / 2;
        trips.push(watch.elapsed());
    }
    Ok(Server { version, round_trip: median(trips), ahead_millis })
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// 0 if there is none yet.
async fn schema(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('meta') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await
        .map_err(store_error)?;
    if !there {
        return Ok(0);
    }
    let query = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'schema'");
    let value: Option<Vec<u8>> = query.fetch_optional(conn).await.map_err(store_error)?;
    connect::version(value)
}

async fn newest_message(conn: &mut PgConnection) -> Result<Option<Stamp>, StoreError> {
    let sql = "SELECT ts FROM log ORDER BY id DESC LIMIT 1";
    let newest = sqlx::query_scalar::<_, i64>(sql).fetch_optional(conn).await;
    newest.map(|stamp| stamp.map(Stamp)).map_err(store_error)
}

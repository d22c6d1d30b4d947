//! A schema of its own for one test, in the PostgreSQL that `HOMING_TEST_POSTGRES` names.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

/// The `store.url` of a new, empty schema. `None` only if HOMING_TEST_SKIP_POSTGRES=1 says so.
pub fn new_store_url() -> Option<String> {
    if std::env::var("HOMING_TEST_SKIP_POSTGRES").is_ok_and(|value| value == "1") {
        eprintln!("PostgreSQL is left out: HOMING_TEST_SKIP_POSTGRES=1");
        return None;
    }
    let url = std::env::var("HOMING_TEST_POSTGRES").expect(
        "HOMING_TEST_POSTGRES=postgres://… is needed (scripts/services start prints it), \
         or HOMING_TEST_SKIP_POSTGRES=1 to leave PostgreSQL out",
    );
    let name = format!("b{:032x}", rand::random::<u128>());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options: PgConnectOptions = url.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        let sql = AssertSqlSafe(format!("CREATE SCHEMA {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    });
    let join = if url.contains('?') { '&' } else { '?' };
    Some(format!("{url}{join}options=-csearch_path%3D{name}"))
}

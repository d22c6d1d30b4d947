//! PostgreSQL under test: a schema for each test in the server that HOMING_TEST_POSTGRES names.

use homing::model::Stamp;
use homing::store::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::rig::LIMITS;

/// A schema of its own, dropped with the server: `scripts/services` starts a private one.
pub struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// `None` only if HOMING_TEST_SKIP_POSTGRES=1 says so; without either it fails.
    pub async fn new() -> Option<Schema> {
        if std::env::var("HOMING_TEST_SKIP_POSTGRES").is_ok_and(|value| value == "1") {
            eprintln!("PostgreSQL is left out: HOMING_TEST_SKIP_POSTGRES=1");
            return None;
        }
        let url = std::env::var("HOMING_TEST_POSTGRES").expect(
            "HOMING_TEST_POSTGRES=postgres://… is needed (scripts/services start prints it), \
             or HOMING_TEST_SKIP_POSTGRES=1 to leave PostgreSQL out",
        );
        let schema = Schema { url, name: format!("t{:032x}", rand::random::<u128>()) };
        schema.execute(&format!("CREATE SCHEMA {}", schema.name)).await;
        Some(schema)
    }

    pub fn url(&self) -> String {
        let join = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{join}options=-csearch_path%3D{}", self.url, self.name)
    }

    pub async fn open(&self, now: Stamp) -> PostgresStore {
        PostgresStore::open(&self.url(), LIMITS, now).await.unwrap()
    }

    pub async fn connection(&self) -> PgConnection {
        let options: PgConnectOptions = self.url().parse().unwrap();
        options.connect().await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.connection().await).await.unwrap();
    }

    /// See [`crate::rig::Rig::poison`].
    pub async fn poison(&self) {
        self.execute("ALTER TABLE log ADD CHECK (topic <> 'poison')").await;
    }
}

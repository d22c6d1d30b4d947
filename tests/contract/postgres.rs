//! PostgreSQL under test: a schema for each test in the server that HOMING_TEST_POSTGRES names.

use homing::model::{Seq, Stamp};
use homing::store::{PostgresStore, Store, StoreError, Write, Written};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::rig::LIMITS;
use crate::say::*;

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
        let name = &self.name;
        format!("{}{join}options=-csearch_path%3D{name}&application_name=homing-{name}", self.url)
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
        self.execute(
            "ALTER TABLE log ADD CHECK (coalesce(position('poison'::bytea IN message), 0) = 0)",
        )
        .await;
    }
}

/// Two nodes at once on the same logs and keys: no gap, no second seq, one message per key.
#[tokio::test]
async fn two_nodes_share_the_logs_without_gaps() {
    let Some(schema) = Schema::new().await else { return };
    let nodes = [schema.open(T0).await, schema.open(T0).await];
    let node = async |node: &PostgresStore, offset: u128| {
        let mut stored = 0;
        for round in 0..40 {
            let mut batch: Vec<Write> =
                ["c", "a", "b"].map(|name| append(inbox(name), round * 2 + offset)).into();
            batch.push(append_key(inbox("d"), round * 2 + offset, &format!("key {round}")));
            let commit = node.commit(&batch, T0).await.unwrap();
            stored += usize::from(matches!(commit.answers[3], Written::Appended { .. }));
        }
        stored
    };
    let stored = tokio::join!(node(&nodes[0], 0), node(&nodes[1], 1));
    assert_eq!(stored.0 + stored.1, 40, "each key was stored once");
    for name in ["a", "b", "c"] {
        let entries = nodes[0].read(&inbox(name), Seq(0), 1000, usize::MAX).await.unwrap();
        let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq.0).collect();
        assert_eq!(seqs, (31..=80).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_in_words_without_the_password() {
    let url = "postgres://homing:secret-word@127.0.0.1:1/x";
    let Err(error) = PostgresStore::open(url, LIMITS, T0).await else { panic!("opened") };
    let words = error.to_string();
    assert!(words.contains("127.0.0.1:1/x") && words.contains("store.url"), "{words}");
    assert!(!words.contains("secret-word"), "{words}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    drop(schema.open(T0).await);
    schema.execute("UPDATE meta SET value = '\\x00000000000000ff' WHERE name = 'schema'").await;
    let Err(error) = PostgresStore::open(&schema.url(), LIMITS, T0).await else { panic!("opened") };
    assert!(error.to_string().contains("newer homing"), "{error}");
}

/// The server ends the writing connection while it is idle: the next batch is refused, nothing of
/// it is there, and the one after it connects again.
#[tokio::test]
async fn a_connection_that_broke_before_the_commit_is_unavailable_and_made_again() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.open(T0).await;
    store.commit(&[append(inbox("bob"), 1)], T0).await.unwrap();
    // The writer is the only one that has touched this schema's log since.
    let sql = format!(
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
         WHERE a.pid <> pg_backend_pid() AND a.application_name = 'homing-{}'",
        schema.name
    );
    schema.execute(&sql).await;
    let result = store.commit(&[append(inbox("bob"), 2)], T0).await;
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    store.commit(&[append(inbox("bob"), 3)], T0).await.unwrap();
    let entries = store.read(&inbox("bob"), Seq(0), 10, usize::MAX).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn flipped_bytes_are_reported_by_the_checksum() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.open(T0).await;
    store.commit(&[append(inbox("bob"), 1)], T0).await.unwrap();
    schema
        .execute("UPDATE log SET message = overlay(message PLACING 'x' FROM octet_length(message))")
        .await;
    let read = store.read(&inbox("bob"), Seq(0), 10, 1000).await;
    let Err(StoreError::Corrupt(words)) = read else { panic!("{read:?}") };
    assert!(words.contains("record 1 of inbox bob"), "{words}");
}

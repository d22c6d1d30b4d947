//! The released stores of `fixtures/` on PostgreSQL: their rows in a schema of that version, as it
//! was made then, are opened by this homing. Both databases have the same tables and columns, but
//! for row numbers that PostgreSQL does not need.

use homing::store::PostgresStore;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sqlx::AssertSqlSafe;

use crate::fixture::{check_of, fixture};
use crate::postgres::Schema;
use crate::say::T0;

const VERSIONS: [&str; 4] = [
    include_str!("../../src/store/postgres/schema.sql"),
    include_str!("../../src/store/postgres/schema-2.sql"),
    include_str!("../../src/store/postgres/schema-3.sql"),
    include_str!("../../src/store/postgres/schema-4.sql"),
];

/// A value as SQL of PostgreSQL says it.
fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => {
            format!("'{}'", std::str::from_utf8(text).unwrap().replace('\'', "''"))
        }
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'")
        }
        ValueRef::Real(_) => panic!("no column holds one"),
    }
}

/// Statements that put all rows of a table, in the columns that it has.
fn inserts(file: &Connection, table: &str, columns: &[String]) -> Vec<String> {
    let columns = columns.join(", ");
    let mut select = file.prepare(&format!("SELECT {columns} FROM {table}")).unwrap();
    let width = select.column_count();
    let rows = select.query_map([], |row| {
        Ok((0..width).map(|index| literal(row.get_ref_unwrap(index))).collect::<Vec<_>>())
    });
    let rows = rows.unwrap().map(|row| row.unwrap().join(", "));
    rows.map(|values| {
        format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})")
    })
    .collect()
}

/// The store of this version, as PostgreSQL would hold it.
async fn fill(schema: &Schema, version: u32) {
    schema.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value BYTEA NOT NULL)").await;
    for sql in &VERSIONS[..version as usize] {
        schema.execute(sql).await;
    }
    let file = Connection::open(fixture(version)).unwrap();
    let mut statements = vec![format!("INSERT INTO meta VALUES ('schema', '\\x{version:016x}')")];
    for table in tables(&file) {
        let columns = columns(schema, &table).await;
        statements.extend(inserts(&file, &table, &columns));
        if columns.iter().any(|column| column == "id") {
            statements.push(format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            ));
        }
    }
    statements.push(
        "UPDATE recipient r SET head = greatest(r.head,
         (SELECT coalesce(max(l.seq), 0) FROM log l WHERE l.recipient = r.id))"
            .into(),
    );
    schema.execute(&statements.join(";\n")).await;
}

fn tables(file: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut select = file.prepare(sql).unwrap();
    let names = select.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

async fn columns(schema: &Schema, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = '{table}'"
    );
    let query = sqlx::query_scalar(AssertSqlSafe(sql));
    query.fetch_all(&mut schema.connection().await).await.unwrap()
}

async fn opens(version: u32) {
    let Some(schema) = Schema::new().await else { return };
    fill(&schema, version).await;
    let store: PostgresStore = schema.open(T0).await;
    check_of(version, &store).await;
}

#[tokio::test]
async fn a_store_of_schema_version_1_opens_and_has_everything() {
    opens(1).await;
}

#[tokio::test]
async fn a_store_of_schema_version_2_opens_and_has_everything() {
    opens(2).await;
}

#[tokio::test]
async fn a_store_of_schema_version_3_opens_and_has_everything() {
    opens(3).await;
}

#[tokio::test]
async fn a_store_of_schema_version_4_opens_and_has_everything() {
    opens(4).await;
}

//! Statements over many rows in a few fixed sizes, so that each is prepared once. What a chunk
//! leaves empty is NULL (unbound), and every statement passes such rows over.

use std::sync::{Arc, OnceLock};

use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};

/// Rows per statement. SQLite takes 32,766 parameters; the widest row has 17.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];
pub(super) const CHUNK_ROWS_MAX: usize = 256;

/// `WITH v (columns) AS (VALUES rows) rest`, where `rest` reads `v`.
pub(super) struct Statement {
    columns: &'static str,
    rest: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

impl Statement {
    pub(super) const fn new(columns: &'static str, rest: &'static str) -> Statement {
        Statement { columns, rest, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The statement for up to `rows` rows, at most [`CHUNK_ROWS_MAX`]; bind them in order.
    pub(super) fn query(&self, rows: usize) -> Bound<'_> {
        let index = SIZES.iter().position(|size| *size >= rows).unwrap_or(SIZES.len() - 1);
        let text = self.texts[index].get_or_init(|| self.text(SIZES[index]).into());
        sqlx::query(AssertSqlSafe(text.clone()))
    }

    fn text(&self, rows: usize) -> String {
        let width = self.columns.split(',').count();
        let row = format!("({})", vec!["?"; width].join(","));
        let rows = vec![row; rows].join(",");
        format!("WITH v ({}) AS (VALUES {rows}) {}", self.columns, self.rest)
    }
}

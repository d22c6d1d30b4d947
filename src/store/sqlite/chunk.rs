//! Statements over many rows in a few fixed sizes, so that each is prepared once. What a chunk
//! leaves empty is NULL (unbound), and every statement passes such rows over.

use std::sync::{Arc, OnceLock};

use sqlx::encode::Encode;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::types::Type;
use sqlx::{Arguments, AssertSqlSafe};

use super::error::store_error;
use crate::store::StoreError;

/// Rows per statement. SQLite takes 32,766 parameters; the widest row has 17.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];
pub(super) const CHUNK_ROWS_MAX: usize = 256;

/// `WITH v (columns) AS (VALUES rows) rest`, where `rest` reads `v`.
pub(super) struct Statement {
    columns: &'static str,
    rest: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

/// The values of a statement, row by row. (A query of sqlx moves as a whole with each value.)
pub(super) struct Bound<'a>(&'a mut Result<SqliteArguments, sqlx::Error>);

impl Bound<'_> {
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(self, value: T) -> Self {
        if let Ok(values) = self.0
            && let Err(error) = values.add(value)
        {
            *self.0 = Err(sqlx::Error::Encode(error));
        }
        self
    }
}

impl Statement {
    pub(super) const fn new(columns: &'static str, rest: &'static str) -> Statement {
        Statement { columns, rest, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The statement for these rows, at most [`CHUNK_ROWS_MAX`]; `bind` gives a row's values in
    /// the order of the columns.
    pub(super) fn query<T>(
        &self,
        rows: &[T],
        bind: impl for<'a> Fn(Bound<'a>, &T) -> Bound<'a>,
    ) -> Result<Query<'_, Sqlite, SqliteArguments>, StoreError> {
        let index = SIZES.iter().position(|size| *size >= rows.len()).unwrap_or(SIZES.len() - 1);
        let text = self.texts[index].get_or_init(|| self.text(SIZES[index]).into());
        let mut values = SqliteArguments::default();
        values.reserve(rows.len() * self.width(), 0);
        let mut values = Ok(values);
        for row in rows {
            bind(Bound(&mut values), row);
        }
        Ok(sqlx::query_with(AssertSqlSafe(text.clone()), values.map_err(store_error)?))
    }

    fn width(&self) -> usize {
        self.columns.split(',').count()
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.width()].join(","));
        let rows = vec![row; rows].join(",");
        format!("WITH v ({}) AS (VALUES {rows}) {}", self.columns, self.rest)
    }
}

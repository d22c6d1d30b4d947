//! From PostgreSQL's SQLSTATEs and broken connections to what the contract calls them.

use crate::store::StoreError;
use crate::store::record::corrupt;

/// What to do with a failed transaction.
#[derive(Debug)]
pub(super) enum Failed {
    /// Another node was in between: the same batch again, from the start.
    Again(StoreError),
    /// The connection is unusable.
    Broken(StoreError),
    Other(StoreError),
}

impl Failed {
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Failed::Again(error) | Failed::Broken(error) | Failed::Other(error) => error,
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Other(error)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Failed {
        let words = error.to_string();
        let Some(code) = error.as_database_error().and_then(|e| e.code()) else {
            return match error {
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                    Failed::Other(corrupt(words))
                }
                _ => Failed::Broken(StoreError::Unavailable(words)),
            };
        };
        match &*code {
            // Serialization failure, deadlock, unique violation: another node wrote the same.
            "40001" | "40P01" | "23505" => Failed::Again(StoreError::Unavailable(words)),
            "53100" => Failed::Other(StoreError::Full(words)),
            "XX001" | "XX002" => Failed::Other(corrupt(words)),
            "58030" => Failed::Broken(StoreError::OutcomeUnknown(words)),
            // The server is shutting down or starting.
            code if code.starts_with("57P") => Failed::Broken(StoreError::Unavailable(words)),
            _ => Failed::Other(StoreError::Unavailable(words)),
        }
    }
}

/// For reads.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    Failed::from(error).into_error()
}

/// Inside COMMIT a broken connection means that nobody knows; a word from the server means that it
/// did not happen.
pub(super) fn commit_error(error: sqlx::Error) -> Failed {
    match Failed::from(error) {
        Failed::Broken(StoreError::Unavailable(words)) => Failed::Broken(
            StoreError::OutcomeUnknown(format!("the connection broke inside COMMIT: {words}")),
        ),
        other => other,
    }
}

//! From SQLite's result codes to what the contract calls them.

use rusqlite::Error;

use crate::store::StoreError;
use crate::store::record::corrupt;

const FULL: i32 = 13;
const IO_ERROR: i32 = 10;
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;
const READ_ONLY: i32 = 8;
/// Busy, locked, out of memory, interrupted, cannot open, lost a race: another time it may work.
const TRANSIENT: [i32; 6] = [5, 6, 7, 9, 14, 15];

/// The primary result code is the low byte of the extended one.
fn primary_code(error: &Error) -> Option<i32> {
    match error {
        Error::SqliteFailure(error, _) | Error::SqlInputError { error, .. } => {
            Some(error.extended_code & 0xff)
        }
        _ => None,
    }
}

/// For reads and for statements inside a transaction.
impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        let words = error.to_string();
        match primary_code(&error) {
            Some(FULL) => StoreError::Full(words),
            Some(IO_ERROR) => StoreError::OutcomeUnknown(words),
            Some(CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt(format!(
                "{words}; stop the broker, keep a copy of the data directory and restore a backup"
            )),
            Some(code) if TRANSIENT.contains(&code) => StoreError::Unavailable(words),
            Some(_) => StoreError::Refused(words),
            // Not SQLite's word: a value that is not what its column holds, or a misuse.
            None => match error {
                Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::Utf8Error(..) => corrupt(words),
                _ => StoreError::Unavailable(words),
            },
        }
    }
}

/// For opening: the words say which file and what to do.
pub(super) fn open_error(path: &std::path::Path, error: Error) -> StoreError {
    let advice = match primary_code(&error) {
        Some(NOT_A_DATABASE | CORRUPT) => {
            "it is no store of homing or it is damaged: restore a backup or move it away"
        }
        Some(READ_ONLY) => "it is read-only: give this user the right to write it",
        Some(FULL) => {
            "the disk is full: to bring a store to a new schema takes up to four times its size"
        }
        Some(IO_ERROR) => "the disk failed: look into the system's log",
        _ => "check that this user may read and write it and its directory",
    };
    StoreError::Open(format!("{}: {error}; {advice}", path.display()))
}

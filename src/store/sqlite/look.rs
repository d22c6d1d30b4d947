//! Reading a store's version without making, changing or removing a file beside it.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::task::spawn_blocking;

use super::FILE_NAME;
use super::error::open_error;
use super::schema;
use crate::model::Stamp;
use crate::store::StoreError;
use crate::store::look::Look;

/// A VFS of SQLite's own that takes no locks.
const NO_LOCKS: &str = "unix-none";
const NEWEST_MESSAGE: &str = "SELECT ts FROM log ORDER BY id DESC LIMIT 1";

/// As [`crate::store::look::look`].
pub async fn look(data_dir: &Path, in_use: bool) -> Result<Option<Look>, StoreError> {
    let path = data_dir.join(FILE_NAME);
    let looking = spawn_blocking(move || look_at(&path, in_use));
    looking.await.map_err(|error| StoreError::Open(format!("the look did not end: {error}")))?
}

fn look_at(path: &Path, in_use: bool) -> Result<Option<Look>, StoreError> {
    match std::fs::metadata(path) {
        Ok(file) if file.len() > 0 => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::Open(format!(
                "{}: {error}; check that this user may read it and its directory",
                path.display()
            )));
        }
        _ => return Ok(None),
    }
    let reader = connect(path, in_use).map_err(|error| open_error(path, error))?;
    read(&reader, path)
}

/// - Beside a running broker as one of its readers: the log and its index are there and stay.
/// - After a crash there is a log without a live index. Without locks the index is made in memory
///   (SQLite, "Use of WAL without shared-memory"); otherwise a file would be made for it.
/// - After a clean end there is no log; only an immutable file makes SQLite not make one.
fn connect(path: &Path, in_use: bool) -> rusqlite::Result<Connection> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = match std::fs::metadata(&log) {
        _ if in_use => Connection::open_with_flags(path, flags)?,
        Ok(log) if log.len() > 0 => {
            let reader = Connection::open_with_flags_and_vfs(path, flags, NO_LOCKS)?;
            reader.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            reader
        }
        _ => Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
    };
    schema::prepare_reader(&reader)?;
    Ok(reader)
}

/// The file's address with what tells SQLite that nobody changes it.
fn immutable(path: &Path) -> String {
    let encode = |byte: &u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    let path: String = path.as_os_str().as_bytes().iter().map(encode).collect();
    format!("file:{path}?immutable=1")
}

fn read(reader: &Connection, path: &Path) -> Result<Option<Look>, StoreError> {
    schema::check_maker(reader, path)?;
    let schema = schema::version(reader, path)?;
    if schema == 0 {
        return Ok(None);
    }
    let newest = reader.query_row(NEWEST_MESSAGE, [], |row| row.get(0)).optional();
    let newest_message = newest.map_err(|error| open_error(path, error))?.map(Stamp);
    Ok(Some(Look { schema, newest_schema: schema::NEWEST, newest_message, server: None }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::time::Duration;

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Store, StoreLimits};

    const LIMITS: StoreLimits =
        StoreLimits { messages_max: 10, session_expiry_max: Duration::from_secs(1) };

    /// Names and contents.
    fn files(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
        let all = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        all.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect()
    }

    /// Looks at a store that nobody uses, and sees that nothing changes by it.
    async fn look_at_rest(dir: &Path) -> Result<Option<Look>, StoreError> {
        let before = files(dir);
        let look = look(dir, false).await;
        assert!(files(dir) == before, "{:?}", files(dir).keys());
        look
    }

    async fn made(dir: &Path) -> SqliteStore {
        SqliteStore::open(dir, LIMITS, Stamp(1)).await.unwrap()
    }

    fn newest() -> Option<Look> {
        let version = schema::NEWEST;
        Some(Look { schema: version, newest_schema: version, newest_message: None, server: None })
    }

    #[tokio::test]
    async fn where_there_is_none_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look_at_rest(dir.path()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_store_that_was_closed_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path()).await.close().await.unwrap();
        assert_eq!(look_at_rest(dir.path()).await.unwrap(), newest());
    }

    #[tokio::test]
    async fn a_store_that_was_left_by_a_crash_stays_as_it_is() {
        let (dir, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = made(dir.path()).await;
        for (name, bytes) in files(dir.path()) {
            std::fs::write(image.path().join(name), bytes).unwrap();
        }
        store.close().await.unwrap();
        assert!(files(image.path()).contains_key(&OsString::from("homing.db-wal")));
        assert_eq!(look_at_rest(image.path()).await.unwrap(), newest());
        std::fs::remove_file(image.path().join("homing.db-shm")).unwrap();
        assert_eq!(look_at_rest(image.path()).await.unwrap(), newest());
    }

    #[tokio::test]
    async fn beside_a_broker_it_is_one_more_reader() {
        let dir = tempfile::tempdir().unwrap();
        let store = made(dir.path()).await;
        let names = || files(dir.path()).into_keys().collect::<Vec<_>>();
        let before = names();
        assert_eq!(look(dir.path(), true).await.unwrap(), newest());
        assert_eq!(names(), before);
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_newer_store_and_a_foreign_file_are_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path()).await.close().await.unwrap();
        let path = dir.path().join(FILE_NAME);
        let writer = schema::open_writer(&path).unwrap();
        writer.pragma_update(None, "user_version", 99).unwrap();
        writer.close().unwrap();
        let words = look_at_rest(dir.path()).await.unwrap_err().to_string();
        assert!(words.contains("schema version 99"), "{words}");
        std::fs::write(&path, "this is no database, whatever its name says").unwrap();
        let words = look_at_rest(dir.path()).await.unwrap_err().to_string();
        assert!(words.contains("no store of homing"), "{words}");
    }
}

//! The stores under test, each in a place of its own, and how each of them dies and comes back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homing::model::{Entry, Recipient, Seq, SessionKey, Stamp};
use homing::store::{
    Census, Commit, Cursor, MemoryStore, Opened, Removal, SqliteStore, Store, StoreError,
    StoreLimits, Sweep, Write, Written,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::say::T0;

pub const LIMITS: StoreLimits =
    StoreLimits { messages_max: 50, session_expiry_max: Duration::from_secs(90 * 24 * 3600) };

/// A topic whose record no store takes once [`Rig::poison`] was called.
pub const POISON: &str = "poison";

/// A store with its clock.
pub struct Rig {
    pub store: Arc<dyn Store>,
    pub now: Stamp,
    place: Place,
}

enum Place {
    Memory(Arc<MemoryStore>),
    Sqlite(TempDir),
    Postgres(crate::postgres::Schema),
}

pub async fn memory() -> Option<Rig> {
    let store = Arc::new(MemoryStore::new(LIMITS));
    Some(Rig { store: store.clone(), now: T0, place: Place::Memory(store) })
}

pub async fn sqlite() -> Option<Rig> {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap());
    Some(Rig { store, now: T0, place: Place::Sqlite(dir) })
}

/// `None` only if the environment says that PostgreSQL is to be left out.
pub async fn postgres() -> Option<Rig> {
    let schema = crate::postgres::Schema::new().await?;
    let store = Arc::new(schema.open(T0).await);
    Some(Rig { store, now: T0, place: Place::Postgres(schema) })
}

/// Copies what a crash would leave: the main file and its log as they are.
pub fn copy_image(from: &Path, to: &Path) {
    for name in ["homing.db", "homing.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// A connection of the test's own to a store's file.
pub fn sqlite_connection(dir: &Path) -> Connection {
    Connection::open(dir.join("homing.db")).unwrap()
}

impl Rig {
    /// The process dies without a word and starts again.
    pub async fn crash(&mut self) {
        match &mut self.place {
            Place::Memory(store) => store.crash(self.now),
            Place::Sqlite(dir) => {
                let copy = tempfile::tempdir().unwrap();
                copy_image(dir.path(), copy.path());
                let store = SqliteStore::open(copy.path(), LIMITS, self.now).await.unwrap();
                self.store = Arc::new(store);
                *dir = copy;
            }
            Place::Postgres(schema) => self.store = Arc::new(schema.open(self.now).await),
        }
    }

    /// From now on a record with the topic [`POISON`] fails inside its transaction; in memory the
    /// next commit fails.
    pub async fn poison(&self) {
        match &self.place {
            Place::Memory(store) => store.fail_next(StoreError::Unavailable(POISON.into())),
            Place::Sqlite(dir) => {
                let sql = "CREATE TRIGGER poison BEFORE INSERT ON log
                           WHEN instr(new.message, CAST('poison' AS BLOB))
                           BEGIN SELECT raise(ABORT, 'poison'); END";
                sqlite_connection(dir.path()).execute(sql, []).unwrap();
            }
            Place::Postgres(schema) => schema.poison().await,
        }
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    pub async fn commit(&self, batch: &[Write]) -> Commit {
        self.store.commit(batch, self.now).await.unwrap()
    }

    pub async fn write(&self, write: Write) -> Written {
        self.commit(&[write]).await.answers.remove(0)
    }

    pub async fn read(&self, recipient: &Recipient) -> Vec<Entry> {
        self.store.read(recipient, Seq(0), 10_000, usize::MAX).await.unwrap()
    }

    pub async fn seqs(&self, recipient: &Recipient) -> Vec<u64> {
        self.read(recipient).await.iter().map(|entry| entry.seq.0).collect()
    }

    pub async fn open(&self, key: &SessionKey, clean_start: bool, keep: bool) -> Opened {
        match self.write(crate::say::open(key, clean_start, keep)).await {
            Written::Opened(opened) => *opened,
            other => panic!("{other:?}"),
        }
    }

    pub async fn know(&self, key: &SessionKey) -> Cursor {
        match self.write(crate::say::know(key)).await {
            Written::Known(cursor) => cursor,
            other => panic!("{other:?}"),
        }
    }

    /// What a whole pass of the sweeper counts: sessions connected and away, records that wait.
    pub async fn census(&self) -> [u64; 3] {
        let (mut all, mut after) = (Census::default(), Some(0));
        while let Some(place) = after {
            let step = Sweep { after: place, recipients_max: 2, ..crate::say::sweep() };
            let Written::Swept(swept) = self.write(Write::Sweep(step)).await else { panic!() };
            all += swept.census;
            after = swept.next;
        }
        [all.connected, all.away, all.waiting]
    }

    /// A whole pass of the sweeper, step by step.
    pub async fn sweep(&self, sweep: Sweep) -> (BTreeMap<Removal, u64>, Vec<SessionKey>) {
        let (mut removed, mut expired) = (BTreeMap::new(), Vec::new());
        let mut after = Some(0);
        while let Some(place) = after {
            let step = Sweep { after: place, ..sweep.clone() };
            let Written::Swept(swept) = self.write(Write::Sweep(step)).await else { panic!() };
            for (why, count) in swept.removed {
                *removed.entry(why).or_default() += count;
            }
            expired.extend(swept.expired_sessions);
            after = swept.next;
        }
        expired.sort();
        (removed, expired)
    }
}

/// The answer to an append.
pub fn appended(written: &Written) -> Vec<u64> {
    match written {
        Written::Appended { seqs } => seqs.iter().map(|seq| seq.0).collect(),
        other => panic!("{other:?}"),
    }
}

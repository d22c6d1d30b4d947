//! What survives kill -9: the [`Store`] trait and its promises.
//!
//! One durable log per [`Recipient`]; everything that consumes it is a reader with a cursor.
//! Every implementation keeps these promises, and `tests/contract` runs one suite on all of them:
//!
//! 1. [`Store::commit`] applies a batch in order and in one transaction. When it returns `Ok`, all
//!    of it is on disk (fsync) and survives power loss. When it returns `Err`, none of it is
//!    visible afterwards, or the error says that the outcome is unknown.
//! 2. `seq` is dense within one recipient and never given twice, whatever was deleted since.
//! 3. A dedupe key and the sender's state are part of the transaction of the message they belong
//!    to.
//! 4. A read returns what is committed, in `seq` order, without gaps but for removed records.
//! 5. A removal is counted with its reason; nothing is removed without one.

mod batch;
mod cache;
mod checksum;
pub mod commit;
pub mod disk;
mod due;
pub mod lock;
pub mod look;
pub mod memory;
pub mod open;
mod packed;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "without_postgres.rs"]
mod postgres;
mod quota;
mod record;
mod retained;
pub mod sqlite;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Ban, BanTarget, ClientId, DedupeKey, Delivery, Due, Entry, Filter, Message, MessageId,
    Recipient, Roles, SenderState, Seq, SessionKey, Stamp, Step, Uid,
};

pub use commit::{Committer, Done, Reply, Request, Tag};
pub use disk::DiskGuard;
pub use due::{Change, Claim, Schedule};
pub use memory::MemoryStore;
pub use open::open;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use quota::Quota;
pub use retained::RetainedPage;
pub use sqlite::SqliteStore;

/// A device seen again within this time is not written again: its age is known to that grain.
pub const DEVICE_SEEN_GRAIN: Duration = Duration::from_secs(60);

/// Records of one log that go at most with a cursor that moved: what follows waits for it.
const RELEASE_COUNT_MAX: u64 = 1000;

/// What a store must know beside its batches.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Records kept in one log. The oldest beyond it go in the transaction of the append that
    /// leaves more than 1 % too many, down to exactly this number.
    pub messages_max: u64,
    /// How long a durable session lives that was connected when the process ended: nobody could
    /// say then how long it was to be kept.
    pub session_expiry_max: Duration,
}

impl StoreLimits {
    /// The newest `seq` to remove from a log that spans `low..=head`; `None` if it is short enough.
    pub(crate) fn trim(&self, low: u64, head: u64) -> Option<u64> {
        let span = (head + 1).saturating_sub(low);
        (span > self.messages_max + self.messages_max / 100)
            .then(|| head.saturating_sub(self.messages_max))
    }
}

/// A duration as it is stored; longer ones count as the longest.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What an asynchronous store method returns; boxed so that the trait serves as `dyn`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One write. A batch of them is one transaction.
#[derive(Clone, Debug)]
pub enum Write {
    /// Stores a message for its addressees. Answered by [`Written::Appended`] or
    /// [`Written::Duplicate`]; a duplicate writes nothing but the sender's step.
    Append(Append),
    /// Leaves a message for later, or takes one back. Answered by [`Written::Done`],
    /// [`Written::Duplicate`], [`Written::OverQuota`], [`Written::OnItsWay`] or
    /// [`Written::NothingWaits`]; but for the first two nothing at all is written.
    Schedule(Schedule),
    /// Messages that are due are on their way from now on: what changes them comes too late.
    /// Answered by [`Written::Claimed`]. Those whose append or [`Write::DropDue`] did not follow
    /// before the process ended, or the store was opened again, are claimed again.
    Claim(Claim),
    /// A message that is due does not go out.
    DropDue {
        id: MessageId,
    },
    /// Reads all that is kept for a session and, on a clean start, deletes its subscriptions and
    /// its queue (never the inbox, its cursor or the ring of its sender state). With `keep` the
    /// session is durable from now on: it is created where there is none (its queue starts at the
    /// queue's head), and it does not expire while it is connected. Part of the batch so that it
    /// sees all earlier writes of the former connection. A will of it that waits is taken back if
    /// the session goes on [MQTT-3.1.3-9], else it is due now. Answered by [`Written::Opened`].
    OpenSession {
        key: SessionKey,
        clean_start: bool,
        keep: bool,
    },
    /// The connection of a durable session ended: from now on `expiry` runs. With `Duration::ZERO`
    /// the session, its subscriptions and its queue are deleted, but for what is left to the other
    /// members of shared subscriptions ([`Store::legacies`]), and a will of it that waits is due
    /// now; so it is wherever a session ends.
    EndSession {
        key: SessionKey,
        expiry: Duration,
    },
    /// One step of the session's [`SenderState`] on its own (QoS 2, clean end). A state that is
    /// empty afterwards is not kept. The whole state is one small blob per session
    /// ([`SenderState::encode`]): written once per batch, however many steps the batch holds.
    Step {
        key: SessionKey,
        step: Step,
    },
    /// Adds or replaces subscriptions of a durable session.
    Subscribe {
        key: SessionKey,
        subscriptions: Vec<Subscription>,
    },
    Unsubscribe {
        key: SessionKey,
        filters: Vec<Box<str>>,
    },
    /// Makes a device known: its cursor starts at the most advanced one of the user's other
    /// devices, or before the oldest message kept. Beyond `devices_max` devices the one not seen
    /// for longest is removed and counted. Idempotent. Answered by [`Written::Known`].
    KnowDevice {
        key: SessionKey,
        devices_max: u32,
    },
    /// Forgets a device as if it had never been: its cursor, its durable session with subscriptions
    /// and queue, its sender state, a will of it that waits. Counted as [`Removal::Forgotten`].
    ForgetDevice {
        key: SessionKey,
    },
    /// Forgets all devices of a user's inbox and removes what is in it, and all that the user has
    /// left for later, counted as [`Removal::Forgotten`]: part of the batch so that it meets every
    /// earlier append.
    ForgetInbox {
        uid: Uid,
    },
    /// Moves a reader's cursor forward (never back) and stores how far it was sent to, for the DUP
    /// flag after a reconnect. For an inbox the reader is the device `key.client_id`.
    Advance {
        key: SessionKey,
        log: Log,
        cursor: Seq,
        sent: Seq,
    },
    PutAccount {
        uid: Uid,
        account: Account,
    },
    DeleteAccount {
        uid: Uid,
    },
    /// Adds a ban, or replaces the one of its target. Bans that are over go with it.
    PutBan(Ban),
    DeleteBan(BanTarget),
    /// One step of the sweeper over a page of recipients. Answered by [`Written::Swept`].
    Sweep(Sweep),
}

/// A user that homing knows by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// argon2, as a PHC string.
    pub password_hash: String,
    pub roles: Roles,
}

impl Account {
    /// Of a user whose removal has begun: no password is right.
    pub fn locked() -> Account {
        Account::default()
    }

    pub fn is_locked(&self) -> bool {
        self.password_hash.is_empty()
    }
}

/// One message for all of its durable addressees.
#[derive(Clone, Debug)]
pub struct Append {
    pub message: Arc<Message>,
    /// Each gets one record; none at all is allowed (then only the step is written).
    pub addressees: Vec<(Recipient, Delivery)>,
    pub dedupe: Option<DedupeKey>,
    /// Remembers this publish's packet id; applied only if this very append succeeds.
    pub step: Option<(SessionKey, Step)>,
    /// Keeps the message as its topic's retained one, in the same transaction. Answered by
    /// [`Written::OverQuota`], and nothing else of it happens, if its sender keeps too much.
    pub retain: Option<Quota>,
    /// The message was due: what waited under its id goes in the same transaction. If nothing does
    /// any more, the answer is [`Written::NothingWaits`], and nothing else of it happens. It goes,
    /// too, if the answer is [`Written::OverQuota`].
    pub fires: bool,
    /// The message is one that a member of a shared subscription left: that record goes in the same
    /// transaction.
    pub inherited: Option<Inherited>,
}

impl Append {
    /// A message for nobody yet.
    pub fn new(message: Arc<Message>) -> Append {
        let (dedupe, step, retain, inherited) = (None, None, None, None);
        let fires = false;
        Append { message, addressees: Vec::new(), dedupe, step, retain, fires, inherited }
    }
}

/// One of [`Store::legacies`] that is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The session that left it, and its place in that one's queue.
    pub key: SessionKey,
    pub seq: Seq,
    /// [`Removal::HandedOn`], or why nobody gets it.
    pub why: Removal,
}

/// Which of a session's two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    Inbox,
    Queue,
}

/// A subscription as it is stored. `options` is the byte of MQTT 5, section 3.8.3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub filter: Filter,
    pub options: u8,
    /// MQTT 5 subscription identifier; 0 is none.
    pub id: u32,
}

/// Limits and the place of one sweep step.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Continue after this recipient number (0 at first).
    pub after: i64,
    /// Recipients in this step, at most.
    pub recipients_max: u32,
    pub retention: Duration,
    pub messages_max: u64,
    pub device_ttl: Duration,
}

/// What one write answered, at the same index as the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// One `seq` per addressee, in their order.
    Appended {
        seqs: Vec<Seq>,
    },
    /// The dedupe key is known: nothing was stored, `id` names the message that was.
    Duplicate {
        id: MessageId,
    },
    /// See [`Append::retain`] and [`Change::Put`].
    OverQuota,
    /// There is nothing to change or to take back.
    NothingWaits,
    /// It is claimed already: a change comes too late.
    OnItsWay,
    /// In the order in which they are due.
    Claimed(Vec<Due>),
    Opened(Box<Opened>),
    Known(Cursor),
    Swept(Box<Swept>),
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Everything up to here is acknowledged.
    pub cursor: Seq,
    /// Everything up to here may have been sent already.
    pub sent: Seq,
    /// The newest record of the log.
    pub head: Seq,
}

/// A device of a user, and when it was last seen (to a grain of [`DEVICE_SEEN_GRAIN`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    pub client_id: ClientId,
    pub cursor: Cursor,
    pub seen_at: Stamp,
}

/// What is kept for a session when it connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    pub state: SenderState,
    /// The device's place in its user's inbox; `None` for a device not known yet.
    pub inbox: Option<Cursor>,
    /// A durable session was there before and had not expired (nor was it cleaned just now).
    pub session_present: bool,
    /// The durable session, old or new; `None` if there was none and none was to be kept.
    pub durable: Option<Durable>,
    /// A will of it is due now.
    pub will_is_due: bool,
}

/// A durable MQTT session (plain topics).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    pub subscriptions: Vec<Subscription>,
    pub queue: Cursor,
}

/// What a sweep step found among its recipients and left there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Durable sessions with a connection.
    pub connected: u64,
    /// Durable sessions without one.
    pub away: u64,
    /// Records behind what every reader of their log has acknowledged.
    pub waiting: u64,
}

impl std::ops::AddAssign for Census {
    fn add_assign(&mut self, other: Census) {
        self.connected += other.connected;
        self.away += other.away;
        self.waiting += other.waiting;
    }
}

/// What a sweep step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records removed, by reason.
    pub removed: Vec<(Removal, u64)>,
    /// Sessions whose expiry passed: forget their subscriptions.
    pub expired_sessions: Vec<SessionKey>,
    pub census: Census,
    /// Where to continue; `None` when the end was reached.
    pub next: Option<i64>,
}

/// Why a record or a device was removed. The name is the metric's `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Removal {
    /// Every known device has acknowledged it.
    Acknowledged,
    /// Its message expiry passed.
    Expired,
    /// Older than `inbox.retention`.
    RetentionAge,
    /// More than `inbox.messages_max` in one log.
    RetentionCount,
    /// Its durable session ended.
    SessionEnded,
    /// A device not seen for `inbox.device_ttl`.
    DeviceTtl,
    /// A device beyond `limits.devices_per_user`.
    DeviceCount,
    /// An administrator removed the device or the user.
    Forgotten,
    /// Its session ended, and another member of the shared subscription got it.
    HandedOn,
}

impl Removal {
    pub const ALL: [Removal; 9] = [
        Removal::Acknowledged,
        Removal::Expired,
        Removal::RetentionAge,
        Removal::RetentionCount,
        Removal::SessionEnded,
        Removal::DeviceTtl,
        Removal::DeviceCount,
        Removal::Forgotten,
        Removal::HandedOn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Removal::Acknowledged => "acknowledged",
            Removal::Expired => "expired",
            Removal::RetentionAge => "retention_age",
            Removal::RetentionCount => "retention_count",
            Removal::SessionEnded => "session_ended",
            Removal::DeviceTtl => "device_ttl",
            Removal::DeviceCount => "device_count",
            Removal::Forgotten => "forgotten",
            Removal::HandedOn => "handed_on",
        }
    }
}

/// The committed result of a batch.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// One answer per write.
    pub answers: Vec<Written>,
    /// Records that went inside this transaction, by reason: to the count limit at append, or with
    /// the last cursor that moved past them.
    pub removed: Vec<(Removal, u64)>,
    /// How long COMMIT took, where the store has one.
    pub synced: Option<Duration>,
    /// There may be more of [`Store::legacies`] than before.
    pub legacies: bool,
}

/// Names a store for its clients: another identity means that `seq` starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    pub uuid: u128,
    /// Raised when the store was restored from a backup.
    pub epoch: u64,
}

/// Why the store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the disk is full: {0}")]
    Full(String),
    /// Nothing was written; the same may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// An fsync or write failed, or the connection broke inside COMMIT: it may or may not be there.
    #[error("the store failed and the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// This very batch cannot be stored; the store itself is well.
    #[error("the store refuses it: {0}")]
    Refused(String),
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    #[error("the store cannot be opened: {0}")]
    Open(String),
}

/// The store. One writer at a time calls [`Store::commit`] (see `commit.rs`); reads may overlap.
pub trait Store: Send + Sync {
    /// Promise 1. `now` stamps what needs a time (device seen, session ended, sweep).
    fn commit<'a>(&'a self, batch: &'a [Write], now: Stamp) -> StoreFuture<'a, Commit>;

    /// Records after `after`, oldest first, within both bounds but at least one if there is one.
    /// Records past their expiry come too: the reader drops and counts them.
    fn read<'a>(
        &'a self,
        recipient: &'a Recipient,
        after: Seq,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, Vec<Entry>>;

    /// Retained messages of the topics that `filter` matches, after the topic `after`, in the
    /// order of their topics: some of them, within both bounds. A page may be empty and yet not the
    /// last.
    fn retained<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<&'a str>,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, RetainedPage>;

    /// When the next message that waits is due.
    fn next_due(&self) -> StoreFuture<'_, Option<Stamp>>;

    /// How many messages wait, or are on their way.
    fn due_count(&self) -> StoreFuture<'_, u64>;

    /// All stored subscriptions of durable sessions, page by page, for the start.
    fn subscriptions<'a>(
        &'a self,
        after: Option<(SessionKey, Filter)>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(SessionKey, Subscription)>>;

    /// Records of shared subscriptions whose session ended before it had acknowledged them: each
    /// is for another member, or for nobody, and goes by [`Append::inherited`]. Not those of QoS 2
    /// that may have been sent [MQTT-4.8.2-5]. The oldest of each session first.
    fn legacies(&self, count_max: usize) -> StoreFuture<'_, Vec<(SessionKey, Entry)>>;

    fn account<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Option<Account>>;

    /// Accounts after `after` with their roles, in order of uid.
    fn accounts<'a>(
        &'a self,
        after: Option<&'a Uid>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(Uid, Roles)>>;

    /// All bans, also those that are over.
    fn bans(&self) -> StoreFuture<'_, Vec<Ban>>;

    /// When the newest message kept was taken; `None` if none is kept. The clock of a start is
    /// compared with it.
    fn newest(&self) -> StoreFuture<'_, Option<Stamp>>;

    /// Devices of a user, in the order of their client ids.
    fn devices<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<KnownDevice>>;

    /// Durable sessions of a user, the one away for longest first; last those that are connected,
    /// or were when the process died.
    fn sessions<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<ClientId>>;

    /// How many retained messages there are, those whose time is over included.
    fn retained_count(&self) -> StoreFuture<'_, u64>;

    fn identity(&self) -> StoreIdentity;

    /// Compares the structure of all that is stored with itself: for the background, once the
    /// start is over; long on large stores. A store whose server does that by itself has nothing
    /// to do.
    fn verify(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// After [`StoreError::OutcomeUnknown`]: closes everything, opens again and verifies. An error
    /// means that the process must end.
    fn reopen(&self) -> StoreFuture<'_, ()>;

    /// Flushes and closes; nothing may follow.
    fn close(&self) -> StoreFuture<'_, ()>;
}

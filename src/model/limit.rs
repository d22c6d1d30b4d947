//! Fixed bounds of messages, sessions and the store, named once, unit last. A bound that concerns
//! one file alone stands there; what an operator may change is in `config/`.

use std::time::Duration;

/// A user's name, in bytes of UTF-8.
pub const UID_BYTES_MAX: usize = 128;
/// A device's name, in bytes of UTF-8.
pub const CLIENT_ID_BYTES_MAX: usize = 256;
/// Any packet before authentication has succeeded.
pub const PACKET_BEFORE_LOGIN_BYTES_MAX: u32 = 64 * 1024;
/// Levels of a topic or filter; each costs a step in matching. With 200 slashes, as in mosquitto.
pub const TOPIC_LEVELS_MAX: usize = 201;
/// Filters in one SUBSCRIBE or UNSUBSCRIBE.
pub const FILTERS_PER_PACKET_COUNT_MAX: usize = 256;
/// A publisher's own message id (user property `message-id`).
pub const DEDUPE_KEY_BYTES_MAX: usize = 256;
/// How long a publisher's own message id is remembered.
pub const DEDUPE_KEY_KEPT_SECS: u64 = 24 * 60 * 60;
/// The longest delay of a publish to `$delayed/{seconds}/…`: the one of other brokers.
pub const DELAY_SECS_MAX: u64 = 4_294_967;
/// A publisher's name for a message that waits (user property `delayed-key`).
pub const DUE_KEY_BYTES_MAX: usize = 256;
/// Messages that are due and on their way out at a time.
pub const CLAIMED_COUNT_MAX: usize = 256;
/// Bytes of them (one goes out in any case).
pub const CLAIMED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Records that one read of a log returns.
pub const READ_ENTRIES_COUNT_MAX: usize = 256;
/// Bytes of bodies that one read of a log returns (at least one record comes in any case).
pub const READ_ENTRIES_BYTES_MAX: usize = 1024 * 1024;
/// Committed messages that wait in memory for one session's window; beyond it the log is read.
pub const LIVE_ENTRIES_COUNT_MAX: usize = 64;
/// Bytes of bodies among them (one record waits in any case).
pub const LIVE_ENTRIES_BYTES_MAX: usize = 256 * 1024;
/// Packet ids 1..=32767 belong to plain topics, as ordinary brokers count, the next to the inbox.
pub const PACKET_IDS_PER_LOG: u64 = 32_767;
/// QoS 2 messages received and not yet released, per session (3.1.1 knows no receive maximum).
pub const UNRELEASED_COUNT_MAX: usize = 1024;
/// SUBSCRIBE and UNSUBSCRIBE packets of one client that wait for their commit.
pub const AWAITING_COUNT_MAX: usize = 16;
/// Writes that one transaction joins.
pub const COMMIT_WRITES_COUNT_MAX: usize = 4096;
/// Bytes of bodies that one transaction joins.
pub const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Publishes per client that are remembered for a resend after a cut connection (ruling 5).
pub const PUBLISH_RING_COUNT_MAX: usize = 64;
/// Retained messages that are read, and delivered, at a time.
pub const RETAINED_PAGE_COUNT_MAX: usize = 64;
pub const RETAINED_PAGE_BYTES_MAX: usize = 256 * 1024;
/// Topics that are remembered as newer than their retained message, while those are being sent to
/// a session; of further ones an older message may come behind a newer one.
pub const FRESH_TOPICS_COUNT_MAX: usize = 1024;
/// Topics that have an alias on one connection, one way: their bytes together.
pub const ALIASED_TOPICS_BYTES_MAX: usize = 128 * 1024;
/// Wills whose addressee the directory is asked about, per worker; beyond it they are dropped.
pub const ASKING_WILLS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Messages that wait in memory for the window of a clean session; beyond it they are dropped.
pub const LIVE_WAITING_COUNT_MAX: usize = 4096;
/// Bytes of their bodies (one message waits in any case).
pub const LIVE_WAITING_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A role's name, in bytes of UTF-8.
pub const ROLE_BYTES_MAX: usize = 64;
/// Names and values of a user's attributes together.
pub const ATTRIBUTES_BYTES_MAX: usize = 4 * 1024;
/// The reason of a ban, in bytes of UTF-8.
pub const BAN_REASON_BYTES_MAX: usize = 256;
/// Bans at a time; beyond it the one that would end first gives way.
pub const BANS_COUNT_MAX: usize = 10_000;
/// The largest rate per second and burst that can be set; arithmetic stays far from overflow.
pub const RATE_MAX: u64 = 1 << 40;
/// How long a ban lasts at the least and at the most.
pub const BAN_MIN: Duration = Duration::from_secs(1);
pub const BAN_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

//! The words that people find in the log and on stderr, in one place: a test asks for a line that
//! has all words of a list, in any order and any case.

/// A connection took the session of another one.
pub const TAKEN_OVER: &str = "taken over";
/// Subscribing to somebody else's inbox and the like.
pub const NOT_ALLOWED: &str = "not allowed";
/// Wrong user name or password.
pub const BAD_LOGIN: &str = "password is wrong";
pub const MALFORMED: &str = "malformed";
pub const BREAKS_PROTOCOL: &str = "breaks the protocol";
pub const TOO_LARGE: &str = "larger than";
pub const KEEP_ALIVE: &str = "keep alive";
/// Refusing what cannot be stored.
pub const DISK_FULL: &str = "disk is nearly full";
/// After an fsync that failed.
pub const STORE_FAILED: &str = "fail";

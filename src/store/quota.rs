//! What one user may keep of what the store holds on to: a number, and bytes.

/// What its user may have, with the one that is added. What is kept already stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub count_max: u64,
    /// Bodies, topics and properties together.
    pub bytes_max: u64,
}

impl Quota {
    /// For senders that are not one user, and so have no common quota.
    pub const UNLIMITED: Quota = Quota { count_max: u64::MAX, bytes_max: u64::MAX };
}

/// What a user keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Kept {
    pub(super) fn from_columns(count: i64, bytes: i64) -> Kept {
        Kept { count: count.max(0) as u64, bytes: bytes.max(0) as u64 }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    pub(super) fn remove(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn has_room(self, quota: Quota) -> bool {
        self.count <= quota.count_max && self.bytes <= quota.bytes_max
    }
}

//! What is remembered of logins and users so that argon2 and the store are asked seldom, and how
//! it is forgotten at the moment an account changes.
//!
//! A password is remembered as a keyed BLAKE2s tag; the key is random and lives in this process
//! alone, so a tag that leaks says nothing about the password.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Mac};
use zeroize::Zeroizing;

use super::cache::Cache;
use crate::clock::Clock;
use crate::model::{Roles, Uid};

/// Passwords that were right; about 150 bytes each.
const ACCEPTED_COUNT_MAX: usize = 128 * 1024;
const ACCEPTED_FOR: Duration = Duration::from_secs(60 * 60);
/// Last wrong password per user: a device that repeats it costs no argon2.
const REFUSED_COUNT_MAX: usize = 8 * 1024;
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// Whether a user exists; about 100 bytes each.
const KNOWN_COUNT_MAX: usize = 128 * 1024;
const KNOWN_FOR: Duration = Duration::from_secs(60);
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// A keyed tag of a user's password.
type Tag = [u8; 32];

/// A point in the history of all accounts; what was read before a change is not remembered after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf(u64);

/// What a password was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With the roles of the account.
    Right(Roles),
    Wrong,
    /// There is no such account.
    Nobody,
}

/// Shared by the authenticator, the directory and the account book of one process.
pub struct Recall {
    clock: Arc<dyn Clock>,
    key: Zeroizing<[u8; 32]>,
    changes: AtomicU64,
    accepted: Cache<(Tag, Roles)>,
    refused: Cache<(Tag, Verdict)>,
    known: Cache<bool>,
}

impl Recall {
    pub fn new(clock: Arc<dyn Clock>) -> Recall {
        Recall {
            clock,
            key: Zeroizing::new(rand::random()),
            changes: AtomicU64::new(0),
            accepted: Cache::new(ACCEPTED_COUNT_MAX),
            refused: Cache::new(REFUSED_COUNT_MAX),
            known: Cache::new(KNOWN_COUNT_MAX),
        }
    }

    /// Ask before reading the store; hand it in with what was concluded.
    pub fn as_of(&self) -> AsOf {
        AsOf(self.changes.load(Ordering::SeqCst))
    }

    /// What is known of this password of this user.
    pub fn verdict(&self, uid: &Uid, password: &[u8]) -> Option<Verdict> {
        let now = self.clock.moment();
        let is = |tag: Tag| self.mac(uid, password).verify_slice(&tag).is_ok();
        if let Some((tag, roles)) = self.accepted.get(uid, now)
            && is(tag)
        {
            return Some(Verdict::Right(roles));
        }
        let (tag, verdict) = self.refused.get(uid, now)?;
        is(tag).then_some(verdict)
    }

    pub fn remember_verdict(&self, uid: &Uid, password: &[u8], verdict: Verdict, as_of: AsOf) {
        let tag: Tag = self.mac(uid, password).finalize_fixed().into();
        let now = self.clock.moment();
        let still_true = || self.as_of() == as_of;
        match verdict {
            Verdict::Right(roles) => {
                self.accepted.put(uid, (tag, roles), now.after(ACCEPTED_FOR), still_true);
            }
            refused => {
                self.refused.put(uid, (tag, refused), now.after(REFUSED_FOR), still_true);
            }
        }
    }

    /// Whether this user is known to exist or not to exist.
    pub fn exists(&self, uid: &Uid) -> Option<bool> {
        self.known.get(uid, self.clock.moment())
    }

    pub fn remember_exists(&self, uid: &Uid, exists: bool, as_of: AsOf) {
        let time = if exists { KNOWN_FOR } else { UNKNOWN_FOR };
        let until = self.clock.moment().after(time);
        self.known.put(uid, exists, until, || self.as_of() == as_of);
    }

    /// The account was added, changed or removed and now `exists` or not: after the commit.
    pub fn changed(&self, uid: &Uid, exists: bool) {
        self.forget(uid);
        match exists {
            true => self.remember_exists(uid, true, self.as_of()),
            // Even if another user changes at this moment: who is removed stays so, short as this
            // is remembered.
            false => self.known.put(uid, false, self.clock.moment().after(UNKNOWN_FOR), || true),
        }
    }

    /// The account may have changed.
    pub fn forget(&self, uid: &Uid) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.accepted.remove(uid);
        self.refused.remove(uid);
        self.known.remove(uid);
    }

    fn mac(&self, uid: &Uid, password: &[u8]) -> Blake2sMac256 {
        let mut mac = <Blake2sMac256 as KeyInit>::new((&*self.key).into());
        mac.update(&(uid.as_str().len() as u64).to_be_bytes());
        mac.update(uid.as_str().as_bytes());
        mac.update(password);
        mac
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, Weak};

    use super::*;
    use crate::clock::ManualClock;
    use crate::model::{Moment, Role, Stamp};

    fn uid() -> Uid {
        Uid::parse("ut001").unwrap()
    }

    fn right() -> Verdict {
        Verdict::Right([Role::Operator].into())
    }

    #[test]
    fn a_remembered_password_is_known_until_its_time_is_over() {
        let clock = Arc::new(ManualClock::default());
        let recall = Recall::new(clock.clone());
        recall.remember_verdict(&uid(), b"right", right(), recall.as_of());
        recall.remember_verdict(&uid(), b"wrong", Verdict::Wrong, recall.as_of());
        assert_eq!(recall.verdict(&uid(), b"right"), Some(right()));
        assert_eq!(recall.verdict(&uid(), b"wrong"), Some(Verdict::Wrong));
        assert_eq!(recall.verdict(&uid(), b"other"), None);
        assert_eq!(recall.verdict(&Uid::parse("ut00").unwrap(), b"1right"), None);
        clock.advance(REFUSED_FOR);
        assert_eq!(recall.verdict(&uid(), b"wrong"), None);
        clock.advance(ACCEPTED_FOR);
        assert_eq!(recall.verdict(&uid(), b"right"), None);
    }

    #[test]
    fn a_change_forgets_the_user_and_what_was_read_before_it() {
        let recall = Recall::new(Arc::new(ManualClock::default()));
        let before = recall.as_of();
        recall.remember_verdict(&uid(), b"p", right(), before);
        recall.remember_exists(&uid(), true, before);
        recall.forget(&uid());
        assert_eq!((recall.verdict(&uid(), b"p"), recall.exists(&uid())), (None, None));
        recall.remember_verdict(&uid(), b"p", right(), before);
        recall.remember_exists(&uid(), true, before);
        assert_eq!((recall.verdict(&uid(), b"p"), recall.exists(&uid())), (None, None));
    }

    /// At each look at it another user changes.
    #[derive(Default)]
    struct Busy(OnceLock<Weak<Recall>>);

    impl Clock for Busy {
        fn moment(&self) -> Moment {
            if let Some(recall) = self.0.get().and_then(Weak::upgrade) {
                recall.forget(&Uid::parse("other").unwrap());
            }
            Moment(0)
        }

        fn stamp(&self) -> Stamp {
            Stamp(0)
        }

        fn wall(&self) -> Stamp {
            Stamp(0)
        }
    }

    #[test]
    fn a_user_who_was_removed_is_known_to_be_whoever_changes_meanwhile() {
        let clock = Arc::new(Busy::default());
        let recall = Arc::new(Recall::new(clock.clone()));
        clock.0.set(Arc::downgrade(&recall)).unwrap();
        recall.changed(&uid(), false);
        assert_eq!(recall.exists(&uid()), Some(false));
    }

    #[test]
    fn the_key_differs_from_process_to_process() {
        let tag = || {
            let recall = Recall::new(Arc::new(ManualClock::default()));
            recall.mac(&uid(), b"p").finalize_fixed()
        };
        assert_ne!(tag(), tag());
    }
}

//! What the member API said lately: accepted and refused logins, bounded, under keyed tags, so
//! that no token is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Mac};
use zeroize::Zeroizing;

use super::super::AuthError;
use super::super::cache::Cache;
use super::answer::Judgement;
use crate::model::{Identity, Moment, Stamp, Uid};

/// Stands for one login: user name, token and what else the API is asked by.
pub type Tag = [u8; 32];

/// A point in time for [`Memory::remember`].
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub moment: Moment,
    pub stamp: Stamp,
}

/// For how long things are remembered.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub accepted_for: Duration,
    pub refused_for: Duration,
    pub stale_if_error: Duration,
}

/// What is known of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    Accepted(Identity),
    Refused(AuthError),
    /// Accepted a while ago: good enough if the API cannot answer.
    Stale(Identity),
}

/// What is remembered of one user, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Logins accepted without asking.
    pub fresh: usize,
    /// Logins accepted only while the API cannot answer.
    pub stale: usize,
}

/// Moves at every [`Memory::forget`]; an answer that was on its way then is not remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsOf(u64);

#[cfg(test)]
impl AsOf {
    /// After one more user was forgotten.
    pub fn next(self) -> AsOf {
        AsOf(self.0 + 1)
    }
}

pub struct Memory {
    key: Zeroizing<[u8; 32]>,
    times: Times,
    forgotten: AtomicU64,
    accepted: Cache<Accepted, Tag>,
    refused: Cache<AuthError, Tag>,
}

#[derive(Clone)]
struct Accepted {
    identity: Identity,
    fresh_until: Moment,
    until: Moment,
}

impl Memory {
    /// `key` is random and belongs to this process.
    pub fn new(key: [u8; 32], times: Times, count_max: usize) -> Memory {
        Memory {
            key: Zeroizing::new(key),
            times,
            forgotten: AtomicU64::new(0),
            accepted: Cache::new(count_max),
            refused: Cache::new(count_max),
        }
    }

    /// The tag of these texts; each counts with its length, so that no two lists are alike.
    pub fn tag(&self, texts: &[&str]) -> Tag {
        let mut mac = <Blake2sMac256 as KeyInit>::new((&*self.key).into());
        for text in texts {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.finalize_fixed().into()
    }

    pub fn as_of(&self) -> AsOf {
        AsOf(self.forgotten.load(Ordering::SeqCst))
    }

    pub fn recall(&self, tag: &Tag, now: Now) -> Option<Known> {
        if let Some(error) = self.refused.get(tag, now.moment) {
            return Some(Known::Refused(error));
        }
        let accepted = self.accepted.get(tag, now.moment)?;
        if accepted.identity.expires_at.is_some_and(|end| end <= now.stamp) {
            return None;
        }
        Some(match now.moment < accepted.fresh_until {
            true => Known::Accepted(accepted.identity),
            false => Known::Stale(accepted.identity),
        })
    }

    /// `as_of` is from before the question.
    pub fn remember(&self, tag: &Tag, judgement: &Judgement, as_of: AsOf, now: Now) {
        let still_true = || self.as_of() == as_of;
        let refuse = |error| {
            self.accepted.remove(tag);
            let until = now.moment.after(self.times.refused_for);
            self.refused.put(tag, error, until, still_true);
        };
        match judgement {
            Judgement::Accepted(identity) => {
                let fresh_until = now.moment.after(self.times.accepted_for);
                let until = now.moment.after(self.times.stale_if_error).max(fresh_until);
                let accepted = Accepted { identity: identity.clone(), fresh_until, until };
                self.refused.remove(tag);
                self.accepted.put(tag, accepted, until, still_true);
            }
            Judgement::Refused(_) => refuse(AuthError::BadLogin),
            Judgement::Expired => refuse(AuthError::Expired),
            Judgement::NoAnswer(_) | Judgement::Error(_) | Judgement::Unusable(_) => {}
        }
    }

    /// The next login of this user asks the API.
    pub fn forget(&self, uid: &Uid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.accepted.retain(|accepted| accepted.identity.uid != *uid);
    }

    /// Looks at every entry.
    pub fn remembered(&self, uid: &Uid, now: Now) -> Remembered {
        let mut found = Remembered::default();
        self.accepted.retain(|accepted| {
            if accepted.identity.uid == *uid && now.moment < accepted.until {
                let fresh = now.moment < accepted.fresh_until;
                *(if fresh { &mut found.fresh } else { &mut found.stale }) += 1;
            }
            true
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        accepted_for: Duration::from_millis(100),
        refused_for: Duration::from_millis(10),
        stale_if_error: Duration::from_millis(1000),
    };

    fn memory() -> Memory {
        Memory::new([7; 32], TIMES, 1000)
    }

    fn at(moment: u64) -> Now {
        Now { moment: Moment(moment), stamp: Stamp(moment as i64) }
    }

    fn alice() -> Identity {
        Identity::user(Uid::parse("alice").unwrap())
    }

    #[test]
    fn an_accepted_login_is_fresh_then_stale_then_gone() {
        let (memory, tag) = (memory(), memory().tag(&["alice", "t"]));
        memory.remember(&tag, &Judgement::Accepted(alice()), memory.as_of(), at(0));
        assert_eq!(memory.recall(&tag, at(99)), Some(Known::Accepted(alice())));
        assert_eq!(memory.recall(&tag, at(100)), Some(Known::Stale(alice())));
        assert_eq!(memory.recall(&tag, at(999)), Some(Known::Stale(alice())));
        assert_eq!(memory.recall(&tag, at(1000)), None);
        let seen = |now| memory.remembered(&alice().uid, at(now));
        assert_eq!(seen(99), Remembered { fresh: 1, stale: 0 });
        assert_eq!(seen(100), Remembered { fresh: 0, stale: 1 });
        assert_eq!(seen(1000), Remembered::default());
    }

    #[test]
    fn nothing_outlives_the_tokens_own_end() {
        let (memory, tag) = (memory(), memory().tag(&["alice", "t"]));
        let identity = Identity { expires_at: Some(Stamp(50)), ..alice() };
        memory.remember(&tag, &Judgement::Accepted(identity.clone()), memory.as_of(), at(0));
        assert_eq!(memory.recall(&tag, at(49)), Some(Known::Accepted(identity)));
        assert_eq!(memory.recall(&tag, at(50)), None);
    }

    #[test]
    fn a_refusal_takes_an_accepted_login_away_and_is_short() {
        let (memory, tag) = (memory(), memory().tag(&["alice", "t"]));
        memory.remember(&tag, &Judgement::Accepted(alice()), memory.as_of(), at(0));
        memory.remember(&tag, &Judgement::Refused(String::new()), memory.as_of(), at(200));
        assert_eq!(memory.recall(&tag, at(209)), Some(Known::Refused(AuthError::BadLogin)));
        assert_eq!(memory.recall(&tag, at(210)), None);
        memory.remember(&tag, &Judgement::NoAnswer(String::new()), memory.as_of(), at(211));
        assert_eq!(memory.recall(&tag, at(212)), None);
    }

    #[test]
    fn a_user_who_is_forgotten_is_so_for_answers_on_their_way_too() {
        let (memory, tag) = (memory(), memory().tag(&["alice", "t"]));
        let before = memory.as_of();
        memory.remember(&tag, &Judgement::Accepted(alice()), before, at(0));
        memory.forget(&alice().uid);
        assert_eq!(memory.recall(&tag, at(1)), None);
        memory.remember(&tag, &Judgement::Accepted(alice()), before, at(1));
        assert_eq!(memory.recall(&tag, at(1)), None);
    }

    #[test]
    fn tags_tell_lists_of_texts_apart_and_processes_too() {
        let memory = memory();
        assert_ne!(memory.tag(&["ab", "c"]), memory.tag(&["a", "bc"]));
        assert_ne!(memory.tag(&["a", ""]), memory.tag(&["a"]));
        let other = Memory::new([8; 32], TIMES, 1000);
        assert_ne!(memory.tag(&["a"]), other.tag(&["a"]));
    }
}

//! Passwords: their form, their argon2id hashes, and how many are hashed at once.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use argon2::password_hash::{
    Error as PhcError, PasswordHasher, PasswordVerifier, phc::PasswordHash,
};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// A password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Logins that wait for each password that is being hashed; beyond it they are refused as busy.
/// At some 30 ms each the last one waits about eight seconds.
pub const WAITING_PER_HASH_COUNT_MAX: usize = 256;

/// A password that is to be set: 1 to 1024 bytes of UTF-8. Erased from memory when it goes, never
/// shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Zeroizing<String>", try_from = "Zeroizing<String>")]
pub struct Password(Zeroizing<String>);

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password must not be empty")]
    Empty,
    #[error("the password has more than {PASSWORD_BYTES_MAX} bytes")]
    Long,
}

impl Password {
    /// # Errors
    /// If it is empty or longer than [`PASSWORD_BYTES_MAX`].
    pub fn parse(text: String) -> Result<Password, PasswordError> {
        Password::try_from(Zeroizing::new(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Zeroizing<String>> for Password {
    type Error = PasswordError;

    fn try_from(text: Zeroizing<String>) -> Result<Password, PasswordError> {
        match text.len() {
            0 => Err(PasswordError::Empty),
            1..=PASSWORD_BYTES_MAX => Ok(Password(text)),
            _ => Err(PasswordError::Long),
        }
    }
}

impl From<Password> for Zeroizing<String> {
    fn from(password: Password) -> Self {
        password.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a password could not be hashed or checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("too many passwords are being checked: try again later")]
    Busy,
    #[error("the stored hash is damaged ({0}): set the password again with `homing user passwd`")]
    Damaged(PhcError),
    #[error("argon2 failed: {0}")]
    Failed(String),
}

/// Hashes and checks on blocking threads, so many at once and no more.
pub struct Hasher {
    argon2: Argon2<'static>,
    /// For users that do not exist: checking them takes as long as a wrong password.
    nobodys_salt: [u8; 16],
    slots: ArcSwap<Slots>,
}

/// Who may hash. Those who have a slot keep it when their number changes.
struct Slots {
    /// Everyone who is hashing or waits for it.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Slots {
    fn new(at_once: usize) -> Slots {
        let at_once = at_once.max(1);
        Slots {
            places: Arc::new(Semaphore::new(at_once * (1 + WAITING_PER_HASH_COUNT_MAX))),
            running: Arc::new(Semaphore::new(at_once)),
        }
    }
}

impl Hasher {
    /// argon2id with 19 MiB, 2 passes and 1 lane: the least that OWASP's cheat sheet advises.
    pub fn new(at_once: usize) -> Hasher {
        Hasher::with_params(at_once, Params::DEFAULT)
    }

    pub(super) fn with_params(at_once: usize, params: Params) -> Hasher {
        Hasher {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobodys_salt: rand::random(),
            slots: ArcSwap::from_pointee(Slots::new(at_once)),
        }
    }

    /// So many at once from now on; those under way go on.
    pub fn set_at_once(&self, at_once: usize) {
        self.slots.store(Arc::new(Slots::new(at_once)));
    }

    /// The PHC string of a password that is to be set, with a salt of its own.
    ///
    /// # Errors
    /// [`HashError::Busy`], or [`HashError::Failed`] if the operating system gives no memory.
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let password = password.clone();
        let work = move |argon2: &Argon2<'_>| {
            let hash = argon2.hash_password(password.as_str().as_bytes()).map_err(failed)?;
            Ok(hash.to_string())
        };
        self.run(work).await
    }

    /// Whether the password belongs to `hash`; for nobody's (`None`) it takes as long and is false.
    ///
    /// # Errors
    /// [`HashError`] of any kind.
    pub async fn check(&self, password: &[u8], hash: Option<String>) -> Result<bool, HashError> {
        let password = Zeroizing::new(password.to_vec());
        let salt = self.nobodys_salt;
        let work = move |argon2: &Argon2<'_>| match hash {
            Some(hash) => matches(argon2, &password, &hash),
            None => {
                let spent = argon2.hash_password_with_salt(&password, &salt);
                spent.map(|_| false).map_err(failed)
            }
        };
        self.run(work).await
    }

    /// Lets nobody be hashed until it is dropped.
    #[cfg(test)]
    pub async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        let running = self.slots.load().running.clone();
        let all = running.available_permits() as u32;
        running.acquire_many_owned(all).await.unwrap()
    }

    /// The permits move into the thread: a caller that gives up does not let another one start
    /// before this one is done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'_>) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let slots = self.slots.load_full();
        let place = slots.places.clone().try_acquire_owned().map_err(|_| HashError::Busy)?;
        let running = slots.running.clone().acquire_owned().await.map_err(|_| HashError::Busy)?;
        let argon2 = self.argon2.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let _held = (place, running);
            work(&argon2)
        });
        thread.await.map_err(|error| HashError::Failed(error.to_string()))?
    }
}

fn failed(error: PhcError) -> HashError {
    HashError::Failed(error.to_string())
}

/// argon2 compares in constant time.
fn matches(argon2: &Argon2<'_>, password: &[u8], hash: &str) -> Result<bool, HashError> {
    let parsed = PasswordHash::new(hash).map_err(|error| HashError::Damaged(error.into()))?;
    match argon2.verify_password(password, &parsed) {
        Ok(()) => Ok(true),
        Err(PhcError::PasswordInvalid) => Ok(false),
        Err(error) => Err(HashError::Damaged(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{cheap_hasher, is_pending, password};

    #[tokio::test]
    async fn a_hash_is_argon2id_with_its_own_salt_and_matches_its_password_alone() {
        let hasher = cheap_hasher();
        let first = hasher.hash(&password("dev")).await.unwrap();
        let second = hasher.hash(&password("dev")).await.unwrap();
        assert!(first.starts_with("$argon2id$v=19$m="), "{first}");
        assert_ne!(first, second);
        assert_eq!(hasher.check(b"dev", Some(first.clone())).await, Ok(true));
        assert_eq!(hasher.check(b"dav", Some(first)).await, Ok(false));
        assert_eq!(hasher.check(b"dev", None).await, Ok(false));
        let damaged = hasher.check(b"dev", Some("plain".into())).await;
        assert!(matches!(damaged, Err(HashError::Damaged(_))), "{damaged:?}");
    }

    #[test]
    fn the_cost_is_19_mib_and_2_passes() {
        let params = Hasher::new(1).argon2.params().clone();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    #[tokio::test]
    async fn beyond_the_waiting_places_it_is_busy_and_then_free_again() {
        let hasher = cheap_hasher();
        let held = hasher.hold().await;
        let places = hasher.slots.load().places.available_permits();
        let mut waiting = Vec::new();
        for _ in 0..places {
            let mut login = Box::pin(hasher.check(b"p", None));
            assert!(is_pending(&mut login).await);
            waiting.push(login);
        }
        assert_eq!(hasher.check(b"p", None).await, Err(HashError::Busy));
        drop(waiting);
        drop(held);
        assert_eq!(hasher.check(b"p", None).await, Ok(false));
    }

    #[test]
    fn a_password_is_never_empty_or_endless_and_never_shown() {
        assert_eq!(Password::parse(String::new()), Err(PasswordError::Empty));
        assert_eq!(Password::parse("p".repeat(1025)), Err(PasswordError::Long));
        assert!(!format!("{:?}", password("secret")).contains("secret"));
    }
}

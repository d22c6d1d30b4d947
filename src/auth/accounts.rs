//! Logins of users with an account in the store.

use std::sync::Arc;

use tracing::error;

use super::password::{HashError, PASSWORD_BYTES_MAX};
use super::recall::{Recall, Verdict};
use super::{AuthError, AuthFuture, Authenticator, Credentials, Hasher, Login, counted};
use crate::metrics::{Backend, Metrics, Remembered};
use crate::model::{Identity, Uid};
use crate::store::{Account, Store};

/// Provider `accounts`.
///
/// A user that does not exist is answered in the same words and after the same argon2 as a wrong
/// password; the next provider, if there is one, hears of it.
pub struct Accounts {
    pub(super) store: Arc<dyn Store>,
    pub(super) hasher: Arc<Hasher>,
    pub(super) recall: Arc<Recall>,
    pub(super) metrics: Arc<Metrics>,
}

impl Authenticator for Accounts {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(self.login(credentials))
    }

    fn forget(&self, uid: &Uid) {
        self.recall.forget(uid);
    }
}

impl Accounts {
    async fn login(&self, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
        let uid = credentials.uid.and_then(|text| Uid::parse(text).ok());
        let (Some(uid), Some(password)) = (uid, credentials.password) else {
            credentials.why("there is no uid, or no password");
            return Err(AuthError::NotMine);
        };
        if let Some(verdict) = self.recall.verdict(&uid, password) {
            credentials.note("cache", || "remembered: the password was checked before");
            self.metrics.logins.cache_hits(Backend::Accounts, remembered(&verdict)).inc();
            return decide(uid, verdict, &credentials);
        }
        credentials.note("cache", || "not remembered: the store and argon2 are asked");
        counted(&self.metrics, Backend::Accounts, async {
            let checked = self.check(&uid, password).await.inspect_err(|e| credentials.why(e));
            decide(uid, checked?, &credentials)
        })
        .await
    }

    /// Asks the store and argon2. If an account changed meanwhile, the password was right only if
    /// this user's account is still the same.
    async fn check(&self, uid: &Uid, password: &[u8]) -> Result<Verdict, AuthError> {
        let as_of = self.recall.as_of();
        let account = self.stored(uid).await?;
        let refused = if account.is_some() { Verdict::Wrong } else { Verdict::Nobody };
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(refused);
        }
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let checked = self.hasher.check(password, hash).await;
        let right = checked.map_err(|error| refusal(uid, &error))?;
        let verdict = match account.clone().filter(|_| right) {
            Some(account) => Verdict::Right(account.roles),
            None => refused,
        };
        if right && self.recall.as_of() != as_of {
            return Ok(if self.stored(uid).await? == account { verdict } else { Verdict::Wrong });
        }
        self.recall.remember_verdict(uid, password, verdict.clone(), as_of);
        Ok(verdict)
    }

    async fn stored(&self, uid: &Uid) -> Result<Option<Account>, AuthError> {
        let account = self.store.account(uid).await.map_err(|error| {
            error!(%uid, %error, "a login cannot be checked: the account cannot be read");
            AuthError::UNAVAILABLE
        })?;
        Ok(account.filter(|account| !account.is_locked()))
    }
}

fn decide(uid: Uid, verdict: Verdict, credentials: &Credentials<'_>) -> Login {
    let (login, account, password) = match verdict {
        Verdict::Right(roles) => (Ok(Identity { roles, ..Identity::user(uid) }), true, true),
        Verdict::Wrong => (Err(AuthError::BadLogin), true, false),
        Verdict::Nobody => (Err(AuthError::NotMine), false, false),
    };
    credentials.note("account", || if account { "there is one" } else { "there is none" });
    if account {
        credentials.note("password", || if password { "matches" } else { "does not match" });
    }
    login
}

fn remembered(verdict: &Verdict) -> Remembered {
    match verdict {
        Verdict::Right(_) => Remembered::Accepted,
        Verdict::Wrong | Verdict::Nobody => Remembered::Refused,
    }
}

fn refusal(uid: &Uid, error: &HashError) -> AuthError {
    match error {
        HashError::Busy => AuthError::BUSY,
        HashError::Damaged(_) | HashError::Failed(_) => {
            error!(%uid, %error, "a login cannot be checked");
            AuthError::UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::testing::{Bench, is_pending, password, uid};
    use crate::model::Roles;
    use crate::model::{ClientId, Reason};

    async fn login(bench: &Bench, uid: &str, password: &str) -> Result<Identity, AuthError> {
        let client_id = ClientId::parse("phone").unwrap();
        let credentials = Credentials::test(&client_id, uid, password.as_bytes());
        bench.auth.authenticator.authenticate(credentials).await
    }

    async fn with_alice() -> Bench {
        let bench = Bench::new();
        bench.auth.book.add(&uid("alice"), &password("dev"), Roles::default()).await.unwrap();
        bench
    }

    #[tokio::test]
    async fn the_right_password_logs_in_and_nothing_else_does() {
        let bench = with_alice().await;
        let alice = Identity::user(uid("alice"));
        assert_eq!(login(&bench, "alice", "dev").await, Ok(alice));
        for password in ["dav", "", &"d".repeat(PASSWORD_BYTES_MAX + 1)] {
            assert_eq!(login(&bench, "alice", password).await, Err(AuthError::BadLogin));
        }
    }

    #[tokio::test]
    async fn whoever_has_no_account_is_for_the_next_provider_each_time() {
        let bench = with_alice().await;
        let long = "d".repeat(PASSWORD_BYTES_MAX + 1);
        for (uid, password) in [("Alice", "dev"), ("bob", "dev"), ("", "dev"), ("a/b", "dev")] {
            for password in [password, password, &long] {
                assert_eq!(login(&bench, uid, password).await, Err(AuthError::NotMine), "{uid}");
            }
        }
        let words = |error: AuthError| (error.reason(), error.to_string());
        assert_eq!(words(AuthError::NotMine), words(AuthError::BadLogin));
    }

    #[tokio::test]
    async fn without_user_name_or_password_nobody_logs_in() {
        let bench = with_alice().await;
        let client_id = ClientId::parse("phone").unwrap();
        for (uid, password) in [(None, Some(&b"dev"[..])), (Some("alice"), None), (None, None)] {
            let credentials =
                Credentials { uid, password, ..Credentials::test(&client_id, "", b"") };
            let answer = bench.auth.authenticator.authenticate(credentials).await;
            assert_eq!(answer, Err(AuthError::NotMine));
        }
    }

    #[tokio::test]
    async fn a_password_that_was_checked_is_not_checked_again_right_or_wrong() {
        let bench = with_alice().await;
        for (password, right) in [("dev", true), ("dav", false)] {
            assert_eq!(login(&bench, "alice", password).await.is_ok(), right);
            let reads = bench.store.reads.load(Ordering::SeqCst);
            assert_eq!(login(&bench, "alice", password).await.is_ok(), right);
            assert_eq!(bench.store.reads.load(Ordering::SeqCst), reads);
        }
    }

    #[tokio::test]
    async fn after_passwd_the_old_password_is_wrong_and_the_new_one_right_at_once() {
        let bench = with_alice().await;
        assert!(login(&bench, "alice", "dev").await.is_ok());
        assert!(login(&bench, "alice", "new").await.is_err());
        bench.auth.book.passwd(&uid("alice"), &password("new")).await.unwrap();
        assert!(login(&bench, "alice", "dev").await.is_err());
        assert!(login(&bench, "alice", "new").await.is_ok());
    }

    #[tokio::test]
    async fn an_account_removed_while_its_password_is_checked_does_not_log_in() {
        let bench = with_alice().await;
        let held = bench.hasher.hold().await;
        let mut login = Box::pin(login(&bench, "alice", "dev"));
        assert!(is_pending(&mut login).await);
        bench.auth.book.remove(&uid("alice")).await.unwrap();
        drop(held);
        assert_eq!(login.await, Err(AuthError::BadLogin));
    }

    #[tokio::test]
    async fn a_user_that_does_not_exist_waits_for_argon2_like_a_wrong_password() {
        let bench = with_alice().await;
        let held = bench.hasher.hold().await;
        let mut wrong = Box::pin(login(&bench, "alice", "dav"));
        let mut nobody = Box::pin(login(&bench, "nobody", "dev"));
        assert!(is_pending(&mut wrong).await && is_pending(&mut nobody).await);
        drop(held);
        assert_eq!(wrong.await, Err(AuthError::BadLogin));
        assert_eq!(nobody.await, Err(AuthError::NotMine));
    }

    #[tokio::test]
    async fn a_store_that_fails_is_not_the_users_fault() {
        let bench = with_alice().await;
        bench.store.broken.store(true, Ordering::SeqCst);
        let answer = login(&bench, "alice", "dev").await;
        assert_eq!(answer, Err(AuthError::UNAVAILABLE));
        assert_eq!(AuthError::UNAVAILABLE.reason(), Reason::Unavailable);
    }

    #[tokio::test]
    async fn a_damaged_hash_is_not_the_users_fault() {
        let bench = with_alice().await;
        bench
            .store
            .accounts
            .lock()
            .unwrap()
            .insert(uid("alice"), Account { password_hash: "plain".into(), ..Account::default() });
        assert_eq!(login(&bench, "alice", "dev").await, Err(AuthError::UNAVAILABLE));
    }

    #[test]
    fn credentials_never_show_the_password() {
        let client_id = ClientId::parse("phone").unwrap();
        let shown = format!("{:?}", Credentials::test(&client_id, "a", b"secret"));
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}

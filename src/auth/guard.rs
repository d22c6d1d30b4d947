//! What stands before the providers, for every kind of login: bans, and patience with wrong
//! passwords (threat I13). After some wrong ones, a user's logins from that address pause, longer
//! and longer. Logins of the same user from elsewhere do not, so that nobody can lock another out.
//! No more are under way at once than wrong ones are free: more at a time are no more guesses.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::tries::{Begun, Key, Tries};
use super::{AuthError, AuthFuture, Authenticator, BanBook, Credentials, source_of};
use crate::clock::Clock;
use crate::model::{Ban, ClientId, Stamp, Uid};

/// A login waits this long for those before it that may still turn out wrong.
const DECISION_WAIT: Duration = Duration::from_secs(10);

/// How many wrong passwords are free. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimits {
    /// Of one user from one address, within the window.
    pub per_login: u32,
    /// Of anybody from one address.
    pub per_address: u32,
    /// Also the longest pause.
    pub window: Duration,
}

/// An authenticator that is asked no more than the limits allow.
pub struct Guard {
    inner: Arc<dyn Authenticator>,
    bans: Arc<BanBook>,
    clock: Arc<dyn Clock>,
    limits: ArcSwap<GuardLimits>,
    tries: Mutex<Tries>,
    /// A login that was under way is not any more.
    decided: Notify,
    /// User names are kept as tags: they come from strangers and may be long.
    seed: u64,
}

/// A login under way, until this is dropped.
struct UnderWay<'a> {
    guard: &'a Guard,
    key: Key,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.guard.with(|tries| tries.end(&self.key));
        self.guard.decided.notify_waiters();
    }
}

impl Guard {
    pub fn new(
        inner: Arc<dyn Authenticator>,
        bans: Arc<BanBook>,
        clock: Arc<dyn Clock>,
        limits: GuardLimits,
        seed: u64,
    ) -> Guard {
        let (limits, tries) = (ArcSwap::from_pointee(limits), Mutex::default());
        Guard { inner, bans, clock, limits, tries, decided: Notify::new(), seed }
    }

    pub fn set_limits(&self, limits: GuardLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// Whether it is worth waiting for a turn: those who are banned or have to pause take none from
    /// others.
    ///
    /// # Errors
    /// [`AuthError::Banned`], [`AuthError::TooMany`]
    pub fn may_ask(&self, credentials: &Credentials<'_>) -> Result<(), AuthError> {
        let bans = self.bans.now();
        // Mostly there is none, and the time and the name are not needed.
        if !bans.is_empty() {
            let now = self.clock.stamp();
            banned(bans.of_address(credentials.peer.ip(), now), now)?;
            if let Ok(uid) = Uid::parse(credentials.uid.unwrap_or_default()) {
                banned(bans.of_login(&uid, credentials.client_id, now), now)?;
            }
        }
        let key = self.key(credentials);
        self.with(|tries| tries.not_paused(&key, self.clock.moment()))
    }

    async fn login(&self, credentials: Credentials<'_>) -> super::Login {
        self.may_ask(&credentials)?;
        let key = self.key(&credentials);
        let _under_way = self.begin(key).await?;
        let answer = self.inner.authenticate(credentials).await;
        match &answer {
            Ok(identity) => {
                self.not_banned(&identity.uid, credentials.client_id)?;
                self.with(|tries| tries.right(&key));
            }
            Err(AuthError::BadLogin | AuthError::NotMine) => {
                let (now, limits) = (self.clock.moment(), **self.limits.load());
                self.with(|tries| tries.wrong(key, now, limits));
            }
            Err(_) => {}
        }
        answer
    }

    /// Waits while those under way would use up the wrong passwords that are free.
    async fn begin(&self, key: Key) -> Result<UnderWay<'_>, AuthError> {
        if let Some(under_way) = self.begin_now(key)? {
            return Ok(under_way);
        }
        let begun = async {
            loop {
                let mut decided = pin!(self.decided.notified());
                decided.as_mut().enable();
                match self.begin_now(key)? {
                    Some(under_way) => return Ok(under_way),
                    None => decided.await,
                }
            }
        };
        let begun = tokio::time::timeout(DECISION_WAIT, Box::pin(begun));
        begun.await.unwrap_or(Err(AuthError::BUSY))
    }

    fn begin_now(&self, key: Key) -> Result<Option<UnderWay<'_>>, AuthError> {
        let (now, limits) = (self.clock.moment(), **self.limits.load());
        let begun = self.with(|tries| tries.begin(key, now, limits))?;
        Ok((begun == Begun::Now).then(|| UnderWay { guard: self, key }))
    }

    fn key(&self, credentials: &Credentials<'_>) -> Key {
        let tag = xxh3_128_with_seed(credentials.uid.unwrap_or_default().as_bytes(), self.seed);
        Key { tag, source: source_of(credentials.peer.ip()) }
    }

    /// Whether no ban concerns this session.
    ///
    /// # Errors
    /// [`AuthError::Banned`]
    pub fn not_banned(&self, uid: &Uid, client_id: &ClientId) -> Result<(), AuthError> {
        let bans = self.bans.now();
        if bans.is_empty() {
            return Ok(());
        }
        let now = self.clock.stamp();
        banned(bans.of_login(uid, client_id, now), now)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tries) -> T) -> T {
        act(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn banned(ban: Option<&Ban>, now: Stamp) -> Result<(), AuthError> {
    match ban {
        Some(ban) => Err(AuthError::Banned { retry_after: now.until(ban.until) }),
        None => Ok(()),
    }
}

impl Authenticator for Guard {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(self.login(credentials))
    }

    fn forget(&self, uid: &Uid) {
        self.inner.forget(uid);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::task::Poll;

    use super::*;
    use crate::auth::testing::{self, uid};
    use crate::clock::ManualClock;
    use crate::model::{BanTarget, Identity};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Lets in whoever has the password `right`, and counts the questions; it takes its time.
    #[derive(Default)]
    struct Asked(AtomicU32);

    impl Authenticator for Asked {
        fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let answer = match credentials.password {
                Some(b"right") => Ok(Identity::user(uid("bob"))),
                Some(b"late") => Err(AuthError::UNAVAILABLE),
                _ => Err(AuthError::BadLogin),
            };
            Box::pin(async {
                tokio::task::yield_now().await;
                answer
            })
        }

        fn forget(&self, _: &Uid) {}
    }

    struct Bench {
        guard: Guard,
        asked: Arc<Asked>,
        clock: Arc<ManualClock>,
    }

    /// Polls all in turn until each has its answer.
    async fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
        let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
        let mut answers: Vec<Option<T>> = futures.iter().map(|_| None).collect();
        std::future::poll_fn(|context| {
            for (future, answer) in futures.iter_mut().zip(&mut answers) {
                if answer.is_none()
                    && let Poll::Ready(ready) = future.as_mut().poll(context)
                {
                    *answer = Some(ready);
                }
            }
            match answers.iter().all(Option::is_some) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        answers.into_iter().flatten().collect()
    }

    const WINDOW: Duration = Duration::from_secs(300);

    async fn bench() -> Bench {
        let (asked, clock) = (Arc::new(Asked::default()), Arc::new(ManualClock::default()));
        let limits = GuardLimits { per_login: 3, per_address: 10, window: WINDOW };
        let bans = testing::Bench::new().bans().await;
        let guard = Guard::new(asked.clone(), bans, clock.clone(), limits, 1);
        Bench { guard, asked, clock }
    }

    impl Bench {
        async fn login(&self, ip: &str, uid: &str, password: &str) -> Option<AuthError> {
            let client_id = ClientId::default();
            let peer = (ip.parse::<IpAddr>().unwrap(), 5).into();
            let login = Credentials::test(&client_id, uid, password.as_bytes());
            self.guard.authenticate(Credentials { peer, ..login }).await.err()
        }

        /// From one address.
        async fn at_once(&self, uid: &str, passwords: &[&str]) -> Vec<Option<AuthError>> {
            let logins = passwords.iter().map(|password| self.login("10.0.0.1", uid, password));
            all(logins.collect()).await
        }

        async fn paused(&self, ip: &str, uid: &str) -> Option<u64> {
            match self.login(ip, uid, "wrong").await {
                Some(AuthError::TooMany { retry_after }) => Some(retry_after.as_secs()),
                _ => None,
            }
        }
    }

    #[tokio::test]
    async fn wrong_passwords_pause_the_user_from_that_address_longer_and_longer() {
        let bench = bench().await;
        for _ in 0..3 {
            assert_eq!(bench.login("10.0.0.1", "bob", "wrong").await, Some(AuthError::BadLogin));
        }
        for secs in [1, 2, 4, 8] {
            assert_eq!(bench.paused("10.0.0.1", "bob").await, Some(secs));
            let asked = bench.asked.0.load(Ordering::Relaxed);
            assert!(bench.login("10.0.0.1", "bob", "right").await.is_some());
            assert_eq!(bench.asked.0.load(Ordering::Relaxed), asked, "asked in the pause");
            bench.clock.advance(Duration::from_secs(secs));
            assert_eq!(bench.login("10.0.0.1", "bob", "wrong").await, Some(AuthError::BadLogin));
        }
        assert_eq!(bench.login("10.0.0.2", "bob", "right").await, None, "from elsewhere");
        assert_eq!(bench.login("10.0.0.1", "eve", "right").await, None, "somebody else");
    }

    #[tokio::test]
    async fn a_right_password_clears_the_count() {
        let bench = bench().await;
        for _ in 0..5 {
            assert_eq!(bench.login("10.0.0.1", "bob", "wrong").await, Some(AuthError::BadLogin));
            assert_eq!(bench.login("10.0.0.1", "bob", "wrong").await, Some(AuthError::BadLogin));
            bench.clock.advance(WINDOW);
            assert_eq!(bench.login("10.0.0.1", "bob", "right").await, None);
        }
    }

    #[tokio::test]
    async fn an_address_that_tries_many_users_pauses() {
        let bench = bench().await;
        for number in 0..10 {
            let answer = bench.login("2001:db8::1", &format!("u{number}"), "wrong").await;
            assert_eq!(answer, Some(AuthError::BadLogin));
        }
        assert_eq!(bench.paused("2001:db8::ffff", "u10").await, Some(1), "the same /64");
        assert_eq!(bench.paused("2001:db8:0:1::1", "u10").await, None);
    }

    #[tokio::test]
    async fn nobody_is_asked_about_a_banned_user() {
        let bench = bench().await;
        let hour = Duration::from_secs(3600);
        let (target, reason) = (BanTarget::User(uid("bob")), Default::default());
        bench.guard.bans.add(target, hour, reason).await.unwrap();
        let refused = bench.login("10.0.0.1", "bob", "right").await;
        assert_eq!(refused, Some(AuthError::Banned { retry_after: hour }));
        assert_eq!(bench.asked.0.load(Ordering::Relaxed), 0);
        let refused = bench.login("10.0.0.1", "alias", "right").await;
        assert_eq!(refused, Some(AuthError::Banned { retry_after: hour }), "who it really is");
    }

    /// Threat I13. Many at a time are no more guesses than one after the other.
    #[tokio::test]
    async fn guesses_at_once_are_no_more_than_those_one_by_one() {
        let bench = bench().await;
        let all = bench.at_once("bob", &["guess"; 100]).await;
        let wrong = all.iter().filter(|answer| **answer == Some(AuthError::BadLogin)).count();
        assert_eq!((wrong, bench.asked.0.load(Ordering::Relaxed)), (3, 3));
        assert!(matches!(all[99], Some(AuthError::TooMany { .. })), "{:?}", all[99]);
        for number in 0..7 {
            let answers = bench.at_once(&format!("u{number}"), &["guess"]).await;
            assert_eq!(answers, [Some(AuthError::BadLogin)]);
        }
        assert!(matches!(
            bench.login("10.0.0.1", "u8", "guess").await,
            Some(AuthError::TooMany { .. })
        ));
    }

    #[tokio::test]
    async fn right_passwords_at_once_wait_for_each_other_and_are_all_let_in() {
        let bench = bench().await;
        assert_eq!(bench.at_once("bob", &["right"; 100]).await, [None; 100]);
        let unavailable = bench.at_once("bob", &["late"; 100]).await;
        assert_eq!(unavailable, [Some(AuthError::UNAVAILABLE); 100], "it is given back");
        assert_eq!(bench.login("10.0.0.1", "bob", "right").await, None);
    }

    /// Who gives up, as a page whose time is over, is under way no more.
    #[tokio::test]
    async fn a_login_that_is_given_up_leaves_nothing_behind() {
        let bench = bench().await;
        for _ in 0..20 {
            let mut login = pin!(bench.login("10.0.0.1", "bob", "guess"));
            std::future::poll_fn(|context| {
                assert!(login.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!(bench.login("10.0.0.1", "bob", "right").await, None);
    }

    #[tokio::test]
    async fn a_banned_address_is_not_checked() {
        let bench = bench().await;
        let hour = Duration::from_secs(3600);
        let target = BanTarget::Net("10.0.0.0/8".parse().unwrap());
        bench.guard.bans.add(target, hour, Default::default()).await.unwrap();
        let refused = bench.login("10.0.0.1", "bob", "right").await;
        assert_eq!(refused, Some(AuthError::Banned { retry_after: hour }));
        assert_eq!(bench.asked.0.load(Ordering::Relaxed), 0);
        assert_eq!(bench.login("11.0.0.1", "bob", "right").await, None);
    }
}

//! What stands before the providers, for every kind of login: bans, and patience with wrong
//! passwords (threat I13). After some wrong ones, a user's logins from that address pause, longer
//! and longer. Logins of the same user from elsewhere do not, so that nobody can lock another out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{AuthError, AuthFuture, Authenticator, BanBook, Credentials, source_of};
use crate::clock::Clock;
use crate::model::{ClientId, Moment, Uid};
use crate::throttle::Windows;

/// Pairs of user and address, and addresses, that are remembered; about 100 bytes each.
const LOGINS_COUNT_MAX: usize = 64 * 1024;
const ADDRESSES_COUNT_MAX: usize = 16 * 1024;
/// The first pause; each further wrong password doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

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
    tried: Mutex<Tried>,
    /// User names are kept as tags: they come from strangers and may be long.
    seed: u64,
}

struct Tried {
    logins: Windows<(u128, IpNet)>,
    addresses: Windows<IpNet>,
}

impl Guard {
    pub fn new(
        inner: Arc<dyn Authenticator>,
        bans: Arc<BanBook>,
        clock: Arc<dyn Clock>,
        limits: GuardLimits,
        seed: u64,
    ) -> Guard {
        let tried = Tried {
            logins: Windows::new(LOGINS_COUNT_MAX),
            addresses: Windows::new(ADDRESSES_COUNT_MAX),
        };
        let (limits, tried) = (ArcSwap::from_pointee(limits), Mutex::new(tried));
        Guard { inner, bans, clock, limits, tried, seed }
    }

    pub fn set_limits(&self, limits: GuardLimits) {
        self.limits.store(Arc::new(limits));
    }

    async fn login(&self, credentials: Credentials<'_>) -> super::Login {
        let name = credentials.uid.unwrap_or_default();
        // Before anybody is asked about the password of a banned user.
        Uid::parse(name).ok().map_or(Ok(()), |uid| self.not_banned(&uid, credentials.client_id))?;
        let tag = xxh3_128_with_seed(name.as_bytes(), self.seed);
        let login = (tag, source_of(credentials.peer.ip()));
        self.with(|tried| tried.may_try(&login, self.clock.moment()))?;
        let answer = self.inner.authenticate(credentials).await;
        match &answer {
            Ok(identity) => {
                self.not_banned(&identity.uid, credentials.client_id)?;
                self.with(|tried| tried.logins.forget(&login));
            }
            Err(AuthError::BadLogin | AuthError::NotMine) => {
                let (now, limits) = (self.clock.moment(), **self.limits.load());
                self.with(|tried| tried.wrong(login, now, limits));
            }
            Err(_) => {}
        }
        answer
    }

    fn not_banned(&self, uid: &Uid, client_id: &ClientId) -> Result<(), AuthError> {
        let now = self.clock.stamp();
        match self.bans.now().of_login(uid, client_id, now) {
            Some(ban) => Err(AuthError::Banned { retry_after: now.until(ban.until) }),
            None => Ok(()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Tried) -> T) -> T {
        act(&mut self.tried.lock().unwrap_or_else(PoisonError::into_inner))
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

impl Tried {
    fn may_try(&self, login: &(u128, IpNet), now: Moment) -> Result<(), AuthError> {
        let seen = [self.logins.get(login), self.addresses.get(&login.1)];
        let paused = seen.into_iter().flatten().map(|seen| seen.paused_until).max();
        match paused.filter(|until| *until > now) {
            Some(until) => Err(AuthError::TooMany { retry_after: until.since(now) }),
            None => Ok(()),
        }
    }

    fn wrong(&mut self, login: (u128, IpNet), now: Moment, limits: GuardLimits) {
        let address = self.addresses.count(login.1, now, limits.window);
        address.paused_until = pause(address.count, limits.per_address, now, limits.window);
        let own = self.logins.count(login, now, limits.window);
        own.paused_until = pause(own.count, limits.per_login, now, limits.window);
    }
}

/// Until when, after so many wrong passwords.
fn pause(count: u32, free: u32, now: Moment, longest: Duration) -> Moment {
    if free == 0 || count < free {
        return Moment::default();
    }
    let doubled = 1u32.checked_shl(count - free).unwrap_or(u32::MAX);
    now.after(FIRST_PAUSE.saturating_mul(doubled).min(longest))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::auth::testing::{self, uid};
    use crate::clock::ManualClock;
    use crate::model::{BanTarget, Identity};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Lets in whoever has the password `right`, and counts the questions.
    #[derive(Default)]
    struct Asked(AtomicU32);

    impl Authenticator for Asked {
        fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let right = credentials.password == Some(b"right");
            let answer =
                if right { Ok(Identity::user(uid("bob"))) } else { Err(AuthError::BadLogin) };
            Box::pin(std::future::ready(answer))
        }

        fn forget(&self, _: &Uid) {}
    }

    struct Bench {
        guard: Guard,
        asked: Arc<Asked>,
        clock: Arc<ManualClock>,
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

    #[test]
    fn a_pause_has_an_end_whatever_the_count() {
        for count in [3, 4, 40, u32::MAX] {
            assert!(pause(count, 3, Moment(0), WINDOW) <= Moment(WINDOW.as_millis() as u64));
        }
        assert_eq!(pause(1000, 0, Moment(5), WINDOW), Moment::default());
    }
}

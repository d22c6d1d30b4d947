//! Who is kept out now: the table that every login looks at, and the book that changes it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::sync::Mutex;

use super::AccountWriter;
use crate::clock::Clock;
use crate::model::limit::{BAN_MAX, BAN_MIN, BANS_COUNT_MAX};
use crate::model::{Ban, BanReason, BanTarget, ClientId, SessionKey, Stamp, Uid};
use crate::store::{Store, StoreError, Write};

/// All bans by whom they concern. Those that are over may still be in it.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    all: HashMap<BanTarget, Ban>,
    /// Lengths of the banned networks' prefixes: a look per length, not per network.
    prefixes: BTreeSet<(bool, u8)>,
}

impl Bans {
    pub fn new(bans: impl IntoIterator<Item = Ban>) -> Bans {
        let all: HashMap<_, _> = bans.into_iter().map(|ban| (ban.target.clone(), ban)).collect();
        let prefix = |target: &BanTarget| match target {
            BanTarget::Net(net) => Some((net.addr().is_ipv4(), net.prefix_len())),
            _ => None,
        };
        Bans { prefixes: all.keys().filter_map(prefix).collect(), all }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The ban of an address. An IPv4 address inside an IPv6 one counts as itself.
    pub fn of_address(&self, ip: IpAddr, now: Stamp) -> Option<&Ban> {
        let ip = ip.to_canonical();
        let same_family = self.prefixes.iter().filter(|(v4, _)| *v4 == ip.is_ipv4());
        let net = |(_, length): &(bool, u8)| Some(IpNet::new(ip, *length).ok()?.trunc());
        same_family.filter_map(net).find_map(|net| self.get(&BanTarget::Net(net), now))
    }

    /// The ban of a user, of a client id, or of the two together.
    pub fn of_login(&self, uid: &Uid, client_id: &ClientId, now: Stamp) -> Option<&Ban> {
        if self.is_empty() {
            return None;
        }
        let user = self.get(&BanTarget::User(uid.clone()), now);
        if client_id.is_empty() {
            return user;
        }
        user.or_else(|| self.get(&BanTarget::Client(client_id.clone()), now))
            .or_else(|| self.get(&BanTarget::Device(uid.clone(), client_id.clone()), now))
    }

    /// Whether a connection of this session from this address is concerned.
    pub fn hits(&self, key: &SessionKey, ip: IpAddr, now: Stamp) -> bool {
        self.of_login(&key.uid, &key.client_id, now).is_some() || self.of_address(ip, now).is_some()
    }

    /// Whether there is a ban of exactly this.
    pub fn has(&self, target: &BanTarget, now: Stamp) -> bool {
        self.get(target, now).is_some()
    }

    fn get(&self, target: &BanTarget, now: Stamp) -> Option<&Ban> {
        self.all.get(target).filter(|ban| ban.holds(now))
    }
}

/// What is told to everyone who serves connections when somebody is banned.
pub type Banned = Arc<dyn Fn(Arc<Ban>) + Send + Sync>;

/// What the book stands on.
pub struct BanParts {
    pub store: Arc<dyn Store>,
    pub writer: AccountWriter,
    pub clock: Arc<dyn Clock>,
    pub banned: Banned,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum BanError {
    #[error("a ban lasts from 1s to 365d")]
    Length,
    #[error("there is no ban of {0}: `homing ban list` shows those there are")]
    Unknown(BanTarget),
    #[error("the ban could not be read or written: {0}")]
    Store(#[from] StoreError),
}

/// Adds, lists and removes bans, one change at a time; each is on disk before it holds.
pub struct BanBook {
    parts: BanParts,
    now: ArcSwap<Bans>,
    changing: Mutex<()>,
}

impl BanBook {
    /// Reads what is stored.
    ///
    /// # Errors
    /// Those of [`Store::bans`].
    pub async fn open(parts: BanParts) -> Result<BanBook, StoreError> {
        let bans = Bans::new(parts.store.bans().await?);
        Ok(BanBook { parts, now: ArcSwap::from_pointee(bans), changing: Mutex::new(()) })
    }

    /// The table to look at.
    pub fn now(&self) -> Arc<Bans> {
        self.now.load_full()
    }

    /// Bans somebody from now on, or sets another end for a ban that is there.
    ///
    /// # Errors
    /// [`BanError::Length`]; [`BanError::Store`] if it could not be stored: then it does not hold.
    pub async fn add(
        &self,
        target: BanTarget,
        length: Duration,
        reason: BanReason,
    ) -> Result<Ban, BanError> {
        if !(BAN_MIN..=BAN_MAX).contains(&length) {
            return Err(BanError::Length);
        }
        let _one_at_a_time = self.changing.lock().await;
        let made_at = self.parts.clock.stamp();
        let ban = Ban { target: canonical(target), made_at, until: made_at.after(length), reason };
        let mut all = self.holding(made_at);
        (self.parts.writer)(Write::PutBan(ban.clone())).await?;
        all.insert(ban.target.clone(), ban.clone());
        self.swap(all.clone());
        (self.parts.banned)(Arc::new(ban.clone()));
        let (target, until) = (&ban.target, ban.until.0);
        tracing::info!(until, reason = ban.reason.as_str(), "banned: {target}");
        self.make_room(all, target).await;
        Ok(ban)
    }

    /// Beyond the bound the ban goes that ends first, never the `new` one. One that cannot be
    /// deleted goes on, until the next ban tries again.
    async fn make_room(&self, mut all: HashMap<BanTarget, Ban>, new: &BanTarget) {
        while all.len() > BANS_COUNT_MAX {
            let others = all.values().filter(|ban| ban.target != *new);
            let Some(first) = others.min_by_key(|ban| ban.until) else { break };
            let first = first.target.clone();
            tracing::warn!("the ban of {first} ends early: there are {BANS_COUNT_MAX} bans");
            if let Err(error) = (self.parts.writer)(Write::DeleteBan(first.clone())).await {
                return tracing::error!("the ban of {first} goes on, it was not deleted: {error}");
            }
            all.remove(&first);
            self.swap(all.clone());
        }
    }

    /// # Errors
    /// [`BanError::Unknown`], [`BanError::Store`].
    pub async fn remove(&self, target: BanTarget) -> Result<(), BanError> {
        let _one_at_a_time = self.changing.lock().await;
        let target = canonical(target);
        let mut all = self.holding(self.parts.clock.stamp());
        if all.remove(&target).is_none() {
            return Err(BanError::Unknown(target));
        }
        (self.parts.writer)(Write::DeleteBan(target.clone())).await?;
        self.swap(all);
        tracing::info!("no longer banned: {target}");
        Ok(())
    }

    /// Bans that hold, by whom they concern.
    pub fn list(&self) -> Vec<Ban> {
        let mut all: Vec<Ban> = self.holding(self.parts.clock.stamp()).into_values().collect();
        all.sort_by(|a, b| a.target.cmp(&b.target));
        all
    }

    fn holding(&self, now: Stamp) -> HashMap<BanTarget, Ban> {
        let mut all = self.now.load().all.clone();
        all.retain(|_, ban| ban.holds(now));
        all
    }

    fn swap(&self, all: HashMap<BanTarget, Ban>) {
        self.now.store(Arc::new(Bans::new(all.into_values())));
    }
}

/// A network is named by its first address.
fn canonical(target: BanTarget) -> BanTarget {
    match target {
        BanTarget::Net(net) => BanTarget::Net(net.trunc()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::direct_writer;
    use crate::auth::testing::uid;
    use crate::clock::ManualClock;
    use crate::store::{MemoryStore, StoreLimits};

    const HOUR: Duration = Duration::from_secs(3600);

    struct Bench {
        clock: Arc<ManualClock>,
        store: Arc<MemoryStore>,
    }

    impl Bench {
        fn new() -> Bench {
            let limits = StoreLimits { messages_max: 10, session_expiry_max: HOUR };
            Bench { clock: Arc::default(), store: Arc::new(MemoryStore::new(limits)) }
        }

        async fn book(&self) -> BanBook {
            let (store, clock) = (self.store.clone(), self.clock.clone());
            let writer = direct_writer(store.clone(), clock.clone());
            let parts = BanParts { store, writer, clock, banned: Arc::new(|_| {}) };
            BanBook::open(parts).await.unwrap()
        }
    }

    fn net(text: &str) -> BanTarget {
        BanTarget::Net(text.parse().unwrap())
    }

    fn client(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_ban_holds_for_whom_it_concerns_until_its_end_and_over_a_restart() {
        let bench = Bench::new();
        let book = bench.book().await;
        let device = BanTarget::Device(uid("bob"), client("phone"));
        for target in [BanTarget::User(uid("eve")), BanTarget::Client(client("bot")), device] {
            book.add(target, HOUR, BanReason::default()).await.unwrap();
        }
        let book = bench.book().await;
        let now = bench.clock.stamp();
        let banned =
            |user: &str, id: &str, now| book.now().of_login(&uid(user), &client(id), now).is_some();
        assert!(banned("eve", "any", now) && banned("eve", "", now));
        assert!(banned("anyone", "bot", now) && banned("bob", "phone", now));
        assert!(!banned("bob", "laptop", now) && !banned("bob", "", now));
        assert!(!banned("eve", "any", now.after(HOUR)));
        bench.clock.advance(HOUR);
        assert!(book.list().is_empty());
    }

    #[tokio::test]
    async fn an_address_is_banned_by_every_network_it_is_in() {
        let book = Bench::new().book().await;
        for text in ["10.1.2.3/8", "192.168.0.7/32", "2001:db8::/32"] {
            book.add(net(text), HOUR, BanReason::default()).await.unwrap();
        }
        let (bans, now) = (book.now(), Stamp(1_700_000_000_000));
        let banned = |ip: &str| bans.of_address(ip.parse().unwrap(), now).is_some();
        for ip in ["10.255.0.1", "192.168.0.7", "2001:db8:1::5", "::ffff:10.0.0.1"] {
            assert!(banned(ip), "{ip}");
        }
        for ip in ["11.0.0.1", "192.168.0.8", "2001:db9::1", "::1"] {
            assert!(!banned(ip), "{ip}");
        }
        book.remove(net("10.0.0.0/8")).await.unwrap();
        assert!(book.now().of_address("10.0.0.1".parse().unwrap(), now).is_none());
        assert!(matches!(book.remove(net("10.0.0.0/8")).await, Err(BanError::Unknown(_))));
    }

    #[tokio::test]
    async fn beyond_the_bound_the_ban_that_ends_first_goes() {
        let bench = Bench::new();
        let book = bench.book().await;
        let user = |number: usize| BanTarget::User(uid(&format!("u{number}")));
        let all = (0..BANS_COUNT_MAX).map(|number| Ban {
            target: user(number),
            made_at: bench.clock.stamp(),
            until: bench.clock.stamp().after(HOUR + Duration::from_secs(number as u64)),
            reason: BanReason::default(),
        });
        book.now.store(Arc::new(Bans::new(all)));
        book.add(BanTarget::User(uid("new")), BAN_MAX, BanReason::default()).await.unwrap();
        let list = book.list();
        assert_eq!(list.len(), BANS_COUNT_MAX);
        assert!(!list.iter().any(|ban| ban.target == user(0)));
        // Though it is the one that ends first.
        let short = BanTarget::User(uid("short"));
        book.add(short.clone(), BAN_MIN, BanReason::default()).await.unwrap();
        assert_eq!(book.list().len(), BANS_COUNT_MAX);
        assert!(book.now().has(&short, bench.clock.stamp()));
        assert!(!book.now().has(&user(1), bench.clock.stamp()));
    }

    /// What is on disk holds at once, whatever becomes of the others.
    #[tokio::test]
    async fn a_ban_holds_though_another_one_cannot_be_deleted() {
        let bench = Bench::new();
        let (store, clock) = (bench.store.clone(), bench.clock.clone());
        let inner = direct_writer(store.clone(), clock.clone());
        let writer: AccountWriter = Arc::new(move |write| match write {
            Write::DeleteBan(_) => {
                Box::pin(std::future::ready(Err(StoreError::Full(String::new()))))
            }
            write => inner(write),
        });
        let parts = BanParts { store, writer, clock, banned: Arc::new(|_| {}) };
        let book = BanBook::open(parts).await.unwrap();
        let now = bench.clock.stamp();
        let ban = |number: usize| Ban {
            target: BanTarget::User(uid(&format!("u{number}"))),
            made_at: now,
            until: now.after(HOUR),
            reason: BanReason::default(),
        };
        book.now.store(Arc::new(Bans::new((0..BANS_COUNT_MAX).map(ban))));
        let new = BanTarget::User(uid("new"));
        book.add(new.clone(), HOUR, BanReason::default()).await.unwrap();
        assert!(book.now().has(&new, now));
    }

    #[tokio::test]
    async fn a_ban_has_an_end_within_a_year() {
        let book = Bench::new().book().await;
        for length in [Duration::ZERO, BAN_MAX + Duration::from_secs(1)] {
            let added = book.add(BanTarget::User(uid("bob")), length, BanReason::default()).await;
            assert!(matches!(added, Err(BanError::Length)));
        }
    }
}

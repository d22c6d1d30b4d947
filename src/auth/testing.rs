//! What the tests of logins share: a store of accounts in memory, cheap hashes, a whole [`Auth`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::{
    Auth, BanBook, BanParts, Credentials, DeviceBook, Hasher, Kick, Parts, Password, direct_writer,
};
use crate::clock::{Clock, ManualClock};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};
use crate::store::{
    Account, Commit, KnownDevice, MemoryStore, RetainedPage, Store, StoreError, StoreFuture,
    StoreIdentity, StoreLimits, Subscription, Write, Written,
};

pub fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

pub fn password(text: &str) -> Password {
    Password::parse(text.into()).unwrap()
}

/// One at a time, with the least memory argon2 takes.
pub fn cheap_hasher() -> Hasher {
    Hasher::with_params(1, argon2::Params::new(8, 1, 1, None).unwrap())
}

/// Polls once.
pub async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Accounts alone; everything else answers that it is not available.
pub struct FakeStore {
    pub accounts: Mutex<BTreeMap<Uid, Account>>,
    pub reads: AtomicUsize,
    pub broken: AtomicBool,
    /// Commits that still succeed.
    pub writes_left: AtomicUsize,
}

impl Default for FakeStore {
    fn default() -> FakeStore {
        FakeStore {
            accounts: Mutex::default(),
            reads: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            writes_left: AtomicUsize::new(usize::MAX),
        }
    }
}

impl FakeStore {
    fn works<T>(&self, value: T) -> Result<T, StoreError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("broken by the test".into())),
            false => Ok(value),
        }
    }

    fn apply(&self, write: &Write) -> Written {
        let mut accounts = self.accounts.lock().unwrap();
        match write {
            Write::PutAccount { uid, account } => {
                accounts.insert(uid.clone(), account.clone());
            }
            Write::DeleteAccount { uid } => {
                accounts.remove(uid);
            }
            Write::ForgetInbox { .. } => {}
            other => panic!("not a write of an account: {other:?}"),
        }
        Written::Done
    }
}

fn not_here<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(async { Err(StoreError::Unavailable("accounts alone".into())) })
}

impl Store for FakeStore {
    fn commit<'a>(&'a self, batch: &'a [Write], _now: Stamp) -> StoreFuture<'a, Commit> {
        Box::pin(async {
            self.works(())?;
            let left = self.writes_left.load(Ordering::SeqCst);
            if left == 0 {
                return Err(StoreError::Unavailable("no more of it, says the test".into()));
            }
            self.writes_left.store(left - 1, Ordering::SeqCst);
            let answers = batch.iter().map(|write| self.apply(write)).collect();
            Ok(Commit { answers, ..Commit::default() })
        })
    }

    fn read<'a>(
        &'a self,
        _: &'a Recipient,
        _: Seq,
        _: usize,
        _: usize,
    ) -> StoreFuture<'a, Vec<Entry>> {
        not_here()
    }

    fn legacies(&self, _: usize) -> StoreFuture<'_, Vec<(SessionKey, Entry)>> {
        not_here()
    }

    fn retained<'a>(
        &'a self,
        _: &'a Filter,
        _: Option<&'a str>,
        _: usize,
        _: usize,
    ) -> StoreFuture<'a, RetainedPage> {
        not_here()
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Stamp>> {
        not_here()
    }

    fn due_count(&self) -> StoreFuture<'_, u64> {
        not_here()
    }

    fn subscriptions<'a>(
        &'a self,
        _: Option<(SessionKey, Filter)>,
        _: usize,
    ) -> StoreFuture<'a, Vec<(SessionKey, Subscription)>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn account<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Option<Account>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { self.works(self.accounts.lock().unwrap().get(uid).cloned()) })
    }

    fn accounts<'a>(
        &'a self,
        after: Option<&'a Uid>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(Uid, Roles)>> {
        Box::pin(async move {
            let accounts = self.accounts.lock().unwrap();
            let later = accounts.iter().filter(|(uid, _)| after.is_none_or(|after| *uid > after));
            let listed = later.map(|(uid, account)| (uid.clone(), account.roles.clone()));
            self.works(listed.take(count_max).collect())
        })
    }

    fn bans(&self) -> StoreFuture<'_, Vec<Ban>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn newest(&self) -> StoreFuture<'_, Option<Stamp>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn devices<'a>(&'a self, _: &'a Uid) -> StoreFuture<'a, Vec<KnownDevice>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn sessions<'a>(&'a self, _: &'a Uid) -> StoreFuture<'a, Vec<ClientId>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn retained_count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn identity(&self) -> StoreIdentity {
        StoreIdentity { uuid: 0, epoch: 0 }
    }

    fn reopen(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Logins on a fake store, a clock that the test moves, and the users that were kicked.
pub struct Bench {
    pub auth: Auth,
    pub store: Arc<FakeStore>,
    pub hasher: Arc<Hasher>,
    pub clock: Arc<ManualClock>,
    pub kicked: Arc<Mutex<Vec<Uid>>>,
}

fn kick_into(kicked: Arc<Mutex<Vec<Uid>>>) -> Kick {
    Arc::new(move |order| {
        kicked.lock().unwrap().push(order.uid);
        Box::pin(std::future::ready(Ok(())))
    })
}

impl Bench {
    pub fn new() -> Bench {
        let store = Arc::new(FakeStore::default());
        let clock = Arc::new(ManualClock::default());
        let hasher = Arc::new(cheap_hasher());
        let kicked = Arc::new(Mutex::new(Vec::new()));
        let kick = kick_into(kicked.clone());
        let shared: Arc<dyn Store> = store.clone();
        let ticks: Arc<dyn Clock> = clock.clone();
        let parts = Parts {
            writer: direct_writer(shared.clone(), ticks.clone()),
            store: shared,
            clock: ticks,
            hasher: hasher.clone(),
            kick,
            metrics: Arc::default(),
        };
        Bench { auth: Auth::accounts(parts), store, hasher, clock, kicked }
    }

    pub fn devices(&self) -> Arc<DeviceBook> {
        Arc::new(DeviceBook {
            store: self.store.clone(),
            kick: kick_into(self.kicked.clone()),
            connected: Arc::new(|_| Box::pin(std::future::ready(Vec::new()))),
            authenticator: self.auth.authenticator.clone(),
        })
    }

    pub async fn bans(&self) -> Arc<BanBook> {
        let hour = std::time::Duration::from_secs(3600);
        let limits = StoreLimits { messages_max: 1, session_expiry_max: hour };
        let (store, clock) = (Arc::new(MemoryStore::new(limits)), self.clock.clone());
        let writer = direct_writer(store.clone(), clock.clone());
        let parts = BanParts { store, writer, clock, banned: Arc::new(|_| {}) };
        Arc::new(BanBook::open(parts).await.unwrap())
    }
}

impl<'a> Credentials<'a> {
    /// A login over plain TCP from this machine.
    pub fn test(client_id: &'a ClientId, uid: &'a str, password: &'a [u8]) -> Credentials<'a> {
        Credentials {
            uid: Some(uid),
            client_id,
            password: Some(password),
            peer: std::net::SocketAddr::from(([127, 0, 0, 1], 5)),
            listener: "mqtt",
            certificate: None,
            witness: None,
        }
    }
}

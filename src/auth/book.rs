//! The account book: what `homing user` does, in a running broker and on a store that it opened
//! itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::info;

use super::devices::{Kick, Order, Whom};
use super::password::HashError;
use super::{Hasher, Parts, Password, Recall};
use crate::clock::Clock;
use crate::model::{Roles, Uid};
use crate::store::{Account, Store, StoreError, Write};

/// Accounts on one page of [`AccountBook::list`], at most.
pub const LIST_COUNT_MAX: usize = 1000;

/// Commits one write and returns when it is on disk; the group commit of the broker, or
/// [`direct_writer`].
pub type AccountWriter = Arc<dyn Fn(Write) -> AccountWrite + Send + Sync>;
/// What an [`AccountWriter`] returns.
pub type AccountWrite = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Writes straight to a store that nobody else writes to.
pub fn direct_writer(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> AccountWriter {
    Arc::new(move |write| {
        let (store, now) = (store.clone(), clock.stamp());
        Box::pin(async move { store.commit(&[write], now).await.map(|_| ()) })
    })
}

/// Why an account could not be added, changed or removed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccountError {
    #[error("the user {0} exists already: `homing user passwd {0}` sets another password")]
    Exists(Uid),
    #[error(
        "the user {wanted} would be the same JID as the user {existing}: XMPP does not tell \
         capital and small letters apart, so choose another uid"
    )]
    SameJid { wanted: Uid, existing: Uid },
    #[error("the removal of the user {0} has not ended: `homing user remove {0}` goes on with it")]
    HalfRemoved(Uid),
    #[error("there is no user {0}: `homing user list` shows those there are")]
    Unknown(Uid),
    #[error("the password could not be hashed: {0}")]
    Hash(#[from] HashError),
    #[error("the account could not be read or written: {0}")]
    Store(#[from] StoreError),
}

/// Adds, changes, lists and removes accounts, one change at a time.
pub struct AccountBook {
    store: Arc<dyn Store>,
    writer: AccountWriter,
    hasher: Arc<Hasher>,
    recall: Arc<Recall>,
    kick: Kick,
    changing: Mutex<()>,
}

impl AccountBook {
    pub(super) fn new(parts: Parts, recall: Arc<Recall>) -> AccountBook {
        let Parts { store, writer, hasher, kick, .. } = parts;
        AccountBook { store, writer, hasher, recall, kick, changing: Mutex::new(()) }
    }

    /// # Errors
    /// [`AccountError::Exists`], and [`AccountError::SameJid`] if another uid differs in the case
    /// of letters alone (ruling 18).
    pub async fn add(
        &self,
        uid: &Uid,
        password: &Password,
        roles: Roles,
    ) -> Result<(), AccountError> {
        let _one_at_a_time = self.changing.lock().await;
        match self.store.account(uid).await? {
            Some(account) if account.is_locked() => {
                return Err(AccountError::HalfRemoved(uid.clone()));
            }
            Some(_) => return Err(AccountError::Exists(uid.clone())),
            None => {}
        }
        if let Some(existing) = self.same_jid(uid).await? {
            return Err(AccountError::SameJid { wanted: uid.clone(), existing });
        }
        self.put(uid, password, roles).await?;
        info!(%uid, "account added");
        Ok(())
    }

    /// Sets another password. Connections that are open stay.
    ///
    /// # Errors
    /// [`AccountError::Unknown`] for a user that does not exist.
    pub async fn passwd(&self, uid: &Uid, password: &Password) -> Result<(), AccountError> {
        let _one_at_a_time = self.changing.lock().await;
        let roles = self.existing(uid).await?.roles;
        self.put(uid, password, roles).await?;
        info!(%uid, "password set");
        Ok(())
    }

    /// Sets other roles and ends the user's sessions, so that no connection keeps the old ones.
    ///
    /// # Errors
    /// [`AccountError::Unknown`] for a user that does not exist.
    pub async fn set_roles(&self, uid: &Uid, roles: Roles) -> Result<(), AccountError> {
        let _one_at_a_time = self.changing.lock().await;
        let account = Account { roles, ..self.existing(uid).await? };
        self.write(uid, true, Write::PutAccount { uid: uid.clone(), account }).await?;
        (self.kick)(Order { uid: uid.clone(), whom: Whom::Reconnect }).await?;
        info!(%uid, "roles set");
        Ok(())
    }

    /// Removes the account, ends the user's live sessions, forgets its devices and its mail.
    ///
    /// # Errors
    /// [`AccountError::Unknown`] for a user that does not exist.
    pub async fn remove(&self, uid: &Uid) -> Result<(), AccountError> {
        let _one_at_a_time = self.changing.lock().await;
        let account = self.store.account(uid).await?;
        account.ok_or_else(|| AccountError::Unknown(uid.clone()))?;
        // It lets nobody in from here on, and goes last: what fails half way can be done again.
        let locked = Write::PutAccount { uid: uid.clone(), account: Account::locked() };
        self.write(uid, false, locked).await?;
        let mut all = self.store.sessions(uid).await?;
        let devices = self.store.devices(uid).await?;
        all.extend(devices.into_iter().map(|device| device.client_id));
        (self.kick)(Order { uid: uid.clone(), whom: Whom::Removed(all) }).await?;
        // Behind all that was accepted for it: whoever gets this uid next must not read it.
        (self.writer)(Write::ForgetInbox { uid: uid.clone() }).await?;
        self.write(uid, false, Write::DeleteAccount { uid: uid.clone() }).await?;
        info!(%uid, "account removed");
        Ok(())
    }

    /// Users after `after` in the order of their bytes, [`LIST_COUNT_MAX`] at most.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub async fn list(&self, after: Option<&Uid>) -> Result<Vec<(Uid, Roles)>, AccountError> {
        Ok(self.store.accounts(after, LIST_COUNT_MAX).await?)
    }

    async fn existing(&self, uid: &Uid) -> Result<Account, AccountError> {
        let found = self.store.account(uid).await?.filter(|account| !account.is_locked());
        found.ok_or_else(|| AccountError::Unknown(uid.clone()))
    }

    async fn put(&self, uid: &Uid, password: &Password, roles: Roles) -> Result<(), AccountError> {
        let account = Account { password_hash: self.hasher.hash(password).await?, roles };
        self.write(uid, true, Write::PutAccount { uid: uid.clone(), account }).await
    }

    /// Commits, then forgets; also after an error, since its outcome may be unknown.
    async fn write(&self, uid: &Uid, exists: bool, write: Write) -> Result<(), AccountError> {
        let written = (self.writer)(write).await;
        match &written {
            Ok(()) => self.recall.changed(uid, exists),
            Err(_) => self.recall.forget(uid),
        }
        Ok(written?)
    }

    /// Another user whose uid is the same when case is folded; looks at every account.
    async fn same_jid(&self, uid: &Uid) -> Result<Option<Uid>, AccountError> {
        let wanted = fold(uid);
        let mut after: Option<Uid> = None;
        loop {
            let page = self.list(after.as_ref()).await?;
            if let Some(same) = page.iter().find(|(other, _)| fold(other) == wanted) {
                return Ok(Some(same.0.clone()));
            }
            match page.last() {
                Some((last, _)) => after = Some(last.clone()),
                None => return Ok(None),
            }
        }
    }
}

/// The case folding of JIDs, as simple Unicode lower case.
fn fold(uid: &Uid) -> String {
    uid.as_str().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::auth::testing::{Bench, password, uid};

    #[tokio::test]
    async fn a_user_is_added_once_listed_and_removed_once() {
        let bench = Bench::new();
        let book = &bench.auth.book;
        for name in ["bob", "alice", "пользователь"] {
            book.add(&uid(name), &password("dev"), Roles::default()).await.unwrap();
        }
        let again = book.add(&uid("bob"), &password("dev"), Roles::default()).await;
        assert!(matches!(again, Err(AccountError::Exists(_))), "{again:?}");
        let all = ["alice", "bob", "пользователь"].map(|name| (uid(name), Roles::default()));
        assert_eq!(book.list(None).await.unwrap(), all);
        assert_eq!(book.list(Some(&uid("alice"))).await.unwrap(), all[1..]);
        book.remove(&uid("bob")).await.unwrap();
        assert_eq!(*bench.kicked.lock().unwrap(), [uid("bob")]);
        let gone = book.remove(&uid("bob")).await;
        assert!(matches!(gone, Err(AccountError::Unknown(_))), "{gone:?}");
        let gone = book.passwd(&uid("bob"), &password("dev")).await;
        assert!(matches!(gone, Err(AccountError::Unknown(_))), "{gone:?}");
        assert_eq!(bench.kicked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_uid_that_differs_in_case_alone_is_refused_wherever_it_is_listed() {
        let bench = Bench::new();
        {
            let mut accounts = bench.store.accounts.lock().unwrap();
            accounts.extend(
                (0..2 * LIST_COUNT_MAX).map(|i| (uid(&format!("u{i}")), Account::default())),
            );
            accounts.insert(uid("Zoë"), Account::default());
        }
        let book = &bench.auth.book;
        for name in ["ZOË", "zoë", "U17"] {
            let refused = book.add(&uid(name), &password("dev"), Roles::default()).await;
            assert!(matches!(refused, Err(AccountError::SameJid { .. })), "{refused:?}");
        }
        book.add(&uid("zoe"), &password("dev"), Roles::default()).await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_failed_says_so_and_kicks_nobody() {
        let bench = Bench::new();
        bench.auth.book.add(&uid("bob"), &password("dev"), Roles::default()).await.unwrap();
        bench.store.broken.store(true, Ordering::SeqCst);
        let failed = bench.auth.book.remove(&uid("bob")).await;
        assert!(matches!(failed, Err(AccountError::Store(_))), "{failed:?}");
        assert!(bench.kicked.lock().unwrap().is_empty());
    }

    /// Whoever gets the uid next must not find what the removal has left.
    #[tokio::test]
    async fn a_removal_that_failed_half_way_lets_nobody_in_and_goes_on_when_asked_again() {
        let bench = Bench::new();
        let (book, bob) = (&bench.auth.book, uid("bob"));
        book.add(&bob, &password("dev"), Roles::default()).await.unwrap();
        bench.store.writes_left.store(1, Ordering::SeqCst);
        let failed = book.remove(&bob).await;
        assert!(matches!(failed, Err(AccountError::Store(_))), "{failed:?}");
        bench.store.writes_left.store(usize::MAX, Ordering::SeqCst);
        assert!(!bench.auth.directory.ask(&bob).await.unwrap());
        let client_id = crate::model::ClientId::default();
        let login = crate::auth::Credentials::test(&client_id, "bob", b"dev");
        assert!(bench.auth.authenticator.authenticate(login).await.is_err());
        let taken = book.add(&bob, &password("new"), Roles::default()).await;
        assert!(matches!(taken, Err(AccountError::HalfRemoved(_))), "{taken:?}");
        let opened = book.passwd(&bob, &password("new")).await;
        assert!(matches!(opened, Err(AccountError::Unknown(_))), "{opened:?}");
        book.remove(&bob).await.unwrap();
        book.add(&bob, &password("new"), Roles::default()).await.unwrap();
    }
}

//! Which users exist, for those who send to them (ruling 17).

use std::sync::Arc;

use super::Recall;
use crate::model::{Identity, Uid};
use crate::store::{Store, StoreError};

/// Whether a user exists, as far as it can be said without asking the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Yes,
    No,
    /// Not remembered: [`Directory::ask`].
    Ask,
}

/// Says which users may be sent to. Shared by all threads.
pub struct Directory(Users);

enum Users {
    Everyone,
    Accounts { store: Arc<dyn Store>, recall: Arc<Recall> },
}

impl Directory {
    /// Every uid is a user (provider `open`).
    pub fn everyone() -> Directory {
        Directory(Users::Everyone)
    }

    /// Who has an account is a user (provider `accounts`).
    pub fn accounts(store: Arc<dyn Store>, recall: Arc<Recall>) -> Directory {
        Directory(Users::Accounts { store, recall })
    }

    /// The quick answer, for every publish. Those without a login are not in any directory, and
    /// never removed from one.
    pub fn knows(&self, uid: &Uid) -> Known {
        if uid.is_anonymous() {
            return Known::Yes;
        }
        match &self.0 {
            Users::Everyone => Known::Yes,
            Users::Accounts { recall, .. } => match recall.exists(uid) {
                Some(true) => Known::Yes,
                Some(false) => Known::No,
                None => Known::Ask,
            },
        }
    }

    /// Who this is now: with the roles of the account, where accounts are what makes a user, else
    /// with those of the login it came with. `None` if there is no such user any more; those
    /// without a login never were in any directory.
    ///
    /// # Errors
    /// Those of [`Store::account`].
    pub async fn today(&self, who: &Identity) -> Result<Option<Identity>, StoreError> {
        let store = match &self.0 {
            Users::Accounts { store, .. } if !who.uid.is_anonymous() => store,
            _ => return Ok(Some(who.clone())),
        };
        let account = store.account(&who.uid).await?.filter(|account| !account.is_locked());
        Ok(account.map(|account| Identity { roles: account.roles, ..who.clone() }))
    }

    /// The answer of the store; [`Directory::knows`] gives it for a while afterwards.
    ///
    /// # Errors
    /// Those of [`Store::account`].
    pub async fn ask(&self, uid: &Uid) -> Result<bool, StoreError> {
        let Users::Accounts { store, recall } = &self.0 else {
            return Ok(true);
        };
        let as_of = recall.as_of();
        let exists = store.account(uid).await?.is_some_and(|account| !account.is_locked());
        recall.remember_exists(uid, exists, as_of);
        Ok(exists)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::testing::{Bench, password, uid};
    use crate::model::{Role, Roles};

    #[tokio::test]
    async fn what_was_asked_once_is_known_and_a_change_is_seen_at_once() {
        let bench = Bench::new();
        let (directory, book, bob) = (&bench.auth.directory, &bench.auth.book, uid("bob"));
        assert_eq!(directory.knows(&bob), Known::Ask);
        assert!(!directory.ask(&bob).await.unwrap());
        assert_eq!(directory.knows(&bob), Known::No);
        book.add(&bob, &password("dev"), Roles::default()).await.unwrap();
        assert_eq!(directory.knows(&bob), Known::Yes);
        book.remove(&bob).await.unwrap();
        assert_eq!(directory.knows(&bob), Known::No);
        bench.clock.advance(Duration::from_secs(60));
        assert_eq!(directory.knows(&bob), Known::Ask);
    }

    #[tokio::test]
    async fn an_answer_of_the_store_that_an_addition_overtook_is_not_remembered() {
        let bench = Bench::new();
        let (recall, bob) = (Recall::new(bench.clock.clone()), uid("bob"));
        let before = recall.as_of();
        recall.changed(&bob, true);
        recall.remember_exists(&bob, false, before);
        assert_eq!(recall.exists(&bob), Some(true));
    }

    /// Threat I8.
    #[tokio::test]
    async fn who_left_something_has_the_roles_of_today() {
        let bench = Bench::new();
        let (directory, book, bob) = (&bench.auth.directory, &bench.auth.book, uid("bob"));
        let then = Identity { roles: [Role::Operator].into(), ..Identity::user(bob.clone()) };
        assert_eq!(directory.today(&then).await.unwrap(), None);
        book.add(&bob, &password("dev"), [Role::Service].into()).await.unwrap();
        let today = directory.today(&then).await.unwrap().unwrap();
        assert_eq!(today, Identity { roles: [Role::Service].into(), ..then.clone() });
        book.remove(&bob).await.unwrap();
        assert_eq!(directory.today(&then).await.unwrap(), None);
        assert_eq!(Directory::everyone().today(&then).await.unwrap(), Some(then));
    }

    #[tokio::test]
    async fn nobody_is_asked_for_those_without_a_login() {
        let bench = Bench::new();
        let nobody = Identity::user(Uid::anonymous());
        assert_eq!(bench.auth.directory.knows(&nobody.uid), Known::Yes);
        assert_eq!(bench.auth.directory.today(&nobody).await.unwrap(), Some(nobody));
    }

    #[test]
    fn where_everyone_is_a_user_nobody_is_asked_for() {
        assert_eq!(Directory::everyone().knows(&uid("anyone")), Known::Yes);
    }
}

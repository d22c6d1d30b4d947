//! The subscriptions as all workers share them, and a number that is another one after each change:
//! by it a worker knows whether what it has found is still so, without asking the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::Subscriptions;

/// See the module's documentation.
#[derive(Default)]
pub struct SharedSubscriptions {
    tree: RwLock<Subscriptions>,
    version: AtomicU64,
}

impl SharedSubscriptions {
    pub fn read(&self) -> RwLockReadGuard<'_, Subscriptions> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The only way to change them.
    pub fn change<T>(&self, act: impl FnOnce(&mut Subscriptions) -> T) -> T {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        // Before the change: whoever still sees the old number came before it, and whoever sees
        // the new one waits for the lock. Even if `act` panics halfway.
        self.version.fetch_add(1, Ordering::SeqCst);
        act(&mut tree)
    }

    /// Of what [`SharedSubscriptions::read`] shows, asked while that is held.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }
}

impl From<Subscriptions> for SharedSubscriptions {
    fn from(tree: Subscriptions) -> SharedSubscriptions {
        SharedSubscriptions { tree: RwLock::new(tree), version: AtomicU64::default() }
    }
}

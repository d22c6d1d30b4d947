//! Who are you: the [`Authenticator`] trait, its providers, and the accounts behind them.
//!
//! - [`accounts`]: users with argon2id passwords in the store
//! - [`open`]: any uid with any password, for loopback
//! - [`book`]: what `homing user` does with accounts
//! - [`directory`]: which users exist, for the senders
//! - [`recall`]: what is remembered of logins and users, and forgotten when an account changes

pub mod accounts;
pub mod book;
mod cache;
pub mod directory;
pub mod open;
pub mod password;
pub mod recall;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

pub use accounts::Accounts;
pub use book::{AccountBook, AccountError, AccountWrite, AccountWriter, Kick, direct_writer};
pub use directory::{Directory, Known};
pub use open::Open;
pub use password::{Hasher, Password, PasswordError};
pub use recall::Recall;

use crate::clock::Clock;
use crate::model::{ClientId, Identity, Reason};
use crate::store::Store;

/// What a client says of itself in CONNECT.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name as it was sent; `None` if there was none.
    pub uid: Option<&'a str>,
    pub client_id: &'a ClientId,
    pub password: Option<&'a [u8]>,
    pub peer: SocketAddr,
}

/// Shows that there is a password, never which.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("uid", &self.uid)
            .field("client_id", self.client_id)
            .field("password", &self.password.map(|_| "…"))
            .field("peer", &self.peer)
            .finish()
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The user does not exist, or the password is wrong: it is not said which.
    #[error("user name or password is wrong")]
    BadLogin,
    /// Accounts cannot be read now; the log says why.
    #[error("logins cannot be checked now: try again later")]
    Unavailable,
    /// More passwords wait to be checked than `auth.hashes_at_once` allows for.
    #[error("too many logins at once: try again later")]
    Busy,
}

impl AuthError {
    pub fn reason(self) -> Reason {
        match self {
            AuthError::BadLogin => Reason::BadLogin,
            AuthError::Unavailable => Reason::Unavailable,
            AuthError::Busy => Reason::Busy,
        }
    }
}

/// The answer to a login; boxed so that the trait serves as `dyn`.
pub type AuthFuture<'a> = Pin<Box<dyn Future<Output = Result<Identity, AuthError>> + Send + 'a>>;

/// Decides who a connection is. Dropping the future gives the question up.
pub trait Authenticator: Send + Sync {
    /// # Errors
    /// [`AuthError`], whose words and [`AuthError::reason`] go to the client.
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a>;
}

/// What logins and accounts stand on.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub writer: AccountWriter,
    pub clock: Arc<dyn Clock>,
    pub hasher: Arc<Hasher>,
    pub kick: Kick,
}

/// One provider with the directory and the account book that belong to it.
pub struct Auth {
    pub authenticator: Arc<dyn Authenticator>,
    pub directory: Arc<Directory>,
    pub book: Arc<AccountBook>,
}

impl Auth {
    /// Provider `accounts`.
    pub fn accounts(parts: Parts) -> Auth {
        let recall = Arc::new(Recall::new(parts.clock.clone()));
        let authenticator = Accounts {
            store: parts.store.clone(),
            hasher: parts.hasher.clone(),
            recall: recall.clone(),
        };
        let directory = Directory::accounts(parts.store.clone(), recall.clone());
        Auth {
            authenticator: Arc::new(authenticator),
            directory: Arc::new(directory),
            book: Arc::new(AccountBook::new(parts, recall)),
        }
    }

    /// Provider `open`: accounts can be made all the same, for the day it is closed.
    pub fn open(parts: Parts) -> Auth {
        let recall = Arc::new(Recall::new(parts.clock.clone()));
        Auth {
            authenticator: Arc::new(Open),
            directory: Arc::new(Directory::everyone()),
            book: Arc::new(AccountBook::new(parts, recall)),
        }
    }
}

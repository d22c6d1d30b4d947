//! Who are you: the [`Authenticator`] trait, its providers, and the accounts behind them.
//!
//! - [`accounts`]: users with argon2id passwords in the store
//! - [`open`]: any uid with any password, for loopback
//! - [`certificate`]: the client certificate of the TLS connection
//! - [`http`]: the member API
//! - [`chain`]: several providers, asked in order
//! - [`bans`]: who is kept out for a while
//! - [`guard`]: guessed passwords
//! - [`jwt`]: signed tokens
//! - [`redis`]: tokens that another program wrote there
//! - [`book`]: what `homing user` does with accounts
//! - [`devices`]: what `homing device` does with devices and live sessions
//! - [`directory`]: which users exist, for the senders
//! - [`witness`]: what `homing auth test` sees of a login
//! - [`recall`]: what is remembered of logins and users, and forgotten when an account changes

pub mod accounts;
pub mod bans;
pub mod book;
mod cache;
pub mod certificate;
pub mod chain;
pub mod devices;
pub mod directory;
pub mod guard;
pub mod http;
pub mod jwt;
pub mod open;
pub mod password;
pub mod recall;
#[cfg(feature = "redis")]
pub mod redis;
pub mod source;
mod swap;
#[cfg(test)]
pub(crate) mod testing;
mod tries;
pub mod witness;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use accounts::Accounts;
pub use bans::{BanBook, BanError, BanParts, Bans};
pub use book::{AccountBook, AccountError, AccountWrite, AccountWriter, direct_writer};
pub use certificate::ByCertificate;
pub use chain::Chain;
pub use devices::{Connected, Device, DeviceBook, DeviceError, Kick, Order, Whom, direct_kick};
pub use directory::{Directory, Known};
pub use guard::{Guard, GuardLimits};
pub use http::MemberApi;
pub use jwt::Jwt;
pub use open::Open;
pub use password::{Hasher, Password, PasswordError};
pub use recall::Recall;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use source::source_of;
pub use swap::Swap;
pub use witness::Witness;

use crate::clock::{Clock, Stopwatch};
use crate::metrics::{self, Backend, Metrics};
use crate::model::{ClientId, Identity, Reason, Stamp, Uid};
use crate::store::Store;

/// What a client says of itself in CONNECT.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name as it was sent; `None` if there was none.
    pub uid: Option<&'a str>,
    pub client_id: &'a ClientId,
    pub password: Option<&'a [u8]>,
    pub peer: SocketAddr,
    /// Which kind of listener it came in by, as in the settings: `mqtt`, `mqtts`…
    pub listener: &'a str,
    /// What its verified client certificate says.
    pub certificate: Option<&'a Certificate>,
    /// Who watches, where a login is only tried.
    pub witness: Option<&'a Arc<Witness>>,
}

/// The names in a client certificate that was verified in the TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name.
    pub common_name: Option<String>,
    /// Subject alternative names, by type.
    pub dns: Vec<String>,
    pub email: Vec<String>,
    pub uri: Vec<String>,
    /// The end of its validity.
    pub expires_at: Option<Stamp>,
}

/// Shows that there is a password, never which.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("uid", &self.uid)
            .field("client_id", self.client_id)
            .field("password", &self.password.map(|_| "…"))
            .field("peer", &self.peer)
            .field("listener", &self.listener)
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// This provider does not know the user or the kind of token: the next one is asked. Behind the
    /// last it is a [`AuthError::BadLogin`]. Words are the same, so that nobody learns who exists.
    #[error("user name or password is wrong")]
    NotMine,
    /// The user does not exist, or the password is wrong: it is not said which.
    #[error("user name or password is wrong")]
    BadLogin,
    /// The token was right once.
    #[error("the token has expired: log in again to get a new one")]
    Expired,
    /// Nobody can say now; the log says why.
    #[error("logins cannot be checked now: try again in {} s", retry_after.as_secs())]
    Unavailable { retry_after: Duration },
    /// More logins wait to be checked than the settings allow for.
    #[error("too many logins at once: try again in {} s", retry_after.as_secs())]
    Busy { retry_after: Duration },
    /// Kept out for a while: see [`bans`].
    #[error("banned: try again in {} s", retry_after.as_secs() + 1)]
    Banned { retry_after: Duration },
    /// This user, or this address, has tried too many wrong passwords.
    #[error("too many wrong passwords: try again in {} s", retry_after.as_secs() + 1)]
    TooMany { retry_after: Duration },
}

impl AuthError {
    /// Where nothing better is known, a client should wait this long.
    pub const UNAVAILABLE: AuthError =
        AuthError::Unavailable { retry_after: Duration::from_secs(5) };
    pub const BUSY: AuthError = AuthError::Busy { retry_after: Duration::from_secs(2) };

    /// When the same login may succeed; `None`: never.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            AuthError::NotMine | AuthError::BadLogin | AuthError::Expired => None,
            AuthError::Unavailable { retry_after }
            | AuthError::Busy { retry_after }
            | AuthError::Banned { retry_after }
            | AuthError::TooMany { retry_after } => Some(retry_after),
        }
    }

    pub fn reason(self) -> Reason {
        match self {
            AuthError::NotMine | AuthError::BadLogin => Reason::BadLogin,
            AuthError::Expired => Reason::LoginExpired,
            AuthError::Unavailable { .. } => Reason::Unavailable,
            AuthError::Busy { .. } => Reason::Busy,
            AuthError::Banned { .. } => Reason::Banned,
            AuthError::TooMany { .. } => Reason::TooManyAttempts,
        }
    }
}

/// The answer to a login; boxed so that the trait serves as `dyn`.
pub type AuthFuture<'a> = Pin<Box<dyn Future<Output = Login> + Send + 'a>>;
pub type Login = Result<Identity, AuthError>;

/// Decides who a connection is. Dropping the future gives the question up.
pub trait Authenticator: Send + Sync {
    /// # Errors
    /// [`AuthError`], whose words and [`AuthError::reason`] go to the client.
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a>;

    /// What is remembered of this user's logins counts no more: the next one is checked anew. There
    /// is no default, so that nothing that stands before a provider can keep this from it.
    fn forget(&self, uid: &Uid);
}

/// Counts a question to a backend by what came of it, and how long it took.
async fn counted(
    metrics: &Metrics,
    backend: Backend,
    asking: impl Future<Output = Login>,
) -> Login {
    let watch = Stopwatch::start();
    let login = asking.await;
    metrics.logins.seconds(backend).observe(watch.elapsed().as_secs_f64());
    metrics.logins.requests(backend, asked(&login)).inc();
    login
}

fn asked(login: &Login) -> metrics::Asked {
    match login {
        Ok(_) => metrics::Asked::Accepted,
        Err(AuthError::NotMine) => metrics::Asked::Unknown,
        Err(AuthError::Unavailable { .. }) => metrics::Asked::Unavailable,
        Err(AuthError::Busy { .. }) => metrics::Asked::Busy,
        Err(_) => metrics::Asked::Refused,
    }
}

/// What logins and accounts stand on.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub writer: AccountWriter,
    pub clock: Arc<dyn Clock>,
    pub hasher: Arc<Hasher>,
    pub kick: Kick,
    pub metrics: Arc<Metrics>,
}

/// One provider with the directory and the account book that belong to it.
pub struct Auth {
    pub authenticator: Arc<dyn Authenticator>,
    /// Provider `accounts` alone.
    pub accounts: Arc<dyn Authenticator>,
    pub directory: Arc<Directory>,
    pub book: Arc<AccountBook>,
}

impl Auth {
    /// Provider `accounts`.
    pub fn accounts(parts: Parts) -> Auth {
        let recall = Arc::new(Recall::new(parts.clock.clone()));
        let accounts: Arc<dyn Authenticator> = Arc::new(Accounts {
            store: parts.store.clone(),
            hasher: parts.hasher.clone(),
            recall: recall.clone(),
            metrics: parts.metrics.clone(),
        });
        let directory = Directory::accounts(parts.store.clone(), recall.clone());
        Auth {
            authenticator: accounts.clone(),
            accounts,
            directory: Arc::new(directory),
            book: Arc::new(AccountBook::new(parts, recall)),
        }
    }
}

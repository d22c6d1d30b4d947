//! Who are you: the [`Authenticator`] trait, its providers.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::model::{ClientId, Identity, Reason};

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

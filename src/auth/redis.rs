//! Logins by tokens that another program wrote into Redis: a key made of what the client says, and
//! a value that the token has to match. Redis is asked at each login and nothing is remembered, so
//! that a logout counts at once.

mod template;

use std::sync::Arc;
use std::time::Duration;

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Mac};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

pub use template::{Said, Template, TemplateError};

use super::{AuthError, AuthFuture, Authenticator, Credentials};
use crate::clock::Clock;
use crate::model::{Identity, Uid};

/// Between two attempts to reach Redis, at first and at most.
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Attempts before the logins that wait are refused; the next login begins anew.
const RECONNECT_COUNT_MAX: usize = 3;
/// The longest token that is looked up.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Where tokens lie and what makes one right.
#[derive(Clone, Debug)]
pub struct Layout {
    pub key: Template,
    /// The field of a hash; `None`: the key is a string.
    pub field: Option<String>,
    pub value: Template,
    /// How long a key lives on after a check; `None`: it is left as it is.
    pub renew: Option<Duration>,
}

/// How Redis is reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// `redis://host:port/db`
    pub url: String,
    pub user: String,
    pub password: String,
    /// Instead of the database in the URL, which may leave it out.
    pub database: Option<i64>,
    /// For one answer, with all waiting.
    pub wait: Duration,
    /// Questions under way at the same time; more of them wait.
    pub at_once: usize,
}

/// Provider `redis`.
pub struct Redis {
    pub(super) connection: ConnectionManager,
    pub(super) layout: Layout,
    /// `{host}` of the templates.
    pub(super) host: String,
    pub(super) wait: Duration,
    pub(super) places: Arc<Semaphore>,
    pub(super) runtime: Handle,
    pub(super) clock: Arc<dyn Clock>,
}

//! Logins by tokens that another program wrote into Redis: a key made of what the client says, and
//! a value that the token has to match. Redis is asked at each login and nothing is remembered, so
//! that a logout counts at once.
//!
//! - `template`: keys and values with `{placeholders}`
//! - `link`: the connection, its deadline and its return

mod link;
mod template;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::error;

use link::{Found, Link, Question};
pub use link::{Server, ServerError};
use template::Said;
pub use template::{Template, TemplateError};

use super::{AuthError, AuthFuture, Authenticator, Credentials};
use crate::clock::Clock;
use crate::model::{Identity, Uid};

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
    /// `{host}` of the templates.
    pub host: String,
}

/// Provider `redis`. What lies there nowhere is somebody else's token.
pub struct Redis {
    layout: Layout,
    link: Arc<Link>,
    /// For an answer, and for a place among the questions.
    wait: Duration,
    places: Arc<Semaphore>,
    /// The connection lives there; logins come from other threads.
    runtime: Handle,
    clock: Arc<dyn Clock>,
}

impl Redis {
    /// Does not connect yet: Redis may come later than the broker. `at_once` questions are under
    /// way at the same time; more of them wait, `wait` at most.
    ///
    /// # Errors
    /// [`ServerError`]
    pub fn new(
        server: &Server,
        layout: Layout,
        at_once: usize,
        runtime: Handle,
        clock: Arc<dyn Clock>,
    ) -> Result<Redis, ServerError> {
        Ok(Redis {
            layout,
            link: Arc::new(Link::new(server, clock.clone())?),
            wait: server.wait,
            places: Arc::new(Semaphore::new(at_once)),
            runtime,
            clock,
        })
    }

    async fn login(&self, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
        let uid = credentials.uid.and_then(|text| Uid::parse(text).ok());
        let (uid, question) = uid
            .and_then(|uid| Some((uid.clone(), self.question(&uid, credentials)?)))
            .ok_or(AuthError::NotMine)?;
        match self.ask(question).await? {
            Found::Nothing => Err(AuthError::NotMine),
            Found::Other => Err(AuthError::BadLogin),
            Found::Same { lives_on } => Ok(Identity {
                expires_at: lives_on.map(|rest| self.clock.wall().after(rest)),
                ..Identity::user(uid)
            }),
        }
    }

    /// `None` if the password is not of the kind that lies here.
    fn question(&self, uid: &Uid, credentials: Credentials<'_>) -> Option<Question> {
        let password = credentials.password.filter(|bytes| bytes.len() <= TOKEN_BYTES_MAX)?;
        let said = Said {
            uid: uid.as_str(),
            host: &self.layout.host,
            client_id: credentials.client_id.as_str(),
            token: std::str::from_utf8(password).ok()?,
        };
        Some(Question {
            key: self.layout.key.fill(&said)?,
            field: self.layout.field.clone(),
            value: self.layout.value.fill(&said)?,
            renew: self.layout.renew,
        })
    }

    /// On the connection's own runtime; given up when nobody waits for it.
    async fn ask(&self, question: Question) -> Result<Found, AuthError> {
        let place = tokio::time::timeout(self.wait, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(AuthError::BUSY) };
        let link = self.link.clone();
        let mut task = JoinSet::new();
        let asking = async move {
            let _place = place;
            link.ask(&question).await
        };
        task.spawn_on(asking, &self.runtime);
        match task.join_next().await {
            Some(Ok(answer)) => answer.map_err(|_| AuthError::UNAVAILABLE),
            broken => {
                error!("a question to Redis did not end well: {broken:?}");
                Err(AuthError::UNAVAILABLE)
            }
        }
    }
}

impl Authenticator for Redis {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(self.login(credentials))
    }

    /// Nothing is remembered.
    fn forget(&self, _: &Uid) {}
}

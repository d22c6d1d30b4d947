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
use tokio::task::JoinSet;
use tracing::error;

use link::{Found, Link, NoAnswer, Question};
pub use link::{Server, ServerError};
use template::Said;
pub use template::{Template, TemplateError};

use super::{AuthError, AuthFuture, Authenticator, Credentials, counted};
use crate::clock::Clock;
use crate::metrics::{Backend, Metrics};
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
    /// The connection lives there; logins come from other threads.
    runtime: Handle,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Redis {
    /// Does not connect yet: Redis may come later than the broker.
    ///
    /// # Errors
    /// [`ServerError`]
    pub fn new(
        server: &Server,
        layout: Layout,
        runtime: Handle,
        (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
    ) -> Result<Redis, ServerError> {
        Ok(Redis {
            layout,
            link: Arc::new(Link::new(server, clock.clone())?),
            runtime,
            clock,
            metrics,
        })
    }

    /// Whether Redis answers, and takes the password that it is shown.
    ///
    /// # Errors
    /// In words of Redis or of the network.
    pub async fn ping(&self) -> Result<(), String> {
        self.link.ping().await
    }

    async fn login(&self, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
        let uid = credentials.uid.and_then(|text| Uid::parse(text).ok());
        let question = uid.and_then(|uid| Some((uid.clone(), self.question(&uid, credentials)?)));
        let Some((uid, question)) = question else {
            credentials.why("user name and password make no key: see auth.redis.key and value");
            return Err(AuthError::NotMine);
        };
        counted(&self.metrics, Backend::Redis, self.look_up(uid, question, &credentials)).await
    }

    async fn look_up(
        &self,
        uid: Uid,
        question: Question,
        credentials: &Credentials<'_>,
    ) -> Result<Identity, AuthError> {
        credentials.note("key", || self.shown_key(&uid, credentials));
        credentials.note("field", || question.field.clone());
        let found = self.ask(question).await.map_err(|(error, words)| {
            credentials.why(words);
            error
        })?;
        credentials.note("found", || found.words());
        match found {
            Found::Nothing => Err(AuthError::NotMine),
            Found::Other => Err(AuthError::BadLogin),
            Found::Same { lives_on } => {
                credentials.note("lives_on_ms", || lives_on.map(|rest| rest.as_millis() as u64));
                let expires_at = lives_on.map(|rest| self.clock.wall().after(rest));
                Ok(Identity { expires_at, ..Identity::user(uid) })
            }
        }
    }

    /// With what the client proves itself by left out.
    fn shown_key(&self, uid: &Uid, credentials: &Credentials<'_>) -> String {
        let (host, client_id) = (&self.layout.host, credentials.client_id.as_str());
        self.layout.key.shown(&Said { uid: uid.as_str(), host, client_id, token: "" })
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
    async fn ask(&self, question: Question) -> Result<Found, (AuthError, String)> {
        let link = self.link.clone();
        let mut task = JoinSet::new();
        task.spawn_on(async move { link.ask(&question).await }, &self.runtime);
        match task.join_next().await {
            Some(Ok(answer)) => answer.map_err(|none| match none {
                NoAnswer::Busy => {
                    (AuthError::BUSY, "auth.redis.at_once questions are under way".into())
                }
                NoAnswer::Failed(words) => (AuthError::UNAVAILABLE, words),
            }),
            broken => {
                error!("a question to Redis did not end well: {broken:?}");
                Err((AuthError::UNAVAILABLE, "the question did not end well".into()))
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

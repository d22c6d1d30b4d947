//! Logins that pages have checked, by the same providers as those over MQTT: so many at the same
//! time, so many per address, each within a time.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tracing::info;

use super::Visitor;
use super::asks::Asks;
use super::problem::Problem;
use crate::auth::{AuthError, Authenticator, Certificate, Credentials};
use crate::clock::Clock;
use crate::log::{self, Seldom};
use crate::model::limit::UID_BYTES_MAX;
use crate::model::{ClientId, Identity, Rate};

/// Checks under way at the same time, of users and again of the router: together fewer than
/// connections, so that health is always answered.
const CHECKS_AT_ONCE: usize = 32;
/// For one check.
const CHECK_WAIT: Duration = Duration::from_secs(10);

/// Shared by all HTTP listeners.
pub struct Logins {
    authenticator: Arc<dyn Authenticator>,
    clock: Arc<dyn Clock>,
    asks: Asks,
    places: Semaphore,
    refusals: Seldom,
}

/// Whose login is to be checked.
pub struct Question<'a> {
    pub uid: Option<&'a str>,
    pub client_id: &'a ClientId,
    pub token: Option<&'a [u8]>,
    /// Of the user that logs in, not of somebody who asks for it.
    pub certificate: Option<&'a Certificate>,
}

/// Why a login was not checked, or what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Login(AuthError),
    /// This address asked too often.
    TooMany {
        retry_after: Duration,
    },
}

impl Logins {
    /// One address may have logins checked at this `rate`; `None` is no limit.
    pub fn new(
        authenticator: Arc<dyn Authenticator>,
        clock: Arc<dyn Clock>,
        rate: Option<Rate>,
    ) -> Logins {
        let (asks, places) = (Asks::new(rate), Semaphore::new(CHECKS_AT_ONCE));
        let refusals = Seldom::new(clock.clone());
        Logins { authenticator, clock, asks, places, refusals }
    }

    /// # Errors
    /// [`Refused`]
    pub(super) async fn check(
        &self,
        question: Question<'_>,
        visitor: &Visitor,
    ) -> Result<Identity, Refused> {
        let Question { uid, client_id, token, certificate } = question;
        let (peer, listener) = (visitor.peer, visitor.listener);
        let taken = self.asks.take(peer.ip(), self.clock.moment());
        taken.map_err(|retry_after| Refused::TooMany { retry_after })?;
        let place = self.places.try_acquire();
        let _place = place.map_err(|_| Refused::Login(AuthError::BUSY))?;
        let credentials = Credentials {
            uid,
            client_id,
            password: token,
            peer,
            listener,
            certificate,
            witness: None,
        };
        let _checking = visitor.place.check();
        let checking = self.authenticator.authenticate(credentials);
        let checked = tokio::time::timeout(CHECK_WAIT, checking).await;
        checked.unwrap_or(Err(AuthError::UNAVAILABLE)).map_err(|error| {
            if let Some(left_out) = self.refusals.say() {
                let reason = error.reason().name();
                let uid = uid.map(|uid| log::cut(uid, UID_BYTES_MAX));
                info!(uid, %peer, reason, left_out, "login over HTTP refused: {error}");
            }
            Refused::Login(error)
        })
    }
}

impl Refused {
    /// When it is worth asking again; `None`: never, with the same token.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Refused::TooMany { retry_after } => Some(retry_after),
            Refused::Login(error) => error.retry_after(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let problem = match refused {
            Refused::Login(error @ (AuthError::NotMine | AuthError::BadLogin)) => {
                Problem::of(error.reason(), error.to_string())
            }
            Refused::Login(error @ AuthError::Expired) => {
                let title = "the token has expired";
                Problem::new(StatusCode::UNAUTHORIZED, "token_expired", title, error.to_string())
            }
            Refused::Login(error) => Problem::of(error.reason(), error.to_string()),
            Refused::TooMany { .. } => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too many requests from this address",
                "this address has had too many logins checked".into(),
            ),
        };
        match refused.retry_after() {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

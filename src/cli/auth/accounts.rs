//! Where `homing auth test` finds the accounts: in the running broker of the data directory, or in
//! its store when none runs.

use std::path::PathBuf;

use super::super::admin::desk;
use super::super::exit::{Failure, UNREACHABLE};
use super::super::place::{Opened, open};
use crate::auth::witness::{Asked, Outcome, try_accounts};
use crate::auth::{AuthError, AuthFuture, Authenticator, Credentials, Login};
use crate::config::Config;
use crate::control::{self, Answer, AskError, Desk, Request, Token};
use crate::model::{Identity, Role, Roles, Uid};

pub enum Accounts {
    /// The settings do not name them.
    NotAsked,
    /// The broker that runs on this data directory.
    Broker(PathBuf),
    Store(Box<(Opened, Desk)>),
}

impl Accounts {
    /// # Errors
    /// If neither a broker nor the store answers, or no data directory is known.
    pub async fn find(config: &Config) -> Result<Accounts, Failure> {
        let Some(data) = &config.store.data else {
            return Err(Failure::usage(
                "auth.provider has \"accounts\", which are in the broker's data directory: give \
                 it with --data DIR, or name another provider",
            ));
        };
        let unavailable = |words: String| Failure::new(UNREACHABLE, words);
        match control::ask(data, &Request::Ping).await {
            Ok(_) => return Ok(Accounts::Broker(data.clone())),
            Err(AskError::NoBroker) => {}
            Err(error) => return Err(unavailable(error.to_string())),
        }
        let opened = open(config, data).await.map_err(unavailable)?;
        let desk = desk(opened.store.clone(), data).await.map_err(unavailable)?;
        Ok(Accounts::Store(Box::new((opened, desk))))
    }

    /// # Errors
    /// If the store does not close well.
    pub async fn close(&self) -> Result<(), Failure> {
        match self {
            Accounts::Store(own) => {
                own.0.store.close().await.map_err(|error| Failure::new(UNREACHABLE, error))
            }
            Accounts::NotAsked | Accounts::Broker(_) => Ok(()),
        }
    }

    async fn asked(&self, uid: Option<&str>, password: &str) -> Result<Vec<Asked>, String> {
        match self {
            Accounts::NotAsked => Err("they are not among the providers".into()),
            Accounts::Store(own) => Ok(try_accounts(&own.1.accounts, uid, password).await),
            Accounts::Broker(data) => {
                let (uid, password) = (uid.map(str::to_owned), Token(password.to_owned().into()));
                match control::ask(data, &Request::AuthTry { uid, password }).await {
                    Ok(Answer::AuthTried { asked }) => Ok(asked),
                    Ok(Answer::Refused { words, .. }) => Err(words),
                    Ok(_) => Err("the broker answered something else".into()),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }

    async fn login(&self, credentials: Credentials<'_>) -> Login {
        // It was read as text.
        let password = credentials.password.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let asked = self.asked(credentials.uid, password.unwrap_or_default()).await;
        let asked = asked.and_then(|mut asked| asked.pop().ok_or_else(|| "no answer".into()));
        let login = asked.as_ref().map_or(Err(AuthError::UNAVAILABLE), decided);
        if let Some(witness) = credentials.witness {
            match asked {
                Ok(asked) => witness.adopt(asked),
                Err(words) => witness.why(&words),
            }
        }
        login
    }
}

impl Authenticator for Accounts {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(self.login(credentials))
    }

    /// Nothing is remembered here.
    fn forget(&self, _: &Uid) {}
}

/// What the accounts decided, as they said it.
fn decided(asked: &Asked) -> Login {
    match (asked.decision.result, &asked.decision.identity) {
        (Outcome::Accepted, Some(who)) => {
            let uid = Uid::parse(&who.uid).map_err(|_| AuthError::UNAVAILABLE)?;
            let roles: Result<Roles, _> = who.roles.iter().map(|role| Role::parse(role)).collect();
            let roles = roles.map_err(|_| AuthError::UNAVAILABLE)?;
            Ok(Identity { roles, ..Identity::user(uid) })
        }
        (Outcome::NotMine, _) => Err(AuthError::NotMine),
        (Outcome::Busy, _) => Err(AuthError::BUSY),
        (Outcome::Unavailable | Outcome::Accepted, _) => Err(AuthError::UNAVAILABLE),
        (Outcome::Refused | Outcome::Expired, _) => Err(AuthError::BadLogin),
    }
}

//! What commands ask of a broker: the running one of a data directory or, when none runs, its
//! store, which is opened for the time of the request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::exit::{FAILURE, Failure, UNREACHABLE};
use super::place::{DataPlace, Opened, open};
use crate::auth::{
    Auth, BanBook, BanParts, Connected, DeviceBook, Hasher, Parts, direct_kick, direct_writer,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{self, Answer, AskError, Audit, Desk, Refusal, Request, Who};
use crate::health::Health;
use crate::store::Store;

/// What each of these commands takes.
#[derive(Args, Debug)]
pub struct AdminArgs<V: Subcommand> {
    #[command(subcommand)]
    pub verb: V,
    #[command(flatten)]
    pub place: DataPlace,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    pub json: bool,
}

pub struct Admin {
    config: Config,
    data: PathBuf,
    /// Once no broker has answered.
    own: Option<Own>,
}

/// The store, for as long as the command runs.
struct Own {
    opened: Opened,
    desk: Desk,
}

/// Runs a verb that asks, and closes what was opened for it.
///
/// # Errors
/// Settings that cannot be read or name no data directory; those of the verb; a store that cannot
/// be closed.
pub async fn run(
    place: DataPlace,
    verb: impl AsyncFnOnce(&mut Admin) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = place.load()?.config;
    let data = config.store.data.clone();
    let data = data.ok_or_else(|| {
        Failure::usage("of which broker? Give its data directory with --data DIR")
    })?;
    let mut admin = Admin { config, data, own: None };
    let done = verb(&mut admin).await;
    done.and(admin.close().await)
}

fn unavailable(words: impl std::fmt::Display) -> Failure {
    Failure::new(UNREACHABLE, words)
}

impl Admin {
    /// # Errors
    /// If neither a broker nor the store answers.
    pub async fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        if self.own.is_none() {
            match control::ask(&self.data, &request).await {
                Err(AskError::NoBroker) => self.own = Some(self.open().await?),
                Err(error) => return Err(unavailable(error)),
                Ok(answer) => return Ok(answer),
            }
        }
        let own = self.own.as_ref().ok_or_else(|| unavailable("the store is closed"))?;
        Ok(own.desk.answer(request, Who::this_process()).await.tell())
    }

    async fn open(&self) -> Result<Own, Failure> {
        let opened = open(&self.config, &self.data).await.map_err(unavailable)?;
        let desk = desk(opened.store.clone(), &self.data).await.map_err(unavailable)?;
        Ok(Own { opened, desk })
    }

    async fn close(self) -> Result<(), Failure> {
        let Some(Own { opened, .. }) = self.own else { return Ok(()) };
        opened.store.close().await.map_err(unavailable)?;
        drop(opened.lock);
        Ok(())
    }
}

/// What a verb makes of an answer that is not the one it waits for.
pub fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Refused { code: Refusal::Failed, words } => Failure::new(UNREACHABLE, words),
        Answer::Refused { words, .. } => Failure::new(FAILURE, words),
        other => Failure::new(FAILURE, format!("the broker answered something else: {other:?}")),
    }
}

/// Answers requests from a store that nobody else has open.
///
/// # Errors
/// In words, if the store cannot be read or the audit log not be written.
pub async fn desk(store: Arc<dyn Store>, data: &Path) -> Result<Desk, String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let writer = direct_writer(store.clone(), clock.clone());
    let bans = BanBook::open(BanParts {
        store: store.clone(),
        writer: writer.clone(),
        clock: clock.clone(),
        banned: Arc::new(|_| {}),
    });
    let bans = Arc::new(bans.await.map_err(|error| error.to_string())?);
    let audit = Arc::new(Audit::open(data, clock.clone())?);
    let parts = Parts {
        writer: writer.clone(),
        store,
        clock: clock.clone(),
        hasher: Arc::new(Hasher::new(1)),
        kick: direct_kick(writer),
        metrics: Arc::default(),
    };
    let (store, kick) = (parts.store.clone(), parts.kick.clone());
    let Auth { authenticator, accounts, book, .. } = Auth::accounts(parts);
    let connected: Connected = Arc::new(|_| Box::pin(std::future::ready(Vec::new())));
    let devices = Arc::new(DeviceBook { store, kick, connected, authenticator });
    let health = Arc::new(Health::new(clock));
    let member_api = Arc::default();
    Ok(Desk { book, bans, devices, health, audit, reload: None, member_api, accounts })
}

//! What commands ask of a broker: the running one of a data directory or, when none runs, its
//! store, which is opened for the time of the request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::{FAILURE, Failure, UNREACHABLE};
use super::place::{DataPlace, open};
use crate::auth::{
    Auth, BanBook, BanParts, Connected, DeviceBook, Hasher, Parts, direct_kick, direct_writer,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{self, Answer, AskError, Audit, Desk, Refusal, Request, Who};
use crate::health::Health;
use crate::store::Store;

pub struct Admin {
    config: Config,
    data: PathBuf,
}

impl Admin {
    /// # Errors
    /// Settings that cannot be read, or no data directory among them.
    pub fn new(place: DataPlace) -> Result<Admin, Failure> {
        let config = place.load()?.config;
        let data = config.store.data.clone().ok_or_else(|| {
            Failure::usage("of which broker? Give its data directory with --data DIR")
        })?;
        Ok(Admin { config, data })
    }

    /// # Errors
    /// If neither a broker nor the store answers.
    pub async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        match control::ask(&self.data, &request).await {
            Err(AskError::NoBroker) => {}
            Err(error) => return Err(Failure::new(UNREACHABLE, error)),
            Ok(answer) => return Ok(answer),
        }
        let unavailable = |words: String| Failure::new(UNREACHABLE, words);
        let opened = open(&self.config, &self.data).await.map_err(unavailable)?;
        let store = opened.store.clone();
        let desk = desk(store.clone(), &self.data).await.map_err(unavailable)?;
        let answer = desk.answer(request, Who::this_process()).await.tell();
        store.close().await.map_err(|error| unavailable(error.to_string()))?;
        drop(opened.lock);
        Ok(answer)
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
        changed: Arc::new(|_| {}),
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

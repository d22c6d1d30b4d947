//! Reloading: everything that can fail is prepared for all parts first; then all parts get what was
//! prepared, which cannot fail. So either all of it holds or nothing has changed.

use std::fs::File;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tracing_subscriber::EnvFilter;

use crate::auth::{Authenticator, Guard, GuardLimits, Hasher};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::config::reload::{Change, change};
use crate::control::{self, Audit, Reloaded};
use crate::log;
use crate::metrics::Metrics;
use crate::net::{AdmissionLimits, Gate, Mail, Mailbox};
use crate::shard::Live;

use super::auth::Providers;
use super::build::{Base, admission, guard_limits, live};

/// Loads the settings from where the start had them, checked as at the start.
pub type Load = Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>;

/// The parts that can be told anew.
pub struct Parts {
    gate: Arc<Gate>,
    mailboxes: Arc<[Mailbox<Mail>]>,
    providers: Providers,
    guard: Arc<Guard>,
    hasher: Arc<Hasher>,
    /// Read by those who ask again each time, as the sweeper.
    config: Arc<ArcSwap<Config>>,
    audit: Arc<Audit>,
    log: log::Running,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Parts {
    pub fn of(
        base: &Base,
        (providers, guard): (Providers, Arc<Guard>),
        gate: &Arc<Gate>,
        (audit, log): (&Arc<Audit>, log::Running),
    ) -> Parts {
        Parts {
            gate: gate.clone(),
            mailboxes: base.mailboxes.clone(),
            providers,
            guard,
            hasher: base.hasher.clone(),
            config: base.live_config.clone(),
            audit: audit.clone(),
            log,
            metrics: base.metrics.clone(),
            clock: base.clock.clone(),
        }
    }
}

pub struct Reloader {
    load: Load,
    /// One reload at a time.
    holding: Mutex<Loaded>,
    parts: Parts,
}

/// What is handed out when all of it is there.
struct Prepared {
    change: Change,
    live: Live,
    /// Where their settings changed: others keep what they remember.
    providers: Option<Arc<dyn Authenticator>>,
    guard: GuardLimits,
    admission: AdmissionLimits,
    filter: EnvFilter,
    audit: File,
}

impl Reloader {
    pub fn new(load: Load, holding: Loaded, parts: Parts) -> Reloader {
        parts.metrics.reloaded(true, parts.clock.stamp());
        Reloader { load, holding: Mutex::new(holding), parts }
    }

    /// Loads the settings again and takes those that need no restart.
    ///
    /// # Errors
    /// In words, with everything as it was.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        let mut holding = self.holding.lock().await;
        let prepared = self.prepare(&holding).await;
        self.parts.metrics.reloaded(prepared.is_ok(), self.parts.clock.stamp());
        let prepared = prepared
            .inspect_err(|words| tracing::error!("not reloaded, nothing has changed: {words}"))?;
        let (loaded, reloaded) = self.apply(prepared);
        *holding = loaded;
        let Reloaded { live, restart } = &reloaded;
        tracing::info!(live = live.join(" "), restart = restart.join(" "), "settings reloaded");
        Ok(reloaded)
    }

    /// The command's way here.
    pub fn hook(self: &Arc<Self>) -> control::Reload {
        let reloader = self.clone();
        Arc::new(move || {
            let reloader = reloader.clone();
            Box::pin(async move { reloader.reload().await })
        })
    }

    /// Everything that can fail.
    async fn prepare(&self, holding: &Loaded) -> Result<Prepared, String> {
        let change = change(holding, (self.load)()?)?;
        let config = &change.loaded.config;
        let providers = match change.live.iter().any(|key| of_providers(key)) {
            true => Some(self.parts.providers.build(config).await?),
            false => None,
        };
        Ok(Prepared {
            live: live(config)?,
            providers,
            guard: guard_limits(&config.limits.wrong_passwords),
            admission: admission(&config.limits),
            filter: log::filter(&config.log.level).map_err(|error| error.to_string())?,
            audit: self.parts.audit.reopen()?,
            change,
        })
    }

    /// Nothing here can fail.
    fn apply(&self, prepared: Prepared) -> (Loaded, Reloaded) {
        let Prepared { change, live, providers, guard, admission, filter, audit } = prepared;
        let parts = &self.parts;
        let Change { loaded, live: keys, restart } = change;
        let live = Arc::new(live);
        parts.gate.live.store(live.clone());
        parts.mailboxes.iter().for_each(|mailbox| mailbox.post([Mail::Live(live.clone())]));
        parts.guard.set_limits(guard);
        parts.gate.admission.limits.store(Arc::new(admission));
        if let Some(providers) = providers {
            parts.providers.change(providers);
        }
        if keys.iter().any(|key| key == "auth.hashes_at_once") {
            parts.hasher.set_at_once(loaded.config.auth.hashes_at_once);
        }
        parts.config.store(Arc::new(loaded.config.clone()));
        parts.log.set(filter);
        parts.audit.change(audit);
        (loaded, Reloaded { live: keys, restart })
    }
}

fn of_providers(key: &str) -> bool {
    ["auth.http.", "auth.jwt.", "auth.redis."].iter().any(|section| key.starts_with(section))
}

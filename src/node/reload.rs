//! Reloading: everything that can fail is prepared for all parts first; then all parts get what was
//! prepared, which cannot fail. So either all of it holds or nothing has changed.

use std::fs::File;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tracing_subscriber::EnvFilter;

use crate::auth::{GuardLimits, Hasher};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::config::reload::{Change, change};
use crate::control::{self, Audit, Reloaded};
use crate::log;
use crate::metrics::Metrics;
use crate::net::tls::{self, Tls};
use crate::net::{AdmissionLimits, Gate, Mail, Mailbox};
use crate::shard::Live;

use super::aside::Aside;
use super::auth::{Built, Providers};
use super::build::Guards;
use super::settings::{admission, guard_limits, live};

/// Loads the settings from where the start had them, checked as at the start.
pub type Load = Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>;

/// The parts that can be told anew.
pub struct Parts {
    pub gate: Arc<Gate>,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub providers: Providers,
    pub guards: Guards,
    pub tls: Arc<Tls>,
    pub hasher: Arc<Hasher>,
    /// Read by those who ask again each time, as the sweeper.
    pub config: Arc<ArcSwap<Config>>,
    pub audit: Arc<Audit>,
    pub log: log::Running,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
}

pub struct Reloader {
    load: Load,
    /// One reload at a time.
    holding: Mutex<Loaded>,
    parts: Parts,
    files: Aside,
}

/// What is handed out when all of it is there.
struct Prepared {
    change: Change,
    live: Live,
    /// Where their settings changed: others keep what they remember.
    providers: Option<Built>,
    guard: GuardLimits,
    tls: tls::Loaded,
    admission: AdmissionLimits,
    filter: EnvFilter,
    audit: File,
}

impl Reloader {
    pub fn new(load: Load, holding: Loaded, parts: Parts) -> Reloader {
        parts.metrics.reloaded(true, parts.clock.stamp());
        Reloader { load, holding: Mutex::new(holding), parts, files: Aside::default() }
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
        let load = self.load.clone();
        let change = change(holding, self.files.run(move || load()).await?)?;
        let config = &change.loaded.config;
        let (tls, now) = (config.tls.clone(), self.parts.clock.wall());
        let providers = match change.live.iter().any(|key| of_providers(key)) {
            true => Some(self.parts.providers.rebuild(config).await?),
            false => None,
        };
        Ok(Prepared {
            live: live(config)?,
            providers,
            guard: guard_limits(config),
            tls: self.files.run(move || Tls::load(&tls, now)).await?,
            admission: admission(&config.limits),
            filter: log::filter(&config.log.level).map_err(|error| error.to_string())?,
            audit: self.parts.audit.reopen()?,
            change,
        })
    }

    /// Nothing here can fail.
    fn apply(&self, prepared: Prepared) -> (Loaded, Reloaded) {
        let Prepared { change, live, providers, guard, tls, admission, filter, audit } = prepared;
        let parts = &self.parts;
        let Change { loaded, live: keys, restart } = change;
        let live = Arc::new(live);
        parts.gate.live.store(live.clone());
        parts.mailboxes.iter().for_each(|mailbox| mailbox.post([Mail::Live(live.clone())]));
        parts.guards.set_limits(guard);
        parts.tls.swap(tls);
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
    ["auth.http.", "auth.jwt.", "auth.redis.", "tls.identity"]
        .iter()
        .any(|section| key.starts_with(section))
}

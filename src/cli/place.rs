//! Where a broker's settings and data are: the flags of `dev`, `serve`, `user` and `config`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::exit::Failure;
use crate::auth::http::Plan as MemberPlan;
use crate::clock::{Clock, SystemClock};
use crate::config::load::{Flags, Loaded, load};
use crate::config::{Config, Provider};
use crate::node::store_limits;
use crate::store::Store;
use crate::store::lock::{DataLock, Mode, lock, mode_of};

#[derive(Args, Clone, Debug)]
pub struct DataPlace {
    /// Read settings from this file; no other file is read
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct Place {
    #[command(flatten)]
    data: DataPlace,
    /// Listen for MQTT here; may be repeated
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    mqtt: Vec<String>,
    /// Listen for HTTP (/health and /metrics) here; may be repeated
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    http: Vec<String>,
}

impl DataPlace {
    /// All settings, on the grounds of the defaults.
    pub fn load(self) -> Result<Loaded, Failure> {
        Place { data: self, mqtt: Vec::new(), http: Vec::new() }.load(Config::default())
    }

    /// The data directory: by its flag, else by the settings.
    ///
    /// # Errors
    /// Settings that cannot be read, or no data directory among them.
    pub fn data(self) -> Result<PathBuf, Failure> {
        let no_data = || Failure::usage("of which broker? Give its data directory with --data DIR");
        match self.data {
            Some(data) => Ok(data),
            None => self.load()?.config.store.data.ok_or_else(no_data),
        }
    }
}

impl Place {
    /// All settings, on the grounds of `base`.
    pub fn load(self, base: Config) -> Result<Loaded, Failure> {
        let flags = Flags { mqtt: self.mqtt, http: self.http, data: self.data.data };
        let loaded = load(base, self.data.config.as_deref(), flags).map_err(Failure::usage)?;
        crate::log::filter(&loaded.config.log.level).map_err(Failure::usage)?;
        if loaded.config.auth.provider.has(Provider::Http) {
            MemberPlan::new(&loaded.config).map_err(Failure::usage)?;
        }
        Ok(loaded)
    }
}

/// A store that was opened because no broker runs, with the lock that keeps it so.
pub(super) struct Opened {
    pub store: Arc<dyn Store>,
    pub lock: DataLock,
}

/// The store of a directory that no broker uses. Nothing is made in somebody else's: what root
/// leaves there, the broker could not write.
pub(super) async fn open(config: &Config, data: &Path) -> Result<Opened, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    if let Ok(there) = std::fs::metadata(data) {
        of_this_user(data, there.uid(), rustix::process::geteuid().as_raw())?;
    }
    let mode = mode_of(data).map_err(|error| words(&error))?.unwrap_or(Mode::Serve);
    let lock = lock(data, mode).map_err(|error| words(&error))?;
    let limits = store_limits(config);
    let opened =
        crate::store::open::open(&config.store.url, data, limits, SystemClock::default().stamp())
            .await;
    Ok(Opened { store: opened.map_err(|error| words(&error))?, lock })
}

fn of_this_user(data: &Path, owner: u32, user: u32) -> Result<(), String> {
    if owner == user {
        return Ok(());
    }
    Err(format!(
        "no broker runs, and its data directory {} belongs to the system user {owner}, not to this \
         one ({user}): run it as the user of the broker, as in sudo -u '#{owner}' homing ...",
        data.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_is_left_alone_even_by_root() {
        let data = Path::new("/var/lib/homing");
        assert_eq!(of_this_user(data, 7, 7), Ok(()));
        for (owner, user) in [(7, 0), (0, 7)] {
            let words = of_this_user(data, owner, user).unwrap_err();
            assert!(words.contains("run it as the user of the broker"), "{words}");
            assert!(words.contains(&format!("'#{owner}'")), "{words}");
        }
    }
}

//! `homing doctor`: looks at everything a broker stands on, before it runs or beside it, and
//! changes nothing. Each file gathers facts of one kind and judges them; judging is pure.

mod advertised;
mod broker;
mod certificates;
mod check;
mod clock;
mod data;
mod disk;
mod files;
mod owner;
mod ports;
mod providers;
mod scene;
mod served;
mod settings;
mod store;

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::exit::{FAILURE, Failure, USAGE};
use super::place::Place;
use check::{Check, Report, Status};
use scene::Scene;

/// For each group of checks; they run at the same time.
const CHECK_WAIT: Duration = Duration::from_secs(6);

/// Looks at everything a broker stands on.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// [`FAILURE`] if a check found an error, [`USAGE`] if the settings are wrong. The report has the
/// words.
pub async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let (report, code) = match settings::load(args.place) {
        Ok(loaded) => (examine(loaded).await, FAILURE),
        Err(check) => (Report(vec![*check]), USAGE),
    };
    let mut out = std::io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", report.json())?,
        false => report.write(&mut out)?,
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::new(code, "")) }
}

async fn examine(settings: settings::Settings) -> Report {
    let scene = Scene::look(settings.loaded.config.clone(), settings.data.clone()).await;
    let (data, store, providers, disk, ports, tls, advertised, served, health) = tokio::join!(
        within(data::look(&scene)),
        within(store::look(&scene)),
        within(providers::look(&scene)),
        within(disk::look(&scene)),
        within(ports::look(&scene)),
        within(certificates::look(&scene)),
        within(advertised::look(&scene)),
        within(served::look(&scene)),
        within(broker::look(&scene)),
    );
    let clock = clock::judge(&clock::Facts {
        now: scene.now(),
        newest_message: store.as_ref().and_then(|store| store.newest_message()),
        database_ahead: store.as_ref().and_then(|store| store.ahead()),
        member_api_ahead: providers.as_ref().and_then(|providers| providers.ahead()),
    });
    let secrets = settings::secrets(&settings.loaded.secret_files);
    let mut all = vec![settings.check];
    all.extend(secrets);
    all.extend(broker::judge(&scene.broker));
    all.extend(told("data directory", data, |checks| checks));
    all.extend(disk.map_or_else(disk::late, disk::judge));
    all.extend(told("store", store, |store| vec![store::judge(&store)]));
    all.extend(told("listeners", ports, |ports| ports::judge(&ports, &scene.broker)));
    all.push(files::look(&scene));
    all.push(clock);
    all.extend(told("certificates", tls, |facts| certificates::judge(&facts)));
    all.extend(told("served", served, |facts| served::judge(&facts)));
    all.extend(told("advertised address", advertised, |facts| advertised::judge(&facts)));
    all.extend(told("providers", providers, |facts| providers::judge(&facts)));
    all.extend(told("health", health, broker::judge_health));
    Report(all)
}

/// `None` if it takes too long.
async fn within<T>(looking: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(CHECK_WAIT, looking).await.ok()
}

fn told<T>(name: &str, facts: Option<T>, judge: impl FnOnce(T) -> Vec<Check>) -> Vec<Check> {
    let late = || {
        let words = format!("there was no answer within {} s", CHECK_WAIT.as_secs());
        vec![Check::error(name, words, "look at the disk, the name server and the network")]
    };
    facts.map_or_else(late, judge)
}

/// Runs what waits for the disk or the name server beside the other checks.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// As milliseconds with two digits behind the point.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

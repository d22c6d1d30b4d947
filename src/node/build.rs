//! Builds a broker's parts in the order in which each can fail best: what the user can mend first
//! (configuration, directory, ports), then the store, then the threads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use crate::auth::{
    self, AccountWriter, Auth, Authenticator, BanBook, BanParts, DeviceBook, Guard, GuardLimits,
    Hasher, MemberApi, Password,
};
use crate::broker::{RetainedLevels, SharedSubscriptions};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{Audit, ControlSocket, Desk};
use crate::health::Health;
use crate::http::{self, HttpState};
use crate::metrics::Metrics;
use crate::model::{Roles, Uid};
use crate::net::tls::Tls;
use crate::net::{self, Admission, Bell, DueEngine, Gate, Mail, Mailbox, Stores};
use crate::shard::{Shard, Shared, worker_of_session};
use crate::store::commit::{self, Committer};
use crate::store::lock::{DataLock, Mode, lock};
use crate::store::{DiskGuard, Store};

use super::auth::authentication;
use super::doors::{Doors, Entrance};
use super::heirs::Heirs;
use super::pages;
use super::panics::{last_words, panicked};
use super::reload::{self, Reloader};
use super::retained;
use super::settings::{admission, guard_limits, live, store_limits};
use super::sweep::Sweeper;
use super::sys::SysTopics;
use super::timekeeper::{self, Timekeeper};
use super::{Serving, Start};

/// Reads of logs that run at the same time.
const READS_AT_ONCE: usize = 16;
/// Subscriptions that are loaded in one read at the start.
const SUBSCRIPTIONS_PER_READ: usize = 1000;
/// `homing dev` starts with these users; the password of each is `dev`.
const DEV_USERS: [&str; 3] = ["alice", "bob", "carol"];
const DEV_PASSWORD: &str = "dev";

/// A running broker.
pub struct Node {
    pub serving: Serving,
    pub committer: Committer,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub gate: Arc<Gate>,
    pub health: Arc<Health>,
    pub stop: Arc<Notify>,
    /// Comes when the store can't go on, with the words why.
    pub store_failed: oneshot::Receiver<String>,
    pub reloader: Arc<Reloader>,
    pub audit: Arc<Audit>,
    /// None of them ends by itself before the broker stops.
    pub services: JoinSet<()>,
    _lock: Arc<DataLock>,
}

/// What everything stands on.
pub(super) struct Base {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    /// The same, for those who watch it.
    system_clock: Arc<SystemClock>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    /// For the engine of what waits for its time.
    bell: Arc<Bell>,
    /// For the heirs of shared subscriptions.
    legacies: Arc<Notify>,
    store: Arc<dyn Store>,
    committer: Committer,
    pub hasher: Arc<Hasher>,
    /// The settings as reloads leave them.
    pub live_config: Arc<ArcSwap<Config>>,
}

pub async fn build(start: Start) -> Result<Node, String> {
    let Start { loaded, load, log, mode, .. } = start;
    let config = loaded.config.clone();
    let data = config.store.data.clone().ok_or("no data directory: give one with --data")?;
    let data_lock = Arc::new(lock(&data, mode).map_err(|error| error.to_string())?);
    let doors = Doors::bind(&config.listen, config.limits.outbox_wait.0)?;
    let certificates = Tls::load(&config.tls, SystemClock::default().wall())?;
    let (base, store_failed) = base(config, &data).await?;
    let member_api = Arc::new(ArcSwapOption::empty());
    let parts = account_parts(&base, member_api.clone());
    let asked = (member_api.clone(), base.metrics.clone());
    let (auth, providers) = authentication(&base.config, parts, asked).await?;
    if mode == Mode::Dev {
        add_dev_users(&auth).await?;
    }
    let bans = bans(&base).await?;
    let guards = Guards::new(&base, &auth, &bans);
    let gate = gate(&base, &auth, (&guards, &bans))?;
    let stop = Arc::new(Notify::new());
    let tls = Arc::new(Tls::new(certificates, base.metrics.clone(), base.clock.clone()));
    let audit = Arc::new(Audit::open(&data, base.clock.clone())?);
    let state = pages::state(&base, &gate, guards.router.clone());
    let parts = reload::Parts {
        gate: gate.clone(),
        mailboxes: base.mailboxes.clone(),
        providers,
        guards,
        tls: tls.clone(),
        hasher: base.hasher.clone(),
        config: base.live_config.clone(),
        audit: audit.clone(),
        log,
        metrics: base.metrics.clone(),
        clock: base.clock.clone(),
    };
    let reloader = Arc::new(Reloader::new(load, loaded, parts));
    let desk = Desk {
        book: auth.book.clone(),
        bans,
        devices: devices(&base, &auth),
        health: base.health.clone(),
        audit: audit.clone(),
        reload: Some(reloader.hook()),
        member_api,
        accounts: auth.accounts.clone(),
    };
    let mut services = JoinSet::new();
    let control = control(&data, desk, (&stop, &data_lock))?;
    let serving = doors.serving(data)?;
    let (mqtt, http) = doors.open(&tls, &base.metrics, (&base.config, &base.clock));
    http.into_iter().for_each(|entrance| _ = services.spawn(web(entrance, &state, &stop)));
    let shared = start_workers(&base, &auth, &gate, mqtt)?;
    restore_subscriptions(&base).await?;
    services.spawn(control);
    serve(&base, (&gate, shared, &stop), &mut services);
    let Base { committer, mailboxes, health, .. } = base;
    Ok(Node {
        serving,
        committer,
        mailboxes,
        gate,
        health,
        stop,
        reloader,
        audit,
        store_failed,
        services,
        _lock: data_lock,
    })
}

/// For `homing device`.
fn devices(base: &Base, auth: &Auth) -> Arc<DeviceBook> {
    Arc::new(DeviceBook {
        store: base.store.clone(),
        kick: net::kick(base.mailboxes.clone()),
        connected: net::connected(base.mailboxes.clone()),
        authenticator: auth.authenticator.clone(),
    })
}

async fn base(config: Config, data: &Path) -> Result<(Base, oneshot::Receiver<String>), String> {
    let system_clock = Arc::new(SystemClock::default());
    let clock: Arc<dyn Clock> = system_clock.clone();
    let metrics = Arc::new(Metrics::default());
    metrics.started(clock.stamp());
    let health = Arc::new(Health::new(clock.clone()));
    let workers = match config.listen.workers {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        count => count,
    };
    let mailboxes: Arc<[Mailbox<Mail>]> = (0..workers).map(|_| Mailbox::default()).collect();
    let opened =
        crate::store::open::open(&config.store.url, data, store_limits(&config), clock.stamp())
            .await;
    let store = opened.map_err(|error| error.to_string())?;
    timekeeper::begin(&system_clock, &*store).await.map_err(|error| error.to_string())?;
    let guard = DiskGuard::new(data, config.store.reserve.0);
    let (bell, legacies) = (Arc::new(Bell::default()), Arc::new(Notify::new()));
    let bells = (bell.clone(), legacies.clone());
    let on_commit = net::on_commit(mailboxes.clone(), metrics.clone(), health.clone(), bells);
    let (committer, thread) = commit::spawn(store.clone(), clock.clone(), Some(guard), on_commit);
    let (failed, store_failed) = oneshot::channel();
    let ending = committer.clone();
    tokio::spawn(async move {
        ending.ended().await;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        if let Some(words) = ended.map_or_else(|error| Some(error.to_string()), last_words) {
            // Nobody listens any more when the broker is stopping already.
            _ = failed.send(words);
        }
    });
    let hasher = Arc::new(Hasher::new(config.auth.hashes_at_once));
    let live_config = Arc::new(ArcSwap::from_pointee(config.clone()));
    let base = Base {
        config,
        clock,
        system_clock,
        metrics,
        health,
        mailboxes,
        bell,
        legacies,
        store,
        committer,
        hasher,
        live_config,
    };
    Ok((base, store_failed))
}

/// Commits through the group commit.
fn writer(base: &Base) -> AccountWriter {
    let committer = base.committer.clone();
    Arc::new(move |write| {
        let committer = committer.clone();
        Box::pin(async move { committer.write(write).await.map(|_| ()) })
    })
}

/// Who is banned; every worker hears of a new one.
async fn bans(base: &Base) -> Result<Arc<BanBook>, String> {
    let mailboxes = base.mailboxes.clone();
    let parts = BanParts {
        store: base.store.clone(),
        writer: writer(base),
        clock: base.clock.clone(),
        banned: Arc::new(move |ban| {
            mailboxes.iter().for_each(|mailbox| mailbox.post([Mail::Banned(ban.clone())]));
        }),
    };
    BanBook::open(parts).await.map(Arc::new).map_err(|error| error.to_string())
}

/// What accounts stand on.
fn account_parts(base: &Base, member_api: Arc<ArcSwapOption<MemberApi>>) -> auth::Parts {
    let kick = net::kick(base.mailboxes.clone());
    auth::Parts {
        store: base.store.clone(),
        writer: writer(base),
        clock: base.clock.clone(),
        hasher: base.hasher.clone(),
        kick: Arc::new(move |order| {
            if let Some(api) = &*member_api.load() {
                api.forget(&order.uid);
            }
            kick(order)
        }),
        metrics: base.metrics.clone(),
    }
}

/// Users that are there already keep the password they have.
async fn add_dev_users(auth: &Auth) -> Result<(), String> {
    let password = Password::parse(DEV_PASSWORD.into()).map_err(|error| error.to_string())?;
    for name in DEV_USERS {
        let uid = Uid::parse(name).map_err(|error| error.to_string())?;
        match auth.book.add(&uid, &password, Roles::default()).await {
            Ok(()) | Err(auth::AccountError::Exists(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Bans and patience with wrong passwords stand before the providers, for every kind of login.
pub(super) struct Guards {
    clients: Arc<Guard>,
    /// For the legacy router: all its users come from one address, so a pause would be for a user
    /// wherever it is, and whoever knows its name could lock it out.
    router: Arc<Guard>,
}

impl Guards {
    fn new(base: &Base, auth: &Auth, bans: &Arc<BanBook>) -> Guards {
        let guard = |limits| {
            let (inner, clock) = (auth.authenticator.clone(), base.clock.clone());
            Arc::new(Guard::new(inner, bans.clone(), clock, limits, rand::random()))
        };
        let limits = guard_limits(&base.config);
        Guards { clients: guard(limits), router: guard(of_router(limits)) }
    }

    pub fn set_limits(&self, limits: GuardLimits) {
        self.clients.set_limits(limits);
        self.router.set_limits(of_router(limits));
    }
}

fn of_router(limits: GuardLimits) -> GuardLimits {
    GuardLimits { per_login: 0, per_address: 0, ..limits }
}

fn gate(
    base: &Base,
    auth: &Auth,
    (guards, bans): (&Guards, &Arc<BanBook>),
) -> Result<Arc<Gate>, String> {
    let limits = &base.config.limits;
    let (clock, metrics) = (base.clock.clone(), base.metrics.clone());
    let admission = Admission::new(admission(limits), limits.logins, clock, metrics);
    Ok(Arc::new(Gate {
        guard: guards.clients.clone(),
        directory: auth.directory.clone(),
        live: ArcSwap::from_pointee(live(&base.config)?),
        bans: bans.clone(),
        banning: net::Banning::new(base.clock.clone()),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        admission: Arc::new(admission),
        assigned: AtomicU64::new(rand::random()),
        board: Arc::default(),
        opened: watch::Sender::new(false),
        draining: watch::Sender::new(false),
        drained: AtomicUsize::new(0),
    }))
}

fn control(
    data: &Path,
    desk: Desk,
    (stop, lock): (&Arc<Notify>, &Arc<DataLock>),
) -> Result<impl Future<Output = ()> + use<>, String> {
    let socket = ControlSocket::bind(data, lock.clone()).map_err(|error| error.to_string())?;
    let stop = stop.clone();
    Ok(async move {
        if let Err(error) = socket.serve(desk, stop.notified()).await {
            tracing::error!("the control socket is not served: {error}");
        }
    })
}

fn web(
    (listener, door): Entrance,
    state: &HttpState,
    stop: &Arc<Notify>,
) -> impl Future<Output = ()> + use<> {
    let (state, stop) = (state.clone(), stop.clone());
    async move {
        if let Err(error) = http::serve(listener, door, state, stop.notified()).await {
            tracing::error!("HTTP is not served: {error}");
        }
    }
}

/// Beside each worker is who greets on every MQTT address; the kernel spreads the connections.
fn start_workers(
    base: &Base,
    auth: &Auth,
    gate: &Arc<Gate>,
    mqtt: Vec<Entrance>,
) -> Result<Arc<Shared>, String> {
    mqtt.iter().for_each(|(_, door)| base.metrics.connections.listens(door.listener));
    let shared = Arc::new(Shared {
        subscriptions: SharedSubscriptions::default(),
        retained: RetainedLevels::default(),
        metrics: base.metrics.clone(),
        directory: auth.directory.clone(),
        workers: base.mailboxes.len() as u16,
    });
    let stores = Stores {
        store: base.store.clone(),
        committer: base.committer.clone(),
        runtime: tokio::runtime::Handle::current(),
        reads_at_once: Arc::new(Semaphore::new(READS_AT_ONCE)),
    };
    for index in 0..shared.workers {
        let clone = |(socket, door): &Entrance| Ok((socket.try_clone()?, door.clone()));
        let clones: std::io::Result<Vec<_>> = mqtt.iter().map(clone).collect();
        let start = net::Start {
            index,
            shard: Shard::new(index, shared.clone(), gate.live.load_full(), rand::random()),
            mailboxes: base.mailboxes.clone(),
            gate: gate.clone(),
            clock: base.clock.clone(),
            stores: stores.clone(),
        };
        let listeners = clones.map_err(|error| error.to_string())?;
        let reception = net::Reception { gate: gate.clone(), mailboxes: base.mailboxes.clone() };
        start_thread("worker", index, move || net::run(start))?;
        start_thread("greeter", index, move || net::receive(listeners, reception))?;
    }
    Ok(shared)
}

/// One that fails takes the process with it: its users could not be served by another.
fn start_thread(
    part: &'static str,
    index: u16,
    run: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), String> {
    let work = move || {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fatal(&format!("a {part} failed: {error}")),
            Err(panic) => fatal(&panicked(&format!("a {part}"), &*panic)),
        }
    };
    let name = format!("homing-{part}-{index}");
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    spawned.map(|_| ()).map_err(|error| format!("no thread for a {part}: {error}"))
}

/// What is acknowledged is on disk; a shard that may be half changed must not say goodbye.
fn fatal(words: &str) {
    crate::log::finish(Some(words.into()));
    std::process::exit(1);
}

/// Durable sessions get their subscriptions back, on all workers, before anybody is let in and
/// before anything is sent: a publish that came earlier would be acknowledged without them.
async fn restore_subscriptions(base: &Base) -> Result<(), String> {
    let mut after = None;
    loop {
        let page = base.store.subscriptions(after.take(), SUBSCRIPTIONS_PER_READ).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some((key, subscription)) = page.last() else { break };
        after = Some((key.clone(), subscription.filter.clone()));
        for (key, subscription) in page {
            let worker = worker_of_session(&key, base.mailboxes.len() as u16);
            base.mailboxes[usize::from(worker)].post([Mail::Restore(key, subscription)]);
        }
    }
    for mailbox in base.mailboxes.iter() {
        let (answer, answered) = oneshot::channel();
        mailbox.post([Mail::Reached(answer)]);
        answered.await.map_err(|_| "a worker ended before it served")?;
    }
    Ok(())
}

/// What is on its way when the broker stops is claimed again at the next start.
async fn send_due(engine: DueEngine, stop: Arc<Notify>) {
    tokio::select! {
        () = engine.run() => {}
        () = stop.notified() => {}
    }
}

/// For what members of shared subscriptions leave.
fn heirs(base: &Base, shared: Arc<Shared>) -> Heirs {
    Heirs {
        store: base.store.clone(),
        committer: base.committer.clone(),
        mailboxes: base.mailboxes.clone(),
        shared,
        legacies: base.legacies.clone(),
    }
}

/// Lets the clients in, and begins what goes on in the store beside them.
fn serve(
    base: &Base,
    (gate, shared, stop): (&Arc<Gate>, Arc<Shared>, &Arc<Notify>),
    services: &mut JoinSet<()>,
) {
    gate.opened.send_replace(true);
    base.health.serve();
    services.spawn(timekeeper(base).run());
    services.spawn(sweeper(base).run());
    services.spawn(heirs(base, shared.clone()).run());
    // Nobody else writes to this one: of PostgreSQL other nodes may know more.
    if &*base.config.store.url == "sqlite" {
        services.spawn(retained::find(base.store.clone(), shared));
    }
    services.spawn(send_due(due_engine(base, gate), stop.clone()));
    services.spawn(sys_topics(base, gate).run());
}

fn due_engine(base: &Base, gate: &Arc<Gate>) -> DueEngine {
    DueEngine {
        store: base.store.clone(),
        committer: base.committer.clone(),
        mailboxes: base.mailboxes.clone(),
        gate: gate.clone(),
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        bell: base.bell.clone(),
    }
}

fn timekeeper(base: &Base) -> Timekeeper {
    Timekeeper { clock: base.system_clock.clone(), metrics: base.metrics.clone() }
}

fn sys_topics(base: &Base, gate: &Gate) -> SysTopics {
    SysTopics {
        clock: base.clock.clone(),
        metrics: base.metrics.clone(),
        store: base.store.clone(),
        board: gate.board.clone(),
        mailboxes: base.mailboxes.clone(),
        config: base.live_config.clone(),
    }
}

fn sweeper(base: &Base) -> Sweeper {
    Sweeper {
        clock: base.system_clock.clone(),
        committer: base.committer.clone(),
        metrics: base.metrics.clone(),
        config: base.live_config.clone(),
    }
}

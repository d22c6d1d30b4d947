//! Provider `http`: the member API says who may log in.
//!
//! - [`template`], [`preset`], [`request`]: how it is asked
//! - [`answer`]: what it said
//! - [`memory`], [`flight`], [`breaker`]: how it is spared
//! - [`call`]: the call itself
//! - [`seen`]: what `homing auth test` shows of it

pub mod answer;
pub mod breaker;
pub mod call;
pub mod flight;
pub mod memory;
pub mod preset;
pub mod request;
mod seen;
pub mod template;

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, Request};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};
use zeroize::Zeroizing;

use super::{AuthError, AuthFuture, Authenticator, Credentials, Witness};
use crate::clock::{Clock, Stopwatch};
use crate::config::{Config, HttpAuth};
use crate::log::Seldom;
use crate::metrics::{Asked, Backend, Metrics, Remembered as Hit};
use crate::model::limit::UID_BYTES_MAX;
use crate::model::{Identity, Uid};
use answer::{AnswerPlan, Judgement, Pointer};
use breaker::{Asker, Breaker, Failure, Permit};
use call::Answered;
use flight::{Boarding, Flights, Lead};
use memory::{AsOf, Known, Memory, Now, Tag, Times};
use request::{Login, RequestPlan};
use seen::Seen;

/// A token is text of at most so many bytes; longer ones are refused without a call.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// A call that tries whether the API is back gets no longer than this, so that it is soon repeated.
const TRY_WAIT_MAX: Duration = Duration::from_secs(2);
/// What a client is told to wait, at least and at most.
const RETRY_SECS: std::ops::RangeInclusive<u64> = 2..=6;

/// The settings, read: nothing in them can be wrong any more.
#[derive(Debug)]
pub struct Plan {
    settings: HttpAuth,
    request: RequestPlan,
    answer: AnswerPlan,
    token_pointer: Option<Pointer>,
}

impl Plan {
    /// # Errors
    /// In words that name the key.
    pub fn new(config: &Config) -> Result<Plan, String> {
        let settings = preset::resolve(&config.auth.http);
        let request = RequestPlan::new(&settings, &config.startalk.domain)?;
        Ok(Plan {
            answer: AnswerPlan::new(&settings, request.names_uid())?,
            request,
            token_pointer: Pointer::read("token_pointer", &settings.token_pointer)?,
            settings,
        })
    }
}

/// Asks the member API, and remembers what it said. Shared by all threads.
pub struct MemberApi {
    desk: Arc<Desk>,
    /// Calls run here, so that none ends with the connection that caused it.
    runtime: Handle,
}

/// What calls share.
struct Desk {
    plan: Plan,
    client: Client,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    memory: Memory,
    breaker: Mutex<Breaker>,
    flights: Arc<Flights<Verdict>>,
    slots: Semaphore,
    /// Another one answers now, and the gauge of the breaker is its own. Changes while the breaker
    /// is locked.
    retired: AtomicBool,
    /// Stands for user names in the breaker.
    names: RandomState,
    troubles: Seldom,
}

/// What came of a question.
#[derive(Clone, Debug)]
enum Verdict {
    Decided(Result<Identity, AuthError>),
    /// The API cannot answer: what it said before may count.
    NoAnswer,
    /// It answered, but nothing that decides: what it said before counts no more.
    Unusable,
    Busy,
}

/// How the API and one user stand, for `homing auth test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberState {
    pub breaker_open: bool,
    /// Failures in a row.
    pub failures: u32,
    /// Logins of the user that are accepted without asking.
    pub fresh: usize,
    /// Logins of the user that are accepted only while the API cannot answer.
    pub stale: usize,
}

impl Authenticator for MemberApi {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(self.login(credentials))
    }

    fn forget(&self, uid: &Uid) {
        self.desk.memory.forget(uid);
    }
}

impl MemberApi {
    /// # Errors
    /// In words: the settings are wrong, or there can be no HTTP client.
    pub fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        runtime: Handle,
    ) -> Result<MemberApi, String> {
        let plan = Plan::new(config)?;
        let settings = &plan.settings;
        let times = Times {
            accepted_for: settings.accepted_for.0,
            refused_for: settings.refused_for.0,
            stale_if_error: settings.stale_if_error.0,
        };
        let try_wait = settings.timeout.0.min(TRY_WAIT_MAX);
        let desk = Desk {
            client: call::client(settings)?,
            retired: AtomicBool::new(false),
            names: RandomState::new(),
            troubles: Seldom::new(clock.clone()),
            clock,
            metrics,
            memory: Memory::new(rand::random(), times, settings.remembered_max),
            breaker: Mutex::new(Breaker::new(settings.failures, try_wait)),
            flights: Flights::new(settings.concurrency + settings.queue),
            slots: Semaphore::new(settings.concurrency),
            plan,
        };
        Ok(MemberApi { desk: Arc::new(desk), runtime })
    }

    pub fn state(&self, uid: &Uid) -> MemberState {
        let remembered = self.desk.memory.remembered(uid, self.desk.now());
        let breaker = self.desk.breaker();
        MemberState {
            breaker_open: breaker.is_open(),
            failures: breaker.failures(),
            fresh: remembered.fresh,
            stale: remembered.stale,
        }
    }

    /// Another one, or none, answers from now on; calls under way end here.
    pub fn retire(&self) {
        let desk = &self.desk;
        let breaker = desk.breaker();
        desk.show(&breaker, false);
        desk.retired.store(true, Ordering::SeqCst);
    }

    async fn login(&self, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
        let desk = &self.desk;
        let token = desk.plan.token(&credentials)?;
        credentials.note("token_bytes", || token.len());
        let login = desk.plan.login(&credentials, &token)?;
        let tag = desk.memory.tag(&desk.plan.request.distinguishing(&login));
        let stale = match desk.memory.recall(&tag, desk.now()) {
            Some(Known::Stale(identity)) => Some(identity),
            Some(known) => return desk.hit(known),
            None => None,
        };
        let asker = Asker { name: desk.names.hash_one(login.uid), proven: stale.is_some() };
        let verdict = self.ask(&login, (&tag, asker), credentials.witness).await;
        match (verdict, stale.map(Known::Stale)) {
            (Verdict::Decided(decision), _) => decision,
            (Verdict::NoAnswer | Verdict::Busy, Some(stale)) => desk.hit(stale),
            (Verdict::NoAnswer, None) | (Verdict::Unusable, _) => {
                Err(AuthError::Unavailable { retry_after: retry_after() })
            }
            (Verdict::Busy, None) => Err(AuthError::Busy { retry_after: retry_after() }),
        }
    }

    async fn ask(
        &self,
        login: &Login<'_>,
        (tag, asker): (&Tag, Asker),
        witness: Option<&Arc<Witness>>,
    ) -> Verdict {
        let desk = &self.desk;
        if desk.breaker().blocked(asker, desk.clock.moment()).is_some() {
            return Verdict::NoAnswer;
        }
        let as_of = desk.memory.as_of();
        let waiting = match desk.flights.board(tag, as_of) {
            Boarding::Follow(waiting) => waiting,
            Boarding::Full => return desk.busy(),
            Boarding::Lead(lead, waiting) => match desk.request(login) {
                Ok(request) => {
                    let seen = witness.map(|witness| desk.seen(witness, login));
                    let call =
                        Call { request, user: login.uid.into(), asker, tag: *tag, as_of, seen };
                    // As many at a time as flights have room; each ends within two deadlines.
                    self.runtime.spawn(fly(desk.clone(), lead, call));
                    waiting
                }
                Err(error) => {
                    debug!(uid = login.uid, "refused without asking the member API: {error}");
                    if let Some(witness) = witness {
                        witness.why(&error);
                    }
                    let verdict = Verdict::Decided(Err(AuthError::BadLogin));
                    lead.land(verdict.clone());
                    return verdict;
                }
            },
        };
        waiting.answer().await.unwrap_or(Verdict::NoAnswer)
    }
}

/// A question on its way.
struct Call {
    request: Request,
    user: String,
    asker: Asker,
    tag: Tag,
    /// From before the question.
    as_of: AsOf,
    seen: Option<Seen>,
}

/// Asks, and tells all who wait.
async fn fly(desk: Arc<Desk>, lead: Lead<Verdict>, call: Call) {
    let verdict = desk.ask_in_turn(call).await;
    lead.land(verdict);
}

impl Plan {
    /// The token of a password, as text.
    ///
    /// # Errors
    /// [`AuthError::NotMine`] without one; [`AuthError::BadLogin`] for what no token can be: the
    /// API must never see a token that it could cut at a NUL.
    fn token<'a>(&self, credentials: &Credentials<'a>) -> Result<Cow<'a, str>, AuthError> {
        let Some(password) = credentials.password else {
            credentials.why("there is no token");
            return Err(AuthError::NotMine);
        };
        let text = std::str::from_utf8(password)
            .ok()
            .filter(|text| (1..=TOKEN_BYTES_MAX).contains(&text.len()) && !text.contains('\0'));
        let Some(text) = text else {
            credentials.why("a token is text of 1 to 16384 bytes without NUL");
            return Err(AuthError::BadLogin);
        };
        Ok(self.unwrapped(text).map_or(Cow::Borrowed(text), Cow::Owned))
    }

    /// What stands at `auth.http.token_pointer` if the password is a JSON object.
    fn unwrapped(&self, text: &str) -> Option<String> {
        let pointer = self.token_pointer.as_ref().filter(|_| text.starts_with('{'))?;
        let value = serde_json::from_str(text).ok()?;
        pointer.find(&value)?.as_str().filter(|token| !token.contains('\0')).map(str::to_owned)
    }

    fn login<'a>(
        &self,
        credentials: &Credentials<'a>,
        token: &'a str,
    ) -> Result<Login<'a>, AuthError> {
        let Some(uid) = credentials.uid else {
            credentials.why("there is no user name");
            return Err(AuthError::NotMine);
        };
        let right = match self.answer.uid_may_differ() {
            true => {
                !uid.is_empty() && uid.len() <= UID_BYTES_MAX && !uid.contains(char::is_control)
            }
            false => Uid::parse(uid).is_ok(),
        };
        let ip = credentials.peer.ip().to_canonical();
        let (client_id, listener) = (credentials.client_id.as_str(), credentials.listener);
        if !right {
            credentials.why("the user name can be no uid");
            return Err(AuthError::BadLogin);
        }
        Ok(Login { uid, client_id, token, ip, listener })
    }
}

impl Desk {
    fn now(&self) -> Now {
        Now { moment: self.clock.moment(), stamp: self.clock.wall() }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer from memory.
    fn hit(&self, known: Known) -> Result<Identity, AuthError> {
        let (hit, decision) = match known {
            Known::Accepted(identity) => (Hit::Accepted, Ok(identity)),
            Known::Stale(identity) => (Hit::Stale, Ok(identity)),
            Known::Refused(error) => (Hit::Refused, Err(error)),
        };
        self.metrics.logins.cache_hits(Backend::Http, hit).inc();
        decision
    }

    fn busy(&self) -> Verdict {
        self.metrics.logins.requests(Backend::Http, Asked::Busy).inc();
        Verdict::Busy
    }

    fn request(&self, login: &Login<'_>) -> Result<Request, call::RequestError> {
        call::build(&self.client, self.plan.request.render(login)?)
    }

    /// Shows the request.
    fn seen(&self, witness: &Arc<Witness>, login: &Login<'_>) -> Seen {
        let seen = Seen { witness: witness.clone(), token: Zeroizing::new(login.token.into()) };
        if let Ok(shown) = self.plan.request.shown(login) {
            seen.request(&shown);
        }
        seen
    }

    async fn ask_in_turn(&self, call: Call) -> Verdict {
        let Call { request, user, asker, tag, as_of, seen } = call;
        let limit = self.plan.settings.timeout.0;
        let Ok(Ok(_slot)) = tokio::time::timeout(limit, self.slots.acquire()).await else {
            return self.busy();
        };
        // Meanwhile somebody else's question may have been answered, or the API have failed.
        match self.memory.recall(&tag, self.now()) {
            None | Some(Known::Stale(_)) => {}
            Some(known) => return Verdict::Decided(self.hit(known)),
        }
        let Ok(permit) = self.breaker().permit(asker, self.clock.moment()) else {
            return Verdict::NoAnswer;
        };
        let answered = self.call(request, permit).await;
        let judgement = self.judge(&answered, &user);
        if let Some(seen) = seen {
            seen.answer(&answered);
            seen.judgement(&judgement);
        }
        self.note(&judgement, &user);
        self.tell_breaker(&judgement, permit, asker);
        self.memory.remember(&tag, &judgement, as_of, self.now());
        match judgement {
            Judgement::Accepted(identity) => Verdict::Decided(Ok(identity)),
            Judgement::Refused(_) => Verdict::Decided(Err(AuthError::BadLogin)),
            Judgement::Expired => Verdict::Decided(Err(AuthError::Expired)),
            Judgement::NoAnswer(_) | Judgement::Error(_) => Verdict::NoAnswer,
            Judgement::Unusable(_) => Verdict::Unusable,
        }
    }

    async fn call(&self, request: Request, permit: Permit) -> Result<Answered, String> {
        let limit = match permit {
            Permit::Call => self.plan.settings.timeout.0,
            Permit::Try => self.plan.settings.timeout.0.min(TRY_WAIT_MAX),
        };
        let watch = Stopwatch::start();
        let answered = call::exchange(&self.client, request, limit).await;
        self.metrics.logins.seconds(Backend::Http).observe(watch.nanos() as f64 / 1e9);
        answered
    }

    fn judge(&self, answered: &Result<Answered, String>, user: &str) -> Judgement {
        match answered {
            Ok(answered) => self.plan.answer.judge(answered, user, self.clock.wall()),
            Err(words) => Judgement::NoAnswer(words.clone()),
        }
    }

    /// Counts and logs what a call brought.
    fn note(&self, judgement: &Judgement, user: &str) {
        let asked = match judgement {
            Judgement::Accepted(_) => Asked::Accepted,
            Judgement::Refused(why) => {
                debug!(uid = user, "the member API refuses: {why}");
                Asked::Refused
            }
            Judgement::Expired => Asked::Refused,
            Judgement::NoAnswer(why) | Judgement::Error(why) => {
                self.warn("the member API does not answer", user, why)
            }
            Judgement::Unusable(why) => {
                self.warn("the member API's answer about this user is of no use", user, why)
            }
        };
        self.metrics.logins.requests(Backend::Http, asked).inc();
    }

    fn warn(&self, what: &str, user: &str, why: &str) -> Asked {
        if let Some(left_out) = self.troubles.say() {
            warn!(uid = user, left_out, "{what}: {why}");
        }
        Asked::Unavailable
    }

    fn tell_breaker(&self, judgement: &Judgement, permit: Permit, asker: Asker) {
        match judgement {
            Judgement::Accepted(_) | Judgement::Refused(_) | Judgement::Expired => self.answered(),
            Judgement::Unusable(_) => {
                self.breaker().unclear(permit, asker, self.clock.moment(), rand::random());
            }
            Judgement::NoAnswer(_) => self.failed(permit, (Failure::Away, asker)),
            Judgement::Error(_) => self.failed(permit, (Failure::Error, asker)),
        }
    }

    fn failed(&self, permit: Permit, failure: (Failure, Asker)) {
        let mut breaker = self.breaker();
        if breaker.failed(permit, failure, self.clock.moment(), rand::random()) {
            self.show(&breaker, true);
            warn!(
                failures = breaker.failures(),
                "the member API is left alone but for one call at a time, until it answers again"
            );
        }
    }

    /// In the gauge; while it is locked.
    fn show(&self, _: &MutexGuard<'_, Breaker>, open: bool) {
        if !self.retired.load(Ordering::SeqCst) {
            self.metrics.logins.breaker_open.set(i64::from(open));
        }
    }

    fn answered(&self) {
        let mut breaker = self.breaker();
        if breaker.is_open() {
            self.show(&breaker, false);
            info!("the member API answers again");
        }
        breaker.answered();
    }
}

/// Spread, so that clients do not come back at the same moment.
fn retry_after() -> Duration {
    Duration::from_secs(rand::random_range(RETRY_SECS))
}

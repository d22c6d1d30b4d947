//! Where keys come from and how they stay fresh: a file is read again when it changes, a URL at an
//! interval, and either at once (but seldom) when a token names a key that is not known yet. What
//! cannot be read leaves the keys that were read before.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, Semaphore, watch};
use tracing::{info, warn};

use super::Wrong;
use super::keys::{Key, Keys, KeysError};
use crate::clock::Clock;
use crate::model::Moment;

/// A file is looked at as often as this.
const FILE_INTERVAL: Duration = Duration::from_secs(1);
/// A URL that could not be read is tried again after this.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Unknown key ids, of all tokens together, cause no more than one reading in this time.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(10);
/// Logins that wait for one reading; more of them are told to come again.
const WAITING_COUNT_MAX: usize = 64;
/// For a whole answer of the URL.
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// A file or an answer with keys.
const KEYS_BYTES_MAX: usize = 256 * 1024;

/// Where keys come from.
pub enum Source {
    /// They are here and stay.
    Fixed(Keys),
    File {
        path: PathBuf,
        format: Format,
    },
    Url {
        url: String,
        interval: Duration,
        algorithms: Vec<Algorithm>,
    },
}

/// What a file with keys is.
pub enum Format {
    Pem(Algorithm),
    Jwks(Vec<Algorithm>),
}

/// The keys as they were read last. When it is dropped, reading ends.
pub struct KeyRing {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
    asked: Mutex<Option<Asked>>,
    waiting: Semaphore,
    clock: Arc<dyn Clock>,
}

/// What the last reading found.
#[derive(Default)]
struct State {
    keys: Keys,
    /// Why it could not be read.
    failed: Option<String>,
    /// Readings so far.
    round: u64,
}

/// The last reading that an unknown key id caused.
#[derive(Clone, Copy)]
struct Asked {
    at: Moment,
    round: u64,
}

impl KeyRing {
    /// Reads the keys. On a runtime that lives as long as the ring is used: it reads them again
    /// there.
    ///
    /// # Errors
    /// In words, if a file cannot be used. A URL that does not answer is tried again.
    pub async fn open(source: Source, clock: Arc<dyn Clock>) -> Result<KeyRing, String> {
        let mut reader = Reader::new(source)?;
        let first = reader.read().await;
        if let (Err(words), false) = (&first, matches!(reader.source, Source::Url { .. })) {
            return Err(words.clone());
        }
        let (sender, state) = watch::channel(State::default());
        tell(&sender, first);
        let wanted = Arc::new(Notify::new());
        if !matches!(reader.source, Source::Fixed(_)) {
            tokio::spawn(keep_fresh(reader, sender, wanted.clone()));
        }
        let (asked, waiting) = (Mutex::new(None), Semaphore::new(WAITING_COUNT_MAX));
        Ok(KeyRing { state, wanted, asked, waiting, clock })
    }

    /// Why the last reading brought no keys.
    pub fn failed(&self) -> Option<String> {
        self.state.borrow().failed.clone()
    }

    /// The keys for such a token; at least one.
    ///
    /// # Errors
    /// [`Wrong::KeyId`] or [`Wrong::NoKeys`]
    pub(super) async fn for_token(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, Wrong> {
        let known = || self.state.borrow().keys.for_token(algorithm, id);
        let mut keys = known();
        if keys.is_empty() && self.read_again().await? {
            keys = known();
        }
        match keys.is_empty() {
            false => Ok(keys),
            true => match self.failed() {
                Some(words) => Err(Wrong::NoKeys(words)),
                None => Err(Wrong::KeyId(super::shown(id.unwrap_or_default()))),
            },
        }
    }

    /// Waits for the reading that is under way, or causes one; false if it is too early for that.
    ///
    /// # Errors
    /// [`Wrong::NoKeys`] if too many wait already: anybody can make up a key id.
    async fn read_again(&self) -> Result<bool, Wrong> {
        let mut state = self.state.clone();
        let round = state.borrow_and_update().round;
        if !self.may_ask(round) {
            return Ok(false);
        }
        let full = |_| Wrong::NoKeys("too many tokens with unknown keys wait for them".into());
        let _place = self.waiting.try_acquire().map_err(full)?;
        // Longer than the reader itself may take.
        let changed = tokio::time::timeout(2 * FETCH_WAIT, state.changed());
        Ok(matches!(changed.await, Ok(Ok(()))))
    }

    fn may_ask(&self, round: u64) -> bool {
        let now = self.clock.moment();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match *asked {
            Some(last) if last.round == round => true,
            Some(last) if now.since(last.at) < UNKNOWN_KEY_PAUSE => false,
            _ => {
                *asked = Some(Asked { at: now, round });
                self.wanted.notify_one();
                true
            }
        }
    }
}

/// Reads a source once; how many keys it has.
///
/// # Errors
/// In words, if it cannot be read or has no key.
pub async fn read_once(source: Source) -> Result<usize, String> {
    let keys = Reader::new(source)?.read().await?;
    Ok(keys.map_or(0, |keys| keys.count()))
}

/// Reads again and again until nobody looks at it any more.
async fn keep_fresh(mut reader: Reader, sender: watch::Sender<State>, wanted: Arc<Notify>) {
    loop {
        let failed = sender.borrow().failed.is_some();
        tokio::select! {
            () = tokio::time::sleep(reader.interval(failed)) => {}
            () = wanted.notified() => {}
            () = sender.closed() => return,
        }
        let read = reader.read().await;
        tell(&sender, read);
    }
}

/// Passes on what was read; the log hears what is new.
fn tell(sender: &watch::Sender<State>, read: Result<Option<Keys>, String>) {
    sender.send_modify(|state| {
        state.round += 1;
        let failed = read.as_ref().err().cloned();
        match &failed {
            Some(words) if state.failed != failed => warn!("tokens: {words}; known keys stay"),
            None if state.failed.is_some() => info!("tokens: the keys can be read again"),
            _ => {}
        }
        state.failed = failed;
        if let Ok(Some(keys)) = read {
            state.keys = keys;
        }
    });
}

/// Reads one source.
struct Reader {
    source: Source,
    client: reqwest::Client,
    /// What a file said last.
    last: Vec<u8>,
}

impl Reader {
    fn new(source: Source) -> Result<Reader, String> {
        let client = reqwest::Client::builder()
            .timeout(FETCH_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = client.map_err(|error| format!("no HTTPS client: {error}"))?;
        Ok(Reader { source, client, last: Vec::new() })
    }

    fn interval(&self, failed: bool) -> Duration {
        match &self.source {
            Source::Url { interval, .. } if !failed => *interval,
            Source::Url { interval, .. } => RETRY_INTERVAL.min(*interval),
            Source::Fixed(_) | Source::File { .. } => FILE_INTERVAL,
        }
    }

    /// `None` if nothing has changed.
    async fn read(&mut self) -> Result<Option<Keys>, String> {
        match &self.source {
            Source::Fixed(keys) => Ok(Some(keys.clone())),
            Source::File { path, format } => {
                let name = path.display();
                let bytes = read_file(path).await.map_err(|error| format!("{name}: {error}"))?;
                if bytes == self.last {
                    return Ok(None);
                }
                let keys = format.read(&bytes).map_err(|error| format!("{name}: {error}"))?;
                self.last = bytes;
                Ok(Some(keys))
            }
            Source::Url { url, algorithms, .. } => {
                let fetched = fetch(&self.client, url).await;
                let bytes = fetched.map_err(|error| format!("{url}: {error}"))?;
                let keys = Keys::jwks(&bytes, algorithms);
                keys.map(Some).map_err(|error| format!("{url}: {error}"))
            }
        }
    }
}

impl Format {
    fn read(&self, bytes: &[u8]) -> Result<Keys, KeysError> {
        match self {
            Format::Pem(algorithm) => Keys::pem(bytes, *algorithm),
            Format::Jwks(algorithms) => Keys::jwks(bytes, algorithms),
        }
    }
}

const TOO_LONG: &str = "it is longer than 256 KiB";

async fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let words = |error: std::io::Error| error.to_string();
    let file = tokio::fs::File::open(path).await.map_err(words)?;
    file.take(KEYS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(words)?;
    if bytes.len() <= KEYS_BYTES_MAX { Ok(bytes) } else { Err(TOO_LONG.into()) }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let words = |error: reqwest::Error| with_causes(&error.without_url());
    let mut answer = client.get(url).send().await.map_err(words)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(words)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > KEYS_BYTES_MAX {
            return Err(TOO_LONG.into());
        }
    }
    Ok(bytes)
}

/// An error of the client says little without what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

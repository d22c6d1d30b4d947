//! One connection to Redis that all logins share. What does not answer in time is given up with
//! its connection, so that the next login finds a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Mac};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
};
use tokio::sync::{Mutex, Semaphore};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::model::Moment;

/// Redis that was not reached is left alone for this long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How Redis is reached.
#[derive(Clone)]
pub struct Server {
    /// `redis://host:port/db`
    pub url: String,
    pub user: String,
    pub password: String,
    /// Instead of the one in the URL.
    pub database: Option<i64>,
    /// For one answer with all that comes before it: a place among the questions, connecting.
    pub wait: Duration,
    /// Questions under way at the same time; more of them wait.
    pub at_once: usize,
}

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error("it is no redis:// URL: {0}")]
    NoUrl(String),
    #[error("only redis://host:port/db is served")]
    NotTcp,
    #[error("it has a password in it: write that into auth.redis.password")]
    Password,
}

/// Whether there is a value, and this one.
pub struct Question {
    pub key: String,
    pub field: Option<String>,
    pub value: String,
    pub renew: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Other,
    /// `lives_on`: until Redis forgets it; `None`: it does not, or was told to wait longer.
    Same {
        lives_on: Option<Duration>,
    },
}

#[derive(Debug)]
pub enum NoAnswer {
    /// Too many questions were under way all the time.
    Busy,
    /// In words.
    Failed(String),
}

pub struct Link {
    client: Client,
    wait: Duration,
    places: Semaphore,
    state: Mutex<State>,
    /// The connection of this number, and those before it, serve no more.
    given_up: AtomicU64,
    /// Whether the log was told that Redis does not answer.
    down: AtomicBool,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    open: Option<MultiplexedConnection>,
    /// Counts connections, so that one is given up once.
    number: u64,
    failed_at: Option<Moment>,
}

/// How far a question has come.
enum Stage {
    /// For a place.
    Waits,
    Connects,
    /// By the connection of this number.
    Asks(u64),
}

impl Found {
    /// For people.
    pub fn words(&self) -> &'static str {
        match self {
            Found::Nothing => "nothing",
            Found::Other => "another value than the token's",
            Found::Same { .. } => "the token's value",
        }
    }
}

impl Link {
    pub fn new(server: &Server, clock: Arc<dyn Clock>) -> Result<Link, ServerError> {
        let no_url = |error: redis::RedisError| ServerError::NoUrl(error.to_string());
        let client = Client::open(connection_info(server)?).map_err(no_url)?;
        Ok(Link {
            client,
            wait: server.wait,
            places: Semaphore::new(server.at_once),
            state: Mutex::default(),
            given_up: AtomicU64::new(0),
            down: AtomicBool::new(false),
            clock,
        })
    }

    /// Asks, and once more if the connection was lost meanwhile; takes [`Server::wait`] at most.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub async fn ask(&self, question: &Question) -> Result<Found, NoAnswer> {
        let mut stage = Stage::Waits;
        let in_turn = self.ask_in_turn(question, &mut stage);
        let answer = match tokio::time::timeout(self.wait, in_turn).await {
            Ok(answer) => answer,
            Err(_) => match stage {
                Stage::Waits => return Err(NoAnswer::Busy),
                Stage::Connects => Err(format!("no connection within {:?}", self.wait)),
                Stage::Asks(number) => {
                    self.give_up(number);
                    Err(format!("no answer within {:?}", self.wait))
                }
            },
        };
        self.tell(answer.as_ref().err());
        answer.map_err(NoAnswer::Failed)
    }

    async fn ask_in_turn(&self, question: &Question, stage: &mut Stage) -> Result<Found, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let answer = match self.try_ask(question, stage).await {
            Err(Trouble::Lost(_)) => self.try_ask(question, stage).await,
            answer => answer,
        };
        answer.map_err(Trouble::into_words)
    }

    /// Connects if need be, and asks for nothing but an answer.
    ///
    /// # Errors
    /// In words of Redis or of the network.
    pub async fn ping(&self) -> Result<(), String> {
        let answer = async {
            let (mut connection, _) = self.connection().await.map_err(Trouble::into_words)?;
            let answer = redis::cmd("PING").query_async::<String>(&mut connection).await;
            answer.map(|_| ()).map_err(|error| error.to_string())
        };
        let late = |_| Err(format!("no answer within {:?}", self.wait));
        tokio::time::timeout(self.wait, answer).await.unwrap_or_else(late)
    }

    async fn try_ask(&self, question: &Question, stage: &mut Stage) -> Result<Found, Trouble> {
        *stage = Stage::Connects;
        let (mut connection, number) = self.connection().await?;
        *stage = Stage::Asks(number);
        look_up(&mut connection, question).await.map_err(|error| {
            match error.is_unrecoverable_error() || error.is_io_error() {
                true => {
                    self.give_up(number);
                    Trouble::Lost(error.to_string())
                }
                false => Trouble::Refused(error.to_string()),
            }
        })
    }

    /// The open connection, or a new one; all who need it wait for one attempt.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open
            && state.number > self.given_up.load(Ordering::SeqCst)
        {
            return Ok((open.clone(), state.number));
        }
        let now = self.clock.moment();
        if state.failed_at.is_some_and(|then| now.since(then) < RECONNECT_PAUSE) {
            return Err(Trouble::Refused("it could not be reached a moment ago".into()));
        }
        // So it is, too, if this is given up at its deadline.
        (state.open, state.failed_at) = (None, Some(now));
        // Our own deadlines hold, which give up the connection too.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.wait))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let open = connecting.await.map_err(|error| Trouble::Refused(error.to_string()))?;
        (state.open, state.failed_at) = (Some(open.clone()), None);
        state.number += 1;
        Ok((open, state.number))
    }

    fn give_up(&self, number: u64) {
        self.given_up.fetch_max(number, Ordering::SeqCst);
    }

    /// The log hears when it begins and when it is over.
    fn tell(&self, trouble: Option<&String>) {
        let was_down = self.down.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(words) if !was_down => {
                warn!("logins cannot be checked: Redis says: {words}");
            }
            None if was_down => info!("logins can be checked again: Redis answers"),
            _ => {}
        }
    }
}

enum Trouble {
    /// The connection broke; another one may serve at once.
    Lost(String),
    Refused(String),
}

impl Trouble {
    fn into_words(self) -> String {
        match self {
            Trouble::Lost(words) | Trouble::Refused(words) => words,
        }
    }
}

fn connection_info(server: &Server) -> Result<ConnectionInfo, ServerError> {
    let info = server.url.as_str().into_connection_info();
    let info = info.map_err(|error| ServerError::NoUrl(error.to_string()))?;
    if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
        return Err(ServerError::NotTcp);
    }
    let mut login = info.redis_settings().clone().set_skip_set_lib_name();
    if login.password().is_some() {
        return Err(ServerError::Password);
    }
    if !server.user.is_empty() {
        login = login.set_username(&server.user);
    }
    if !server.password.is_empty() {
        login = login.set_password(&server.password);
    }
    if let Some(database) = server.database {
        login = login.set_db(database);
    }
    Ok(info.set_redis_settings(login))
}

/// The value and its rest of life at the same moment; a life that is to be renewed, in a second
/// round trip.
async fn look_up(
    connection: &mut MultiplexedConnection,
    question: &Question,
) -> RedisResult<Found> {
    let Question { key, field, value, renew } = question;
    let mut pipe = redis::pipe();
    pipe.atomic();
    match field {
        Some(field) => pipe.cmd("HGET").arg(key).arg(field),
        None => pipe.cmd("GET").arg(key),
    };
    pipe.cmd("PTTL").arg(key);
    let (found, rest): (Option<Vec<u8>>, i64) = pipe.query_async(connection).await?;
    match (understood(found.as_deref(), rest, value), renew) {
        (Found::Same { .. }, Some(renew)) => {
            let expire = redis::cmd("PEXPIRE").arg(key).arg(renew.as_millis() as u64).clone();
            let there: bool = expire.query_async(connection).await?;
            Ok(if there { Found::Same { lives_on: None } } else { Found::Nothing })
        }
        (found, _) => Ok(found),
    }
}

/// `rest` is what PTTL says: milliseconds, -1 without an end, -2 without a key.
fn understood(found: Option<&[u8]>, rest: i64, wanted: &str) -> Found {
    let lives_on = u64::try_from(rest).ok().map(Duration::from_millis);
    match found {
        Some(found) if lives_on.is_some() || rest == -1 => {
            let same = same(found, wanted.as_bytes());
            if same { Found::Same { lives_on } } else { Found::Other }
        }
        _ => Found::Nothing,
    }
}

/// In a time that says nothing of where they differ: tags of a random key are compared.
fn same(one: &[u8], other: &[u8]) -> bool {
    let key: [u8; 32] = rand::random();
    let mac = |bytes: &[u8]| {
        let mut mac = <Blake2sMac256 as KeyInit>::new((&key).into());
        mac.update(bytes);
        mac
    };
    mac(one).verify_slice(&mac(other).finalize_fixed()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const WAIT: Duration = Duration::from_secs(1);

    fn link(url: &str) -> Result<Link, ServerError> {
        let server = Server {
            url: url.into(),
            user: "".into(),
            password: "".into(),
            database: None,
            wait: WAIT,
            at_once: 1,
        };
        Link::new(&server, Arc::new(ManualClock::default()))
    }

    fn question() -> Question {
        Question { key: "k".into(), field: None, value: "v".into(), renew: None }
    }

    /// Redis that takes most of the time to connect, and then says nothing any more.
    async fn slow() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/2", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut served = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::time::sleep(WAIT * 8 / 10).await;
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"+OK\r\n").await.unwrap();
                served.push(stream);
            }
        });
        url
    }

    /// On the clock of the runtime, which stands while anything can be done.
    #[tokio::test(start_paused = true)]
    async fn connecting_and_asking_have_one_deadline() {
        let (link, question) = (link(&slow().await).unwrap(), question());
        let asked = tokio::time::timeout(WAIT * 11 / 10, link.ask(&question)).await;
        assert!(matches!(asked, Ok(Err(NoAnswer::Failed(_)))), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_place_is_within_the_deadline() {
        let (link, question) = (link(&slow().await).unwrap(), question());
        let _place = link.places.acquire().await.unwrap();
        let asked = tokio::time::timeout(WAIT * 11 / 10, link.ask(&question)).await;
        assert!(matches!(asked, Ok(Err(NoAnswer::Busy))), "{asked:?}");
    }

    #[test]
    fn a_key_that_is_gone_is_not_one_without_an_end() {
        let hour = Duration::from_secs(3600);
        assert_eq!(understood(Some(b"v"), 3_600_000, "v"), Found::Same { lives_on: Some(hour) });
        assert_eq!(understood(Some(b"v"), -1, "v"), Found::Same { lives_on: None });
        assert_eq!(understood(Some(b"v"), -2, "v"), Found::Nothing);
        assert_eq!(understood(Some(b"w"), -1, "v"), Found::Other);
        assert_eq!(understood(None, -2, "v"), Found::Nothing);
    }

    #[test]
    fn a_url_that_cannot_be_used_is_told_in_words() {
        let words = |url: &str| link(url).err().map(|error| error.to_string());
        assert_eq!(words("redis://127.0.0.1:6379/2"), None);
        assert!(words("127.0.0.1:6379").unwrap().contains("no redis:// URL"));
        assert!(words("redis+unix:///run/redis.sock").is_some());
        assert!(words("rediss://127.0.0.1").is_some(), "TLS to Redis is not served");
        assert!(words("redis://:pw@127.0.0.1").unwrap().contains("auth.redis.password"));
    }

    #[test]
    fn values_are_the_same_if_all_bytes_are() {
        assert!(same(b"", b"") && same(b"token", b"token"));
        assert!(!same(b"token", b"tokem") && !same(b"token", b"token2") && !same(b"", b"t"));
    }

    #[tokio::test]
    async fn redis_that_was_not_reached_is_left_alone_for_a_moment() {
        let link = link("redis://127.0.0.1:1").unwrap();
        let question = question();
        for _ in 0..3 {
            assert!(link.ask(&question).await.is_err());
        }
        assert_eq!(link.state.lock().await.failed_at, Some(Moment(0)));
        assert!(link.state.lock().await.open.is_none());
    }
}

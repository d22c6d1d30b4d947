//! One connection to Redis that all logins share. What does not answer in time is given up with
//! its connection, so that the next login finds a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Mac};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
};
use tokio::sync::Mutex;
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
    /// For one answer, and for connecting before it.
    pub wait: Duration,
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

/// In words.
#[derive(Debug)]
pub struct NoAnswer(pub String);

pub struct Link {
    client: Client,
    wait: Duration,
    state: Mutex<State>,
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
        let (state, down) = (Mutex::default(), AtomicBool::new(false));
        Ok(Link { client, wait: server.wait, state, down, clock })
    }

    /// Asks, and once more if the connection was lost meanwhile.
    pub async fn ask(&self, question: &Question) -> Result<Found, NoAnswer> {
        let answer = match self.try_ask(question).await {
            Err(Trouble::Lost(_)) => self.try_ask(question).await,
            answer => answer,
        };
        self.tell(answer.as_ref().err());
        answer.map_err(|(Trouble::Lost(words) | Trouble::Refused(words))| NoAnswer(words))
    }

    /// Connects if need be, and asks for nothing but an answer.
    ///
    /// # Errors
    /// In words of Redis or of the network.
    pub async fn ping(&self) -> Result<(), String> {
        let (mut connection, _) = self.connection().await.map_err(Trouble::into_words)?;
        let ping = redis::cmd("PING");
        let answer = ping.query_async::<String>(&mut connection);
        match tokio::time::timeout(self.wait, answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.wait)),
        }
    }

    async fn try_ask(&self, question: &Question) -> Result<Found, Trouble> {
        let (mut connection, number) = self.connection().await?;
        match tokio::time::timeout(self.wait, look_up(&mut connection, question)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) if error.is_unrecoverable_error() || error.is_io_error() => {
                self.give_up(number).await;
                Err(Trouble::Lost(error.to_string()))
            }
            Ok(Err(error)) => Err(Trouble::Refused(error.to_string())),
            Err(_) => {
                self.give_up(number).await;
                Err(Trouble::Refused(format!("no answer within {:?}", self.wait)))
            }
        }
    }

    /// The open connection, or a new one; all who need it wait for one attempt.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Trouble> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open {
            return Ok((open.clone(), state.number));
        }
        let now = self.clock.moment();
        if state.failed_at.is_some_and(|then| now.since(then) < RECONNECT_PAUSE) {
            return Err(Trouble::Refused("it could not be reached a moment ago".into()));
        }
        // Our own deadlines hold, which give up the connection too.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.wait))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = match tokio::time::timeout(self.wait, connecting).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no connection within {:?}", self.wait)),
        };
        state.failed_at = connected.is_err().then(|| self.clock.moment());
        let open = connected.map_err(Trouble::Refused)?;
        state.open = Some(open.clone());
        state.number += 1;
        Ok((open, state.number))
    }

    async fn give_up(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.number == number {
            state.open = None;
        }
    }

    /// The log hears when it begins and when it is over.
    fn tell(&self, trouble: Option<&Trouble>) {
        let was_down = self.down.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(Trouble::Lost(words) | Trouble::Refused(words)) if !was_down => {
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

/// The value and its rest of life in one round trip; a life that is to be renewed, in a second.
async fn look_up(
    connection: &mut MultiplexedConnection,
    question: &Question,
) -> RedisResult<Found> {
    let Question { key, field, value, renew } = question;
    let mut pipe = redis::pipe();
    match field {
        Some(field) => pipe.cmd("HGET").arg(key).arg(field),
        None => pipe.cmd("GET").arg(key),
    };
    pipe.cmd("PTTL").arg(key);
    let (found, rest): (Option<Vec<u8>>, i64) = pipe.query_async(connection).await?;
    match found {
        None => Ok(Found::Nothing),
        Some(found) if !same(&found, value.as_bytes()) => Ok(Found::Other),
        Some(_) => {
            let rest = u64::try_from(rest).ok().map(Duration::from_millis);
            let Some(renew) = renew else { return Ok(Found::Same { lives_on: rest }) };
            let expire = redis::cmd("PEXPIRE").arg(key).arg(renew.as_millis() as u64).clone();
            let () = expire.query_async(connection).await?;
            Ok(Found::Same { lives_on: None })
        }
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

    fn link(url: &str) -> Result<Link, ServerError> {
        let wait = Duration::from_secs(1);
        let server =
            Server { url: url.into(), user: "".into(), password: "".into(), database: None, wait };
        Link::new(&server, Arc::new(ManualClock::default()))
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
        let question = Question { key: "k".into(), field: None, value: "v".into(), renew: None };
        for _ in 0..3 {
            assert!(link.ask(&question).await.is_err());
        }
        assert_eq!(link.state.lock().await.failed_at, Some(Moment(0)));
        assert!(link.state.lock().await.open.is_none());
    }
}

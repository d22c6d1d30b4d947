//! Answers the requests of the command: in the broker, and in a command that opened the store
//! itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::Deserialize;

use super::audit::Action;
use super::{Answer, Audit, Line, Listed, Refusal, Reloaded, Request, VERSION, Who};
use crate::auth::{
    AccountBook, AccountError, Authenticator, BanBook, DeviceBook, MemberApi, Password, witness,
};
use crate::health::Health;
use crate::model::{Role, Roles, Uid};

/// What requests are answered from.
#[derive(Clone)]
pub struct Desk {
    pub book: Arc<AccountBook>,
    pub bans: Arc<BanBook>,
    pub devices: Arc<DeviceBook>,
    pub health: Arc<Health>,
    /// If logins are checked there.
    pub member_api: Arc<ArcSwapOption<MemberApi>>,
    /// Provider `accounts`.
    pub accounts: Arc<dyn Authenticator>,
    pub audit: Arc<Audit>,
    /// Where a broker runs.
    pub reload: Option<Reload>,
}

/// Loads the settings again; refuses in words.
pub type Reload =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Reloaded, String>> + Send>> + Send + Sync>;

/// An answer, and what went wrong beside.
#[derive(Debug)]
pub struct Answered {
    pub answer: Answer,
    pub warning: Option<String>,
}

impl Answered {
    /// The answer; a warning goes to whoever runs the command.
    pub fn tell(self) -> Answer {
        if let Some(words) = self.warning {
            eprintln!("homing: warning: {words}");
        }
        self.answer
    }
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Answered {
        Answered { answer, warning: None }
    }
}

/// The one field that lines of every version have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Desk {
    /// Answers one request line.
    pub(super) async fn answer_line(&self, line: &[u8], by: Who) -> Answered {
        match parse(line) {
            Ok(request) => self.answer(request, by).await,
            Err(words) => Answer::refused(Refusal::BadRequest, words).into(),
        }
    }

    /// Answers one request. What changes something is in the audit log then.
    pub async fn answer(&self, request: Request, by: Who) -> Answered {
        let action = request.action();
        let answer = self.act(request).await.unwrap_or_else(|refusal| refusal);
        let warning = match action {
            Some(action) => self.record(action, by, &answer).await,
            None => None,
        };
        Answered { answer, warning }
    }

    async fn record(&self, action: Action, by: Who, answer: &Answer) -> Option<String> {
        let (audit, result) = (self.audit.clone(), answer.result().map_err(str::to_owned));
        let record =
            move || audit.record(&action, by, result.as_ref().copied().map_err(String::as_str));
        // The disk may take its time.
        match tokio::task::spawn_blocking(record).await {
            Ok(recorded) => recorded.err(),
            Err(error) => Some(format!("this is not in the audit log: {error}")),
        }
    }

    async fn act(&self, request: Request) -> Result<Answer, Answer> {
        match request {
            Request::Ping => Ok(Answer::Status { report: self.health.report() }),
            Request::UserAdd { uid, password, roles } => self.add(&uid, password, &roles).await,
            Request::UserPasswd { uid, password } => self.passwd(&uid, password).await,
            Request::UserRoles { uid, roles } => self.set_roles(&uid, &roles).await,
            Request::UserRemove { uid } => self.remove(&uid).await,
            Request::UserList { after } => self.list(after.as_deref()).await,
            Request::AuthState { uid } => self.auth_state(&uid),
            Request::AuthTry { uid, password } => Ok(self.auth_try(uid, &password.0).await),
            Request::BanAdd { target, secs, reason } => self.ban_add(&target, secs, &reason).await,
            Request::BanRemove { target } => self.ban_remove(&target).await,
            Request::BanList => Ok(self.ban_list()),
            Request::DeviceList { uid } => self.device_list(&uid).await,
            Request::DeviceKick { uid, client_id } => self.device_kick(&uid, &client_id).await,
            Request::UserKick { uid } => self.user_kick(&uid).await,
            Request::Reload => self.reload().await,
        }
    }

    async fn reload(&self) -> Result<Answer, Answer> {
        let refused = |words: String| Answer::refused(Refusal::Failed, words);
        let reload = self.reload.as_ref().ok_or_else(|| refused("no broker runs here".into()))?;
        reload().await.map(Answer::Reloaded).map_err(refused)
    }

    async fn add(&self, uid: &str, password: Password, roles: &[String]) -> Result<Answer, Answer> {
        done(self.book.add(&parse_uid(uid)?, &password, parse_roles(roles)?).await)
    }

    async fn set_roles(&self, uid: &str, roles: &[String]) -> Result<Answer, Answer> {
        done(self.book.set_roles(&parse_uid(uid)?, parse_roles(roles)?).await)
    }

    async fn passwd(&self, uid: &str, password: Password) -> Result<Answer, Answer> {
        done(self.book.passwd(&parse_uid(uid)?, &password).await)
    }

    async fn remove(&self, uid: &str) -> Result<Answer, Answer> {
        done(self.book.remove(&parse_uid(uid)?).await)
    }

    fn auth_state(&self, uid: &str) -> Result<Answer, Answer> {
        let uid = parse_uid(uid)?;
        let member_api = self.member_api.load().as_ref().map(|api| api.state(&uid));
        Ok(Answer::AuthState { member_api })
    }

    /// Asks the accounts alone.
    async fn auth_try(&self, uid: Option<String>, password: &str) -> Answer {
        let asked = witness::try_accounts(&self.accounts, uid.as_deref(), password).await;
        Answer::AuthTried { asked }
    }

    async fn list(&self, after: Option<&str>) -> Result<Answer, Answer> {
        let after = after.map(parse_uid).transpose()?;
        let page = self.book.list(after.as_ref()).await.map_err(refusal)?;
        Ok(Answer::Users { users: page.iter().map(listed).collect() })
    }
}

fn parse(line: &[u8]) -> Result<Request, String> {
    let not_understood = |error: serde_json::Error| format!("the request is no request: {error}");
    let Version { version } = serde_json::from_slice(line).map_err(not_understood)?;
    if version != VERSION {
        return Err(format!(
            "the command speaks version {version} of the control socket and the broker {VERSION}: \
             use the command that belongs to the broker (homing {})",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let line: Line<Request> = serde_json::from_slice(line).map_err(not_understood)?;
    Ok(line.body)
}

pub(super) fn parse_uid(text: &str) -> Result<Uid, Answer> {
    Uid::parse(text).map_err(|error| Answer::refused(Refusal::BadUid, error))
}

fn parse_roles(texts: &[String]) -> Result<Roles, Answer> {
    let parse = |text: &String| Role::parse(text);
    let roles: Result<Roles, _> = texts.iter().map(parse).collect();
    roles.map_err(|error| Answer::refused(Refusal::BadRequest, error))
}

fn listed((uid, roles): &(Uid, Roles)) -> Listed {
    let roles = roles.iter().map(|role| role.as_str().to_owned()).collect();
    Listed { uid: uid.to_string(), roles }
}

fn done(result: Result<(), AccountError>) -> Result<Answer, Answer> {
    result.map(|()| Answer::Done).map_err(refusal)
}

fn refusal(error: AccountError) -> Answer {
    let code = match error {
        AccountError::Exists(_) | AccountError::HalfRemoved(_) | AccountError::SameJid { .. } => {
            Refusal::Exists
        }
        AccountError::Unknown(_) => Refusal::Unknown,
        AccountError::Hash(_) | AccountError::Store(_) => Refusal::Failed,
    };
    Answer::refused(code, error)
}

//! Answers the requests of the command: in the broker, and in a command that opened the store
//! itself.

use std::sync::Arc;

use serde::Deserialize;

use super::{Answer, Line, Refusal, Request, VERSION};
use crate::auth::{AccountBook, AccountError, MemberApi, Password};
use crate::health::Health;
use crate::model::Uid;

/// What requests are answered from.
#[derive(Clone)]
pub struct Desk {
    pub book: Arc<AccountBook>,
    pub health: Arc<Health>,
    /// If logins are checked there.
    pub member_api: Option<Arc<MemberApi>>,
}

/// The one field that lines of every version have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Desk {
    /// Answers one request line.
    pub(super) async fn answer_line(&self, line: &[u8]) -> Answer {
        match parse(line) {
            Ok(request) => self.answer(request).await,
            Err(words) => Answer::refused(Refusal::BadRequest, words),
        }
    }

    pub async fn answer(&self, request: Request) -> Answer {
        let answer = match request {
            Request::Ping => Ok(Answer::Status { report: self.health.report() }),
            Request::UserAdd { uid, password } => self.add(&uid, password).await,
            Request::UserPasswd { uid, password } => self.passwd(&uid, password).await,
            Request::UserRemove { uid } => self.remove(&uid).await,
            Request::UserList { after } => self.list(after.as_deref()).await,
            Request::AuthState { uid } => self.auth_state(&uid),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    async fn add(&self, uid: &str, password: Password) -> Result<Answer, Answer> {
        done(self.book.add(&parse_uid(uid)?, &password).await)
    }

    async fn passwd(&self, uid: &str, password: Password) -> Result<Answer, Answer> {
        done(self.book.passwd(&parse_uid(uid)?, &password).await)
    }

    async fn remove(&self, uid: &str) -> Result<Answer, Answer> {
        done(self.book.remove(&parse_uid(uid)?).await)
    }

    fn auth_state(&self, uid: &str) -> Result<Answer, Answer> {
        let uid = parse_uid(uid)?;
        let member_api = self.member_api.as_ref().map(|api| api.state(&uid));
        Ok(Answer::AuthState { member_api })
    }

    async fn list(&self, after: Option<&str>) -> Result<Answer, Answer> {
        let after = after.map(parse_uid).transpose()?;
        let page = self.book.list(after.as_ref()).await.map_err(refusal)?;
        Ok(Answer::Users { uids: page.iter().map(Uid::to_string).collect() })
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

fn parse_uid(text: &str) -> Result<Uid, Answer> {
    Uid::parse(text).map_err(|error| Answer::refused(Refusal::BadUid, error))
}

fn done(result: Result<(), AccountError>) -> Result<Answer, Answer> {
    result.map(|()| Answer::Done).map_err(refusal)
}

fn refusal(error: AccountError) -> Answer {
    let code = match error {
        AccountError::Exists(_) | AccountError::SameJid { .. } => Refusal::Exists,
        AccountError::Unknown(_) => Refusal::Unknown,
        AccountError::Hash(_) | AccountError::Store(_) => Refusal::Failed,
    };
    Answer::refused(code, error)
}

//! How the command speaks to the running broker of a data directory: through a Unix socket in it.
//!
//! One line of JSON is the request, one line the answer, then the connection ends:
//!
//! ```text
//! {"version":1,"do":"user_add","uid":"alice","password":"…"}
//! {"version":1,"answer":"done"}
//! ```
//!
//! Who can open the socket (mode 0600, same system user) may do everything.

pub mod audit;
pub mod ban;
pub mod client;
pub mod desk;
pub mod device;
pub mod server;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use audit::{Audit, Who};
pub use client::{AskError, ask};
pub use desk::{Answered, Desk, Reload};
pub use server::{ControlError, ControlSocket};

use crate::auth::Password;
use crate::auth::http::MemberState;
use crate::auth::witness::Asked;
use crate::health::Report;

/// Of the two lines. A broker answers another version with words.
pub const VERSION: u32 = 1;
/// A request line, its end included: the longest token, escaped.
pub const REQUEST_BYTES_MAX: u64 = 128 * 1024;
/// An answer line: a page of the longest uids, escaped.
pub const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the command asks for. A uid is text here: the broker says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Answered by [`Answer::Status`].
    Ping,
    /// Answered, like the next three, by [`Answer::Done`] or [`Answer::Refused`].
    UserAdd {
        uid: String,
        password: Password,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
    },
    UserPasswd {
        uid: String,
        password: Password,
    },
    /// Sets all roles of a user.
    UserRoles {
        uid: String,
        roles: Vec<String>,
    },
    UserRemove {
        uid: String,
    },
    /// Answered by [`Answer::Users`]: one page of users after `after`.
    UserList {
        after: Option<String>,
    },
    /// Answered by [`Answer::AuthState`].
    AuthState {
        uid: String,
    },
    /// Answered by [`Answer::AuthTried`]: whether the accounts let this login in.
    AuthTry {
        uid: Option<String>,
        password: Token,
    },
    /// Answered by [`Answer::Bans`] with the ban as it holds now.
    BanAdd {
        target: ban::Target,
        secs: u64,
        reason: String,
    },
    BanRemove {
        target: ban::Target,
    },
    /// Answered by [`Answer::Bans`].
    BanList,
    /// Answered by [`Answer::Reloaded`], or refused with everything as it was.
    Reload,
    /// Answered by [`Answer::Devices`].
    DeviceList {
        uid: String,
    },
    DeviceKick {
        uid: String,
        client_id: String,
    },
    /// Answered by [`Answer::Kicked`].
    UserKick {
        uid: String,
    },
}

/// A password as it was typed, whatever it is. Erased from memory when it goes, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What the broker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Done,
    Status {
        report: Report,
    },
    /// In the order of their bytes; an empty page is the end.
    Users {
        users: Vec<Listed>,
    },
    Bans {
        bans: Vec<ban::Banned>,
    },
    Devices {
        devices: Vec<device::Shown>,
    },
    Kicked {
        devices: usize,
    },
    /// How the member API stands, and what is remembered of the user; null if it is not asked.
    AuthState {
        member_api: Option<MemberState>,
    },
    /// What was seen of a login that was tried.
    AuthTried {
        asked: Vec<Asked>,
    },
    Reloaded(Reloaded),
    /// `code` is stable, the words are for people.
    Refused {
        code: Refusal,
        words: String,
    },
}

/// Keys whose values in the file, the environment or the flags are not those of the start or of the
/// last reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// They hold now.
    pub live: Vec<String>,
    /// They hold after a restart; until then they are named again at each reload.
    pub restart: Vec<String>,
}

/// A user in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub uid: String,
    pub roles: Vec<String>,
}

/// Who has to do something about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The request is not understood.
    BadRequest,
    BadUid,
    Exists,
    Unknown,
    /// The broker or its store could not do it now.
    Failed,
}

/// A line: the version and what it carries.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    version: u32,
    #[serde(flatten)]
    body: T,
    /// What went wrong beside: the answer stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl<T> Line<T> {
    fn of(body: T) -> Line<T> {
        Line { version: VERSION, body, warning: None }
    }
}

/// Where the socket of a data directory is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

impl Answer {
    fn refused(code: Refusal, words: impl ToString) -> Answer {
        Answer::Refused { code, words: words.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_the_documentation_shows() {
        let password = Password::parse("dev".into()).unwrap();
        let request =
            Line::of(Request::UserAdd { uid: "alice".into(), password, roles: Vec::new() });
        let text = r#"{"version":1,"do":"user_add","uid":"alice","password":"dev"}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::from_str::<Line<Request>>(text).unwrap().body, request.body);
        let answer = serde_json::to_string(&Line::of(Answer::Done)).unwrap();
        assert_eq!(answer, r#"{"version":1,"answer":"done"}"#);
    }

    #[test]
    fn a_login_that_is_tried_never_shows_its_password() {
        let password = Token(String::from("s3cret").into());
        let request = Request::AuthTry { uid: None, password };
        assert!(!format!("{request:?}").contains("s3cret"));
        let text = serde_json::to_string(&Line::of(request)).unwrap();
        assert_eq!(text, r#"{"version":1,"do":"auth_try","uid":null,"password":"s3cret"}"#);
    }
}

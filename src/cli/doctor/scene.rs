//! What all checks need: the settings, and whether a broker runs on the data directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aside;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::health::Report;
use crate::store::lock::{Holder, holder};

/// For the broker to answer at its control socket.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

pub struct Scene {
    pub config: Config,
    pub data: PathBuf,
    pub broker: Broker,
    pub clock: SystemClock,
}

/// The broker of the data directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Broker {
    None,
    /// A process has the directory, and says nothing at the control socket.
    Silent {
        pid: Option<u32>,
        why: String,
    },
    Answers {
        pid: Option<u32>,
        report: Report,
    },
    /// Whether one runs cannot be seen.
    Unknown(String),
}

impl Broker {
    /// Somebody has the data directory.
    pub fn runs(&self) -> bool {
        matches!(self, Broker::Silent { .. } | Broker::Answers { .. })
    }

    pub fn pid(&self) -> Option<u32> {
        match self {
            Broker::Silent { pid, .. } | Broker::Answers { pid, .. } => *pid,
            Broker::None | Broker::Unknown(_) => None,
        }
    }
}

impl Scene {
    pub async fn look(config: Config, data: PathBuf) -> Scene {
        let broker = broker(&data).await;
        Scene { config, data, broker, clock: SystemClock::default() }
    }

    pub fn now(&self) -> crate::model::Stamp {
        self.clock.stamp()
    }
}

async fn broker(data: &Path) -> Broker {
    let dir = data.to_owned();
    let looked = tokio::time::timeout(ANSWER_WAIT, aside(move || holder(&dir))).await;
    let pid = match looked {
        Ok(Some(Ok(Holder::Process(pid)))) => pid,
        Ok(Some(Ok(Holder::Nobody))) => return Broker::None,
        Ok(Some(Err(error))) => return Broker::Unknown(error.to_string()),
        Ok(None) | Err(_) => return Broker::Unknown("the data directory does not answer".into()),
    };
    let asked = tokio::time::timeout(ANSWER_WAIT, control::ask(data, &Request::Ping)).await;
    match asked {
        Ok(Ok(Answer::Status { report })) => Broker::Answers { pid, report },
        Ok(Ok(other)) => Broker::Silent { pid, why: format!("it answered {other:?}") },
        Ok(Err(error)) => Broker::Silent { pid, why: error.to_string() },
        Err(_) => {
            let why = format!("no answer within {} s", ANSWER_WAIT.as_secs());
            Broker::Silent { pid, why }
        }
    }
}

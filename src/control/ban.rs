//! `homing ban` at the desk: bans as the two lines carry them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Answer, Desk, Refusal};
use crate::auth::BanError;
use crate::model::{Ban, BanReason, BanTarget, ClientId, Uid, parse_network};

/// Whom a ban concerns, as text: a user, a client id, both, or a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// An address, or a network as in `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

/// A ban that holds. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    #[serde(flatten)]
    pub target: Target,
    pub made_at: i64,
    pub until: i64,
    pub reason: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("user", &self.user), ("client", &self.client), ("ip", &self.ip)];
        let given = parts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (n, (name, value)) in given.enumerate() {
            write!(f, "{}{name} {value}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Target {
    fn parse(&self) -> Result<BanTarget, String> {
        let uid = self.user.as_deref().map(Uid::from_store).transpose();
        let client_id = self.client.as_deref().map(ClientId::parse).transpose();
        let (uid, client_id) =
            (uid.map_err(|e| e.to_string())?, client_id.map_err(|e| e.to_string())?);
        if client_id.as_ref().is_some_and(ClientId::is_empty) {
            return Err("an empty client id is no device: ban the user or the address".into());
        }
        match (uid, client_id, &self.ip) {
            (Some(uid), None, None) => Ok(BanTarget::User(uid)),
            (None, Some(client_id), None) => Ok(BanTarget::Client(client_id)),
            (Some(uid), Some(client_id), None) => Ok(BanTarget::Device(uid, client_id)),
            (None, None, Some(ip)) => {
                let net = parse_network(ip).map_err(|error| error.to_string())?;
                Ok(BanTarget::Net(net))
            }
            _ => Err("a ban is of a user, a client id, both together, or an address".into()),
        }
    }

    fn of(target: &BanTarget) -> Target {
        let [user, client, ip] =
            target.to_columns().map(|text| if text.is_empty() { None } else { Some(text) });
        Target { user, client, ip }
    }
}

impl Banned {
    fn of(ban: &Ban) -> Banned {
        Banned {
            target: Target::of(&ban.target),
            made_at: ban.made_at.0,
            until: ban.until.0,
            reason: ban.reason.as_str().into(),
        }
    }
}

impl Desk {
    pub(super) async fn ban_add(
        &self,
        target: &Target,
        secs: u64,
        reason: &str,
    ) -> Result<Answer, Answer> {
        let bad = |words: String| Answer::refused(Refusal::BadRequest, words);
        let target = target.parse().map_err(bad)?;
        let reason = BanReason::parse(reason).map_err(|error| bad(error.to_string()))?;
        let added = self.bans.add(target, Duration::from_secs(secs), reason).await;
        let ban = added.map_err(refusal)?;
        Ok(Answer::Bans { bans: vec![Banned::of(&ban)] })
    }

    pub(super) async fn ban_remove(&self, target: &Target) -> Result<Answer, Answer> {
        let bad = |words: String| Answer::refused(Refusal::BadRequest, words);
        self.bans.remove(target.parse().map_err(bad)?).await.map_err(refusal)?;
        Ok(Answer::Done)
    }

    pub(super) fn ban_list(&self) -> Answer {
        Answer::Bans { bans: self.bans.list().iter().map(Banned::of).collect() }
    }
}

fn refusal(error: BanError) -> Answer {
    let code = match error {
        BanError::Length => Refusal::BadRequest,
        BanError::Unknown(_) => Refusal::Unknown,
        BanError::Store(_) => Refusal::Failed,
    };
    Answer::refused(code, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_ban_concerns_is_said_in_one_way() {
        let text = |text: &str| Some(text.to_owned());
        let parse = |user, client, ip| Target { user, client, ip }.parse();
        assert!(parse(text("bob"), None, None).is_ok());
        assert!(parse(text("bob"), text("phone"), None).is_ok());
        assert_eq!(parse(None, None, text("10.1.2.3")).unwrap().to_string(), "address 10.1.2.3/32");
        assert!(parse(None, None, text("2001:db8::/32")).is_ok());
        let mapped = parse(None, None, text("::ffff:10.0.0.0/104")).unwrap();
        assert_eq!(mapped.to_string(), "address 10.0.0.0/8");
        assert!(parse(None, None, None).is_err());
        assert!(parse(text("bob"), None, text("10.1.2.3")).is_err());
        assert!(parse(text("a/b"), None, None).is_err());
        assert!(parse(None, text(""), None).unwrap_err().contains("no device"));
        assert!(parse(None, None, text("10.1.2")).unwrap_err().contains("10.0.0.0/8"));
    }
}

//! Messages that wait for their time: how they are changed, and what the stores share of them.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::checksum::message_hash;
use super::quota::Quota;
use super::record::{RawMessage, corrupt, roles, roles_text};
use super::{StoreError, retained};
use crate::model::{
    Attribute, Attributes, Attrs, DedupeKey, Due, DueName, Identity, MessageId, SessionKey, Stamp,
    Step, Uid,
};

/// It waits.
pub(super) const SCHEDULED: i64 = 0;
/// It is on its way; no change reaches it any more.
pub(super) const CLAIMED: i64 = 1;

/// One change of what waits.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub change: Change,
    pub dedupe: Option<DedupeKey>,
    /// Applied only if this very change succeeds.
    pub step: Option<(SessionKey, Step)>,
}

#[derive(Clone, Debug)]
pub enum Change {
    /// The message waits, in the place of the one that has its name. Answered by
    /// [`super::Written::OverQuota`] if its owner left too much already; but a will is due at once
    /// then, since nobody could be told.
    Put(Box<Due>, Quota),
    Cancel {
        uid: Uid,
        name: DueName,
        /// Of the message that says so.
        id: MessageId,
    },
}

impl Schedule {
    /// A change that nobody resends.
    pub fn only(change: Change) -> Schedule {
        Schedule { change, dedupe: None, step: None }
    }
}

impl Change {
    pub fn uid(&self) -> &Uid {
        match self {
            Change::Put(due, _) => &due.message.from.uid,
            Change::Cancel { uid, .. } => uid,
        }
    }

    pub fn name(&self) -> Option<&DueName> {
        match self {
            Change::Put(due, _) => due.name.as_ref(),
            Change::Cancel { name, .. } => Some(name),
        }
    }

    /// Of the message that says so.
    pub fn id(&self) -> MessageId {
        match self {
            Change::Put(due, _) => due.message.id,
            Change::Cancel { id, .. } => *id,
        }
    }
}

/// Which messages are claimed: those due at this time or before, the first of them within both
/// bounds, but at least one.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub until: Stamp,
    pub count_max: usize,
    pub bytes_max: u64,
}

impl Claim {
    /// How many of these sizes are claimed, in their order.
    pub(super) fn count(&self, bytes: impl Iterator<Item = u64>) -> usize {
        let mut sum = 0;
        let fits = bytes.take(self.count_max).take_while(|bytes| {
            sum += bytes;
            sum <= self.bytes_max
        });
        fits.count().max(1)
    }
}

/// What is loaded of a message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) uid: Uid,
    pub(super) name: Option<DueName>,
    pub(super) bytes: u64,
    pub(super) claimed: bool,
}

impl Waiting {
    pub(super) fn of(due: &Due) -> Waiting {
        let uid = due.message.from.uid.clone();
        Waiting { uid, name: due.name.clone(), bytes: bytes(due), claimed: false }
    }
}

/// What counts for its owner.
pub(super) fn bytes(due: &Due) -> u64 {
    retained::bytes(&due.message)
}

/// A name from its column.
pub(super) fn name(text: Option<&str>) -> Result<Option<DueName>, StoreError> {
    let parse = |text| DueName::from_column(text).ok_or_else(|| corrupt(format!("{text:?}")));
    text.map(parse).transpose()
}

/// The rights of the owner's login, as three columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawRights {
    pub(super) roles: String,
    pub(super) attrs: Option<Vec<u8>>,
    pub(super) login_expires: Option<i64>,
}

impl RawRights {
    pub(super) fn of(who: &Identity) -> RawRights {
        let pairs = who.attrs.names().filter_map(|name| Some((name, who.attrs.get(name)?)));
        let attrs = Attributes::collect(pairs.map(|(name, value)| Attribute::User(name, value)));
        RawRights {
            roles: roles_text(&who.roles),
            attrs: (!attrs.is_empty()).then(|| attrs.as_bytes().to_vec()),
            login_expires: who.expires_at.map(|at| at.0),
        }
    }

    fn attrs(&self) -> Option<Attrs> {
        let block = Attributes::from_bytes(self.attrs.clone().unwrap_or_default().into())?;
        let pairs = block.iter().filter_map(|attribute| match attribute {
            Attribute::User(name, value) => Some((name.to_owned(), value.to_owned())),
            _ => None,
        });
        Attrs::new(pairs)
    }
}

/// A message that waits, as its columns hold it. The message's checksum is that of all of it but
/// the time and the name, which change.
pub(super) struct RawDue {
    pub(super) at: i64,
    pub(super) name: Option<String>,
    pub(super) rights: RawRights,
    pub(super) message: RawMessage,
}

impl RawDue {
    /// The message with its rights, if both are what was written.
    pub(super) fn check(self) -> Result<Due, StoreError> {
        let place = format!("the message to {:?} that is due at {}", self.message.topic, self.at);
        let unread = || corrupt(format!("{place} cannot be read"));
        let checksum = self.message.checksum as u64;
        let message = self.message.message().ok_or_else(unread)?;
        let due = Due {
            at: Stamp(self.at),
            name: name(self.name.as_deref())?,
            who: Arc::new(Identity {
                uid: message.from.uid.clone(),
                client_id: message.from.client_id.clone(),
                roles: roles(&self.rights.roles)?,
                attrs: self.rights.attrs().ok_or_else(unread)?,
                expires_at: self.rights.login_expires.map(Stamp),
            }),
            message: Arc::new(message),
        };
        match self::checksum(&due) == checksum {
            true => Ok(due),
            false => Err(corrupt(format!("{place} does not match its checksum"))),
        }
    }
}

/// What is claimed, as far as it can be read. What cannot stays claimed, in the store, so that it
/// does not keep back what can.
pub(super) fn readable(claimed: impl Iterator<Item = Result<Due, StoreError>>) -> Vec<Due> {
    let told = |error: &StoreError| tracing::error!("what is due does not go out: {error}");
    claimed.filter_map(|due| due.inspect_err(told).ok()).collect()
}

pub(super) fn checksum(due: &Due) -> u64 {
    let RawRights { roles, attrs, login_expires } = RawRights::of(&due.who);
    let mut hash = Xxh3::new();
    hash.update(&message_hash(&due.message).to_be_bytes());
    hash.update(&login_expires.unwrap_or(i64::MIN).to_be_bytes());
    hash.update(&(roles.len() as u64).to_be_bytes());
    hash.update(roles.as_bytes());
    hash.update(&attrs.unwrap_or_default());
    hash.digest()
}

//! The devices of users: what `homing device` and `homing user kick` do.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tracing::info;

use super::{AccountWrite, AccountWriter, Authenticator};
use crate::model::{ClientId, SessionKey, Stamp, Uid};
use crate::store::{Cursor, Store, StoreError, Write};

/// What becomes of the live sessions of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub uid: Uid,
    pub whom: Whom,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All sessions end; the devices may come back with the rights that they have then.
    Reconnect,
    /// This device ends and is forgotten.
    Device(ClientId),
    /// Whoever is connected ends; they and these devices are forgotten.
    All(Vec<ClientId>),
    /// The same for a user that is no more. When it is done, every message to the user that was
    /// accepted before has been handed to the store.
    Removed(Vec<ClientId>),
}

/// Carries out an [`Order`]; done when what has to be forgotten is forgotten on disk.
pub type Kick = Arc<dyn Fn(Order) -> AccountWrite + Send + Sync>;
/// The client ids of a user's connections; none for the nameless. After the answer the store knows
/// of every device that has left before.
pub type Connected = Arc<dyn Fn(Uid) -> ConnectedAnswer + Send + Sync>;
pub type ConnectedAnswer = Pin<Box<dyn Future<Output = Vec<ClientId>> + Send>>;

/// What no broker runs for: only the store has to forget.
pub fn direct_kick(writer: AccountWriter) -> Kick {
    Arc::new(move |order| {
        let writer = writer.clone();
        Box::pin(async move {
            for key in order.keys() {
                writer(Write::ForgetDevice { key }).await?;
            }
            Ok(())
        })
    })
}

impl Order {
    /// The sessions that are named in it.
    pub fn keys(&self) -> Vec<SessionKey> {
        let key = |client_id: &ClientId| SessionKey {
            uid: self.uid.clone(),
            client_id: client_id.clone(),
        };
        match &self.whom {
            Whom::Reconnect => Vec::new(),
            Whom::Device(client_id) => vec![key(client_id)],
            Whom::All(all) | Whom::Removed(all) => all.iter().map(key).collect(),
        }
    }
}

/// A device as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub client_id: ClientId,
    pub connected: bool,
    /// Its place in the inbox; `None` for one that has not got any mail yet.
    pub cursor: Option<Cursor>,
    pub seen_at: Option<Stamp>,
}

impl Device {
    /// Messages of the inbox that it has not acknowledged; some of them may be gone since.
    pub fn unread(&self) -> u64 {
        self.cursor.map_or(0, |at| at.head.0.saturating_sub(at.cursor.0))
    }
}

/// Why a device could not be listed or kicked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeviceError {
    #[error("{0} has no device {1:?}: `homing device list {0}` shows those there are")]
    Unknown(Uid, ClientId),
    #[error("an empty client id is no device: `homing user kick {0}` ends such connections too")]
    Nameless(Uid),
    #[error("the devices could not be read or written: {0}")]
    Store(#[from] StoreError),
}

/// Lists and kicks devices.
pub struct DeviceBook {
    pub store: Arc<dyn Store>,
    pub kick: Kick,
    pub connected: Connected,
    /// Forgets what it remembers of a kicked user's logins.
    pub authenticator: Arc<dyn Authenticator>,
}

impl DeviceBook {
    /// In the order of their client ids.
    ///
    /// # Errors
    /// [`DeviceError::Store`].
    pub async fn list(&self, uid: &Uid) -> Result<Vec<Device>, DeviceError> {
        let connected = (self.connected)(uid.clone()).await;
        let mut all = BTreeMap::new();
        for known in self.store.devices(uid).await? {
            let (cursor, seen_at) = (Some(known.cursor), Some(known.seen_at));
            let client_id = known.client_id;
            let device = Device { client_id: client_id.clone(), connected: false, cursor, seen_at };
            all.insert(client_id, device);
        }
        for client_id in connected {
            let new = Device { client_id, connected: true, cursor: None, seen_at: None };
            all.entry(new.client_id.clone()).or_insert(new).connected = true;
        }
        Ok(all.into_values().collect())
    }

    /// Ends one device's connection and forgets it.
    ///
    /// # Errors
    /// [`DeviceError`]; then it may still be there.
    pub async fn kick(&self, uid: &Uid, client_id: &ClientId) -> Result<(), DeviceError> {
        if client_id.is_empty() {
            return Err(DeviceError::Nameless(uid.clone()));
        }
        if !self.has(uid, client_id).await? {
            return Err(DeviceError::Unknown(uid.clone(), client_id.clone()));
        }
        self.authenticator.forget(uid);
        let whom = Whom::Device(client_id.clone());
        (self.kick)(Order { uid: uid.clone(), whom }).await?;
        info!(%uid, client = %client_id, "device kicked and forgotten");
        Ok(())
    }

    /// Ends all connections of a user and forgets all devices; their number as far as it is known.
    ///
    /// # Errors
    /// [`DeviceError::Store`].
    pub async fn kick_user(&self, uid: &Uid) -> Result<usize, DeviceError> {
        let mut all: Vec<ClientId> =
            self.list(uid).await?.into_iter().map(|device| device.client_id).collect();
        all.extend(self.store.sessions(uid).await?);
        all.sort();
        all.dedup();
        let count = all.len();
        self.authenticator.forget(uid);
        (self.kick)(Order { uid: uid.clone(), whom: Whom::All(all) }).await?;
        info!(%uid, devices = count, "user kicked, devices forgotten");
        Ok(count)
    }

    async fn has(&self, uid: &Uid, client_id: &ClientId) -> Result<bool, StoreError> {
        Ok((self.connected)(uid.clone()).await.contains(client_id)
            || self.store.devices(uid).await?.into_iter().any(|d| d.client_id == *client_id)
            || self.store.sessions(uid).await?.contains(client_id))
    }
}

//! `homing device` and `homing user kick` at the desk: devices as the two lines carry them.

use serde::{Deserialize, Serialize};

use super::desk::parse_uid;
use super::{Answer, Desk, Refusal};
use crate::auth::{Device, DeviceError};
use crate::model::ClientId;

/// A device. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub client_id: String,
    pub connected: bool,
    /// Up to a minute old; none for one that the store does not know yet.
    pub seen_at: Option<i64>,
    /// Place in the inbox up to which it has acknowledged.
    pub cursor: Option<u64>,
    /// Messages of the inbox behind that place.
    pub unread: u64,
}

impl Shown {
    fn of(device: &Device) -> Shown {
        Shown {
            client_id: device.client_id.to_string(),
            connected: device.connected,
            seen_at: device.seen_at.map(|at| at.0),
            cursor: device.cursor.map(|at| at.cursor.0),
            unread: device.unread(),
        }
    }
}

impl Desk {
    pub(super) async fn device_list(&self, uid: &str) -> Result<Answer, Answer> {
        let devices = self.devices.list(&parse_uid(uid)?).await.map_err(refusal)?;
        Ok(Answer::Devices { devices: devices.iter().map(Shown::of).collect() })
    }

    pub(super) async fn device_kick(&self, uid: &str, client_id: &str) -> Result<Answer, Answer> {
        let bad = |error| Answer::refused(Refusal::BadRequest, error);
        let client_id = ClientId::parse(client_id).map_err(bad)?;
        self.devices.kick(&parse_uid(uid)?, &client_id).await.map_err(refusal)?;
        Ok(Answer::Done)
    }

    pub(super) async fn user_kick(&self, uid: &str) -> Result<Answer, Answer> {
        let devices = self.devices.kick_user(&parse_uid(uid)?).await.map_err(refusal)?;
        Ok(Answer::Kicked { devices })
    }
}

fn refusal(error: DeviceError) -> Answer {
    let code = match error {
        DeviceError::Unknown(..) => Refusal::Unknown,
        DeviceError::Nameless(_) => Refusal::BadRequest,
        DeviceError::Store(_) => Refusal::Failed,
    };
    Answer::refused(code, error)
}

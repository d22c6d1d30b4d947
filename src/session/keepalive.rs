//! Keep alive: the longest silence a client may keep (MQTT 5, section 3.1.2.10; ruling 23).

use std::time::Duration;

use crate::model::Moment;
use crate::mqtt::{Packet, Version};

use super::{Ctx, Session};

/// A deadline always lies ahead, whatever is configured.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    heard: Moment,
    /// One and a half times the keep alive in force [MQTT-3.1.2-22].
    patience_millis: u32,
}

impl KeepAlive {
    /// `asked` is the CONNECT's value in seconds; zero asks for none and gets the maximum. An MQTT
    /// 5 client is told a lower value; a 3.1.1 client cannot be, so it is never cut below its own.
    pub fn new(asked_secs: u16, version: Version, max: Duration, now: Moment) -> KeepAlive {
        let asked = Duration::from_secs(asked_secs.into());
        let granted = match version {
            _ if asked.is_zero() => max,
            Version::V5 => asked.min(max),
            _ => asked,
        };
        let patience = (granted + granted / 2).max(PATIENCE_MIN);
        let patience_millis = patience.as_millis().try_into().unwrap_or(u32::MAX);
        KeepAlive { heard: now, patience_millis }
    }

    /// The Server Keep Alive of the CONNACK, if it differs from what was asked.
    pub fn server_keep_alive(asked_secs: u16, max: Duration) -> Option<u16> {
        let max_secs = max.as_secs().min(u16::MAX.into()) as u16;
        (asked_secs == 0 || asked_secs > max_secs).then_some(max_secs)
    }

    pub fn heard(&mut self, now: Moment) {
        self.heard = now;
    }

    pub fn heard_at(&self) -> Moment {
        self.heard
    }

    pub fn deadline(&self) -> Moment {
        self.heard.after(Duration::from_millis(self.patience_millis.into()))
    }

    pub fn is_over(&self, now: Moment) -> bool {
        now >= self.deadline()
    }
}

impl Session {
    /// PINGREQ: answered at once; it also says that the client stays, so the settle time is over.
    pub(super) fn ping(&mut self, ctx: &mut Ctx<'_>) {
        ctx.wire.write(&Packet::PingResp, self.version);
        self.settle_now(ctx);
    }
}

//! How fast a connection and a user may publish. Beyond it the connection is read no further until
//! time has paid the debt: the client's own TCP slows it down, nothing is lost and nobody is cut.

use crate::model::{Moment, Rate};
use crate::throttle::Bucket;

use super::{Conn, Shard, Token};

/// `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub connection: Pace,
    /// All connections of a user together.
    pub user: Pace,
}

/// Publishes and their bytes, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    pub count: Option<Rate>,
    pub bytes: Option<Rate>,
}

/// What was published of late.
#[derive(Debug, Default)]
pub struct Meter {
    count: Option<Bucket>,
    bytes: Option<Bucket>,
}

/// How fast one connection publishes.
#[derive(Debug, Default)]
pub struct Pacing {
    meter: Meter,
    /// It published too fast and is read no further until then.
    throttled_until: Option<Moment>,
}

/// Users whose publishes are metered, per worker: one that is gone comes back to its debt.
pub const METERED_USERS_COUNT_MAX: usize = 64 * 1024;

impl Meter {
    /// Counts one publish; from when on the next one may come.
    fn charge(&mut self, pace: Pace, bytes: usize, now: Moment) -> Moment {
        let count = charge(&mut self.count, pace.count, 1, now);
        count.max(charge(&mut self.bytes, pace.bytes, bytes as u64, now))
    }
}

fn charge(bucket: &mut Option<Bucket>, rate: Option<Rate>, count: u64, now: Moment) -> Moment {
    let Some(rate) = rate else { return now };
    bucket.get_or_insert_with(|| Bucket::full(rate, now)).charge(count, rate, now)
}

impl Conn {
    pub(super) fn throttled_until(&self) -> Option<Moment> {
        self.pacing.as_ref()?.throttled_until
    }

    /// True if it was throttled.
    pub(super) fn end_throttling(&mut self) -> bool {
        self.pacing.as_mut().is_some_and(|pacing| pacing.throttled_until.take().is_some())
    }
}

impl Shard {
    /// A connection has published a packet of so many bytes.
    pub(super) fn meter(&mut self, token: Token, bytes: usize) {
        let (rates, now) = (self.live.rates, self.now);
        if rates == Rates::default() {
            return;
        }
        let Some(conn) = self.conns.get_mut(token.index()).filter(|conn| conn.token == token)
        else {
            return;
        };
        let pacing = conn.pacing.get_or_insert_default();
        let own = pacing.meter.charge(rates.connection, bytes, now);
        let uid = conn.session.key().uid.clone();
        let until = match uid.is_anonymous() {
            true => own,
            false => own.max(self.meters.entry(uid, Meter::default).charge(rates.user, bytes, now)),
        };
        if until > now && !conn.session.has_ended() {
            pacing.throttled_until = Some(until);
            self.shared.metrics.readers_throttled.inc();
            self.arm(token);
        }
    }

    /// The connection waits for nothing but time; [`super::Effects::resumed`] tells its end.
    pub fn is_throttled(&self, token: Token) -> bool {
        let conn = self.conns.get(token.index()).filter(|conn| conn.token == token);
        conn.is_some_and(|conn| conn.throttled_until().is_some())
    }

    /// True if the time has come to read this connection on.
    pub(super) fn ends_throttling(&mut self, token: Token) -> bool {
        let now = self.now;
        let over = |until: Moment| until <= now;
        let Some(conn) = self.conn(token) else { return false };
        let ends = conn.throttled_until().is_some_and(over);
        if ends {
            conn.end_throttling();
            self.shared.metrics.readers_throttled.dec();
            self.effects.resumed.push(token);
        }
        ends
    }
}

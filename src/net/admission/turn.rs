//! CONNECTs that come faster than they are wanted wait for their turn, in the order in which they
//! came, as long as there is room and time to wait; then logins are checked so many at a time. A
//! storm is spread out, not sent away (threat M6).

use std::sync::atomic::Ordering;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::SemaphorePermit;

use super::{Admission, locked};
use crate::model::{Moment, Rate};
use crate::throttle::{Bounded, Bucket};

/// Addresses whose CONNECTs are counted.
const SOURCES_COUNT_MAX: usize = 64 * 1024;
/// Those who are refused come back over at least so many seconds.
const SPREAD_SECS_MIN: u64 = 5;

/// How fast CONNECTs come, in all and by source.
pub struct Turns {
    all: Option<Bucket>,
    sources: Bounded<IpNet, Bucket>,
}

/// Bytes of CONNECTs that wait: of small ones as many as may wait (`limits.connect_queue`), of
/// those as large as they may be a thousand.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A login may be checked, until this is dropped.
pub struct Turn<'a> {
    _login: SemaphorePermit<'a>,
    _bytes: WaitingBytes<'a>,
}

/// There is no room to wait, or it would take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    pub wait: Duration,
}

impl Busy {
    /// With a different time for each, so that they don't come back at once.
    pub fn words(self) -> String {
        let wait = self.wait.as_secs().max(1);
        let spread = rand::random_range(0..=(2 * wait).max(SPREAD_SECS_MIN));
        format!("try again in {} s", wait + spread)
    }
}

impl Turns {
    pub fn new() -> Turns {
        Turns { all: None, sources: Bounded::new(SOURCES_COUNT_MAX) }
    }

    fn source(
        &mut self,
        source: IpNet,
        rate: Option<Rate>,
        now: Moment,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let Some(rate) = rate else { return Ok(Duration::ZERO) };
        let bucket = self.sources.entry(source, || Bucket::full(rate, now));
        bucket.queue(rate, now, patience)
    }

    fn all(
        &mut self,
        rate: Option<Rate>,
        now: Moment,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let Some(rate) = rate else { return Ok(Duration::ZERO) };
        self.all.get_or_insert_with(|| Bucket::full(rate, now)).queue(rate, now, patience)
    }
}

/// Somebody who waits; not any more when it is dropped.
struct Waiting<'a>(&'a Admission);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connects_waiting.dec();
    }
}

/// Bytes of a CONNECT that waits or is checked; not any more when this is dropped.
struct WaitingBytes<'a>(&'a Admission, usize);

impl Drop for WaitingBytes<'_> {
    fn drop(&mut self) {
        self.0.waiting_bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Waits for the turn of a CONNECT from `source`, for which `bytes` are kept, and then until
    /// its login may be checked. What is returned is to be held meanwhile.
    ///
    /// # Errors
    /// [`Busy`]
    pub async fn turn(&self, source: IpNet, bytes: usize) -> Result<Turn<'_>, Busy> {
        let limits = self.limits.load_full();
        let waiting_bytes = self.keep_bytes(bytes)?;
        let _waiting = self.begin_to_wait(limits.connect_queue_max)?;
        let mut patience = limits.connect_wait;
        let now = self.clock.moment();
        let wait = locked(&self.turns).source(source, limits.connect_rate_per_ip, now, patience);
        patience -= sleep(wait).await?;
        let wait = locked(&self.turns).all(limits.connect_rate, self.clock.moment(), patience);
        patience -= sleep(wait).await?;
        let login = match self.logins.try_acquire() {
            Ok(login) => Ok(Ok(login)),
            Err(_) => tokio::time::timeout(patience, Box::pin(self.logins.acquire())).await,
        };
        match login {
            Ok(Ok(login)) => Ok(Turn { _login: login, _bytes: waiting_bytes }),
            Ok(Err(_)) | Err(_) => Err(Busy { wait: limits.connect_wait }),
        }
    }

    fn keep_bytes(&self, bytes: usize) -> Result<WaitingBytes<'_>, Busy> {
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let kept = WaitingBytes(self, bytes);
        let busy = Busy { wait: self.limits.load().connect_wait };
        if before + bytes <= WAITING_BYTES_MAX { Ok(kept) } else { Err(busy) }
    }

    fn begin_to_wait(&self, max: usize) -> Result<Waiting<'_>, Busy> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        self.metrics.connects_waiting.inc();
        let waiting = Waiting(self);
        let busy = Busy { wait: self.limits.load().connect_wait };
        if before < max { Ok(waiting) } else { Err(busy) }
    }
}

async fn sleep(wait: Result<Duration, Duration>) -> Result<Duration, Busy> {
    let wait = wait.map_err(|wait| Busy { wait })?;
    if !wait.is_zero() {
        Box::pin(tokio::time::sleep(wait)).await;
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::AdmissionLimits;
    use super::super::testing::{NO_LIMITS, admission};
    use super::*;
    use crate::auth::source_of;

    fn source(last: u8) -> IpNet {
        source_of(IpAddr::from([10, 0, 0, last]))
    }

    /// How long each of these CONNECTs waits that come at once; `None` for those refused.
    async fn waits(limits: AdmissionLimits, sources: &[u8]) -> Vec<Option<u64>> {
        let (admission, _) = admission(limits);
        let begun = tokio::time::Instant::now();
        let turn = async |last: &u8| {
            let turn = admission.turn(source(*last), 1).await;
            turn.ok().map(|_| begun.elapsed().as_millis() as u64)
        };
        let mut all = Vec::new();
        let mut tasks: Vec<_> = sources.iter().map(|last| Box::pin(turn(last))).collect();
        // In the order of their coming: each begins to wait before the next one comes.
        for task in &mut tasks {
            _ = tokio::time::timeout(Duration::ZERO, task.as_mut()).await.map(|x| all.push(x));
        }
        let ready = all.len();
        for task in tasks.into_iter().skip(ready) {
            all.push(task.await);
        }
        all
    }

    /// Threat M6.
    #[tokio::test(start_paused = true)]
    async fn a_storm_is_spread_out_in_the_order_of_its_coming() {
        let limits = AdmissionLimits { connect_rate: Rate::new(10, 2), ..NO_LIMITS };
        let all = waits(limits, &[1, 2, 3, 4, 5]).await;
        assert_eq!(all, [0, 0, 100, 200, 300].map(Some));
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_refused() {
        let connect_wait = Duration::from_millis(150);
        let limits = AdmissionLimits { connect_rate: Rate::new(10, 1), connect_wait, ..NO_LIMITS };
        let (admission, _) = admission(limits);
        assert!(admission.turn(source(1), 1).await.is_ok());
        assert!(admission.turn(source(1), 1).await.is_ok());
        // The clock of the admission stands still: the debt is that of the first two.
        let busy = admission.turn(source(1), 1).await.err();
        assert_eq!(busy, Some(Busy { wait: Duration::from_millis(200) }));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_for_itself_alone() {
        let limits = AdmissionLimits { connect_rate_per_ip: Rate::new(10, 1), ..NO_LIMITS };
        let (admission, _) = admission(limits);
        let begun = tokio::time::Instant::now();
        let mut waited = Vec::new();
        for last in [1, 2, 1] {
            drop(admission.turn(source(last), 1).await.unwrap());
            waited.push(begun.elapsed().as_millis());
        }
        assert_eq!(waited, [0, 0, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_room_to_wait_in_is_bounded_and_logins_are_few() {
        let (admission, _) = admission(AdmissionLimits { connect_queue_max: 1, ..NO_LIMITS });
        let held = [admission.turn(source(1), 1).await, admission.turn(source(1), 1).await];
        let mut third = Box::pin(admission.turn(source(1), 1));
        assert!(tokio::time::timeout(Duration::ZERO, &mut third).await.is_err());
        assert!(admission.turn(source(1), 1).await.is_err());
        drop(held);
        assert!(third.await.is_ok());
        assert!(admission.turn(source(1), 1).await.is_ok());
    }

    /// Threat M6. Passwords may be long; that many of them do not fit.
    #[tokio::test]
    async fn the_bytes_that_wait_are_bounded_in_all() {
        let (admission, _) = admission(NO_LIMITS);
        let half = WAITING_BYTES_MAX / 2;
        let held = [admission.turn(source(1), half).await, admission.turn(source(1), half).await];
        assert!(held.iter().all(Result::is_ok));
        assert!(admission.turn(source(1), 1).await.is_err());
        drop(held);
        assert!(admission.turn(source(1), 2 * half).await.is_ok());
    }

    #[test]
    fn those_refused_are_told_different_times() {
        let busy = Busy { wait: Duration::from_secs(30) };
        let all: std::collections::HashSet<String> = (0..100).map(|_| busy.words()).collect();
        assert!(all.len() > 10, "{all:?}");
    }
}

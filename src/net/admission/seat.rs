//! A place for one connection, from its accept to the close of its socket. When all are taken, the
//! oldest that is not logged in is sent away, those that have not said who they are first; and when
//! too many have not said so, the oldest of them (threats M7, W12).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ipnet::IpNet;
use tokio::sync::Notify;

use super::{Admission, locked};
use crate::auth::source_of;
use crate::metrics::Refused;

/// Sockets beyond the maximum that may be open while those that are sent away are closed.
pub const LEAVING_COUNT_MAX: usize = 16;

/// For people, in the log.
pub fn words(why: Refused) -> &'static str {
    match why {
        Refused::Full => "limits.connections are in use",
        Refused::Address => "limits.connections_per_ip are in use",
        Refused::Unauthenticated => {
            "it was not logged in when others needed the place (limits.connections), or one of too \
             many that had not said their CONNECT (limits.unauthenticated)"
        }
    }
}

/// The place is free again when this is dropped.
pub struct Seat {
    admission: Arc<Admission>,
    source: Option<IpNet>,
    lobby: Option<(u64, Arc<Notify>)>,
}

impl Seat {
    /// `None` while so many are being sent away that one has to ask again.
    ///
    /// # Errors
    /// [`Refused::Full`]
    pub fn take(admission: &Arc<Admission>) -> Result<Option<Seat>, Refused> {
        let limits = admission.limits.load();
        let mut lobby = locked(&admission.lobby);
        let connections = admission.connections();
        let excess = (connections + 1).saturating_sub(limits.connections_max);
        if excess > 0 && lobby.leaving() >= LEAVING_COUNT_MAX {
            return Ok(None);
        }
        while lobby.leaving() < excess {
            if !lobby.send_oldest_away() {
                return Err(Refused::Full);
            }
        }
        let place = lobby.enter();
        if lobby.silent() > limits.unauthenticated_max {
            lobby.send_oldest_away();
        }
        admission.connections.store(connections + 1, Ordering::Relaxed);
        Ok(Some(Seat { admission: admission.clone(), source: None, lobby: Some(place) }))
    }

    /// Says where it comes from, once that is known.
    ///
    /// # Errors
    /// [`Refused::Address`]
    pub fn comes_from(&mut self, ip: IpAddr) -> Result<(), Refused> {
        let source = source_of(ip);
        let max = self.admission.limits.load().connections_per_ip_max;
        if !locked(&self.admission.sources).enter(source, max) {
            return Err(Refused::Address);
        }
        self.source = Some(source);
        Ok(())
    }

    /// Ends when others need the place; never for those that are logged in.
    pub fn told_to_go(&self) -> impl Future<Output = ()> + use<> {
        let go = self.lobby.as_ref().map(|(_, go)| go.clone());
        async move {
            match go {
                Some(go) => go.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Its CONNECT is whole: the silent ones are sent away before it.
    pub fn asks(&self) {
        if let Some((number, _)) = &self.lobby {
            locked(&self.admission.lobby).asks(*number);
        }
    }

    /// It is logged in: nobody sends it away any more.
    pub fn logged_in(&mut self) {
        if let Some((number, _)) = self.lobby.take() {
            locked(&self.admission.lobby).leave(number);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(source) = self.source {
            locked(&self.admission.sources).leave(source);
        }
        let mut lobby = locked(&self.admission.lobby);
        if let Some((number, _)) = self.lobby.take() {
            lobby.leave(number);
        }
        self.admission.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::AdmissionLimits;
    use super::super::testing::{NO_LIMITS, admission};
    use super::*;

    fn take(admission: &Arc<Admission>) -> Seat {
        Seat::take(admission).unwrap().unwrap()
    }

    async fn is_told(seat: &Seat) -> bool {
        let told = tokio::time::timeout(std::time::Duration::ZERO, seat.told_to_go());
        told.await.is_ok()
    }

    /// Threat M7.
    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_without_a_name_goes() {
        let (admission, _) = admission(AdmissionLimits { connections_max: 3, ..NO_LIMITS });
        let mut known = take(&admission);
        known.logged_in();
        let older = take(&admission);
        let younger = take(&admission);
        let next = take(&admission);
        assert!(is_told(&older).await && !is_told(&younger).await && !is_told(&next).await);
        drop(older);
        assert_eq!(admission.connections(), 3);
    }

    #[tokio::test]
    async fn when_all_are_logged_in_one_more_is_refused() {
        let (admission, _) = admission(AdmissionLimits { connections_max: 2, ..NO_LIMITS });
        let mut seats: Vec<Seat> = (0..2).map(|_| take(&admission)).collect();
        seats.iter_mut().for_each(Seat::logged_in);
        assert_eq!(Seat::take(&admission).err(), Some(Refused::Full));
        seats.pop();
        assert!(Seat::take(&admission).is_ok());
    }

    /// Threat M7. A CONNECT alone holds no place against others; silence holds it even less.
    #[tokio::test]
    async fn whose_login_is_not_decided_goes_behind_those_who_say_nothing() {
        let (admission, _) = admission(AdmissionLimits { connections_max: 2, ..NO_LIMITS });
        let asking = take(&admission);
        asking.asks();
        let silent = take(&admission);
        let mut third = take(&admission);
        assert!(is_told(&silent).await && !is_told(&asking).await);
        drop(silent);
        third.logged_in();
        let _fourth = take(&admission);
        assert!(is_told(&asking).await && !is_told(&third).await);
    }

    /// Threat M7. However slowly they leave: no more than so many beyond the maximum.
    #[tokio::test]
    async fn those_who_are_sent_away_are_bounded_too() {
        let (admission, _) = admission(AdmissionLimits { connections_max: 100, ..NO_LIMITS });
        let mut seats: Vec<Seat> = Vec::new();
        while let Some(seat) = Seat::take(&admission).unwrap() {
            seats.push(seat);
        }
        assert_eq!(admission.connections(), 100 + LEAVING_COUNT_MAX);
        // One goes: another one may come.
        seats.remove(0);
        seats.push(take(&admission));
        assert!(Seat::take(&admission).unwrap().is_none());
        drop(seats);
        assert_eq!((admission.connections(), locked(&admission.lobby).silent()), (0, 0));
    }

    /// Threat W12.
    #[tokio::test]
    async fn those_without_a_name_are_bounded_by_themselves() {
        let (admission, _) = admission(AdmissionLimits { unauthenticated_max: 2, ..NO_LIMITS });
        let seats: Vec<Seat> = (0..3).map(|_| take(&admission)).collect();
        assert!(is_told(&seats[0]).await && !is_told(&seats[1]).await && !is_told(&seats[2]).await);
        // Those who wait for their login do not count among them.
        seats.iter().for_each(Seat::asks);
        let _more: Vec<Seat> = (0..2).map(|_| take(&admission)).collect();
        assert!(!is_told(&seats[1]).await && !is_told(&seats[2]).await);
    }

    #[tokio::test]
    async fn an_address_has_so_many_places() {
        let limits = AdmissionLimits { connections_per_ip_max: Some(1), ..NO_LIMITS };
        let (admission, _) = admission(limits);
        let come = |ip: &str| {
            let mut seat = take(&admission);
            seat.comes_from(ip.parse().unwrap()).map(|()| seat)
        };
        let first = come("10.0.0.1").unwrap();
        assert_eq!(come("10.0.0.1").err(), Some(Refused::Address));
        assert!(come("10.0.0.2").is_ok());
        drop(first);
        assert!(come("10.0.0.1").is_ok());
    }
}

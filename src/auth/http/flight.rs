//! Questions that are on their way: whoever asks the same meanwhile waits for the same answer,
//! unless a user was forgotten since: what was asked before that says nothing after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::memory::{AsOf, Tag};

/// A login, and since when it is asked about.
type Question = (Tag, AsOf);

/// All questions on their way, at most so many.
pub struct Flights<A> {
    count_max: usize,
    under_way: Mutex<HashMap<Question, Waiting<A>>>,
}

/// Waits for one answer; any number may wait for the same.
pub struct Waiting<A>(watch::Receiver<Option<A>>);

/// What to do with a question.
pub enum Boarding<A> {
    /// Ask, and tell the answer by [`Lead::land`]; it is waited for like by everybody else, so
    /// that nobody depends on the connection that came first.
    Lead(Lead<A>, Waiting<A>),
    /// Somebody asks already.
    Follow(Waiting<A>),
    /// Too many are on their way.
    Full,
}

/// The duty to answer. Dropped without an answer, those who wait are told that there is none.
pub struct Lead<A> {
    flights: Arc<Flights<A>>,
    question: Question,
    landed: bool,
    answer: watch::Sender<Option<A>>,
}

impl<A: Clone> Flights<A> {
    pub fn new(count_max: usize) -> Arc<Flights<A>> {
        Arc::new(Flights { count_max, under_way: Mutex::default() })
    }

    pub fn board(self: &Arc<Self>, tag: &Tag, as_of: AsOf) -> Boarding<A> {
        let question = (*tag, as_of);
        let mut under_way = self.lock();
        if let Some(Waiting(answer)) = under_way.get(&question) {
            return Boarding::Follow(Waiting(answer.clone()));
        }
        if under_way.len() >= self.count_max {
            return Boarding::Full;
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(question, Waiting(receiver.clone()));
        let lead = Lead { flights: self.clone(), question, landed: false, answer: sender };
        Boarding::Lead(lead, Waiting(receiver))
    }
}

impl<A> Flights<A> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Waiting<A>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Lead<A> {
    /// Tells the answer to all who wait; whoever comes from now on asks anew.
    pub fn land(mut self, answer: A) {
        self.leave();
        self.answer.send_replace(Some(answer));
    }

    /// Once only: afterwards somebody else may be under way with the same question.
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.landed, true) {
            self.flights.lock().remove(&self.question);
        }
    }
}

impl<A> Drop for Lead<A> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<A: Clone> Waiting<A> {
    /// `None` if whoever asked went without an answer.
    pub async fn answer(mut self) -> Option<A> {
        let told = self.0.wait_for(Option::is_some).await.ok()?;
        (*told).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Tag = [1; 32];
    const B: Tag = [2; 32];

    fn lead(flights: &Arc<Flights<u8>>, tag: &Tag) -> (Lead<u8>, Waiting<u8>) {
        lead_since(flights, tag, AsOf::default())
    }

    fn lead_since(flights: &Arc<Flights<u8>>, tag: &Tag, as_of: AsOf) -> (Lead<u8>, Waiting<u8>) {
        match flights.board(tag, as_of) {
            Boarding::Lead(lead, waiting) => (lead, waiting),
            _ => panic!("not the first"),
        }
    }

    fn follow(flights: &Arc<Flights<u8>>, tag: &Tag) -> Waiting<u8> {
        match flights.board(tag, AsOf::default()) {
            Boarding::Follow(waiting) => waiting,
            _ => panic!("nobody asks"),
        }
    }

    #[tokio::test]
    async fn one_asks_and_all_are_told() {
        let flights = Flights::new(2);
        let (first, waiting) = lead(&flights, &A);
        let followers = [follow(&flights, &A), follow(&flights, &A)];
        first.land(7);
        assert_eq!(waiting.answer().await, Some(7));
        for follower in followers {
            assert_eq!(follower.answer().await, Some(7));
        }
        lead(&flights, &A);
    }

    #[tokio::test]
    async fn the_first_may_go_and_the_others_still_get_the_answer() {
        let flights = Flights::new(2);
        let (first, waiting) = lead(&flights, &A);
        let follower = follow(&flights, &A);
        drop(waiting);
        first.land(7);
        assert_eq!(follower.answer().await, Some(7));
    }

    #[tokio::test]
    async fn who_asked_may_fail_and_nobody_waits_for_ever() {
        let flights = Flights::new(2);
        let (first, waiting) = lead(&flights, &A);
        let follower = follow(&flights, &A);
        drop(first);
        assert_eq!((waiting.answer().await, follower.answer().await), (None, None));
        lead(&flights, &A);
    }

    #[tokio::test]
    async fn whoever_asks_after_somebody_was_forgotten_waits_for_another_answer() {
        let flights = Flights::new(2);
        let (before, waiting) = lead(&flights, &A);
        let (after, waiting_after) = lead_since(&flights, &A, AsOf::default().next());
        before.land(7);
        assert_eq!(waiting.answer().await, Some(7));
        assert!(
            matches!(flights.board(&A, AsOf::default().next()), Boarding::Follow(_)),
            "the one that landed took another's place away"
        );
        after.land(8);
        assert_eq!(waiting_after.answer().await, Some(8));
    }

    #[test]
    fn no_more_than_the_bound_are_on_their_way() {
        let flights = Flights::<u8>::new(1);
        let first = lead(&flights, &A);
        assert!(matches!(flights.board(&B, AsOf::default()), Boarding::Full));
        follow(&flights, &A);
        drop(first);
        lead(&flights, &B);
    }
}

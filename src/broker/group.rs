//! The members of one shared subscription, and who of them is next (MQTT 5, section 4.8.2): those
//! that are connected in turn, and only if there are none those that are away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::ShareId;

use super::subscriptions::{Grant, Subscriber, Who};

pub(super) struct Group {
    id: ShareId,
    present: Roster,
    away: Roster,
    /// Messages picked so far. Publishers on several threads pick at the same time.
    turn: AtomicUsize,
}

/// Members in some order, each found by its name.
#[derive(Default)]
struct Roster {
    members: Vec<(Who, Grant)>,
    places: HashMap<Who, usize>,
}

impl Roster {
    /// True if there was none.
    fn put(&mut self, who: Who, grant: Grant) -> bool {
        match self.places.get(&who) {
            Some(place) => self.members[*place].1 = grant,
            None => {
                self.places.insert(who.clone(), self.members.len());
                self.members.push((who, grant));
                return true;
            }
        }
        false
    }

    /// The last one takes its place.
    fn take(&mut self, who: &Who) -> Option<Grant> {
        let place = self.places.remove(who)?;
        let (_, grant) = self.members.swap_remove(place);
        if let Some((moved, _)) = self.members.get(place) {
            self.places.insert(moved.clone(), place);
        }
        Some(grant)
    }

    fn at(&self, turn: usize) -> Option<&(Who, Grant)> {
        self.members.get(turn.checked_rem(self.members.len())?)
    }

    /// The next one, beginning at `turn`, that keeps what it is given.
    fn durable_at(&self, turn: usize) -> Option<&(Who, Grant)> {
        let count = self.members.len();
        let (late, early) = self.members.split_at(turn.checked_rem(count)?);
        early.iter().chain(late).find(|((connection, _), _)| connection.is_none())
    }
}

impl Group {
    pub(super) fn new(id: ShareId) -> Group {
        let turn = AtomicUsize::new(0);
        Group { id, present: Roster::default(), away: Roster::default(), turn }
    }

    pub(super) fn id(&self) -> ShareId {
        self.id
    }

    pub(super) fn is_empty(&self) -> bool {
        self.present.members.is_empty() && self.away.members.is_empty()
    }

    /// Adds or replaces; true if there was none. A durable session counts as away until it is
    /// said to be present.
    pub(super) fn add(&mut self, who: Who, grant: Grant) -> bool {
        let is_present = who.0.is_some() || self.present.places.contains_key(&who);
        self.roster(is_present).put(who, grant)
    }

    pub(super) fn remove(&mut self, who: &Who) -> bool {
        self.present.take(who).or_else(|| self.away.take(who)).is_some()
    }

    pub(super) fn set_present(&mut self, who: &Who, is_present: bool) {
        if let Some(grant) = self.roster(!is_present).take(who) {
            self.roster(is_present).put(who.clone(), grant);
        }
    }

    fn roster(&mut self, is_present: bool) -> &mut Roster {
        if is_present { &mut self.present } else { &mut self.away }
    }

    /// Who gets the next message.
    pub(super) fn pick(&self) -> Option<Subscriber> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let picked = self.present.at(turn).or_else(|| self.away.at(turn));
        picked.map(|member| self.subscriber(member))
    }

    /// Who takes over what a durable member left: one that is durable too, if there is any.
    pub(super) fn pick_heir(&self) -> Option<Subscriber> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let durable = self.present.durable_at(turn).or_else(|| self.away.at(turn));
        durable.or_else(|| self.present.at(turn)).map(|member| self.subscriber(member))
    }

    fn subscriber(&self, (who, grant): &(Who, Grant)) -> Subscriber {
        grant.subscriber(who, Some(self.id))
    }
}

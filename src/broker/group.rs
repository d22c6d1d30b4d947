//! The members of one shared subscription, and who of them is next (MQTT 5, section 4.8.2): those
//! that are connected in turn, and only if there are none those that are away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{QoS, ShareId};

use super::subscriptions::{Grant, Subscriber, Who};

pub(super) struct Group {
    id: ShareId,
    /// Connected, and nothing is kept for them: their session ends with it, or they take QoS 0.
    live: Roster,
    /// Connected, with a queue.
    here: Roster,
    /// Not connected; their queue takes it.
    away: Roster,
    /// Not connected, and with QoS 0 nothing would wait for them.
    asleep: Roster,
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
    fn put(&mut self, who: Who, grant: Grant) {
        self.places.insert(who.clone(), self.members.len());
        self.members.push((who, grant));
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

    fn has(&self, who: &Who) -> bool {
        self.places.contains_key(who)
    }

    fn len(&self) -> usize {
        self.members.len()
    }
}

impl Group {
    pub(super) fn new(id: ShareId) -> Group {
        let none = Roster::default;
        let turn = AtomicUsize::new(0);
        Group { id, live: none(), here: none(), away: none(), asleep: none(), turn }
    }

    pub(super) fn id(&self) -> ShareId {
        self.id
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.live, &self.here, &self.away, &self.asleep].iter().all(|roster| roster.len() == 0)
    }

    /// Adds or replaces; true if there was none. A durable session counts as away until it is
    /// said to be present.
    pub(super) fn add(&mut self, who: Who, grant: Grant) -> bool {
        let is_present = who.0.is_some() || self.live.has(&who) || self.here.has(&who);
        let is_new = self.take(&who).is_none();
        self.put(who, grant, is_present);
        is_new
    }

    pub(super) fn remove(&mut self, who: &Who) -> bool {
        self.take(who).is_some()
    }

    pub(super) fn set_present(&mut self, who: &Who, is_present: bool) {
        if let Some(grant) = self.take(who) {
            self.put(who.clone(), grant, is_present);
        }
    }

    fn take(&mut self, who: &Who) -> Option<Grant> {
        let rosters = [&mut self.live, &mut self.here, &mut self.away, &mut self.asleep];
        rosters.into_iter().find_map(|roster| roster.take(who))
    }

    fn put(&mut self, who: Who, grant: Grant, is_present: bool) {
        let has_queue = who.0.is_none() && grant.qos != QoS::AtMostOnce;
        let roster = match (is_present, has_queue) {
            (true, false) => &mut self.live,
            (true, true) => &mut self.here,
            (false, true) => &mut self.away,
            (false, false) => &mut self.asleep,
        };
        roster.put(who, grant);
    }

    /// Who gets the next message.
    pub(super) fn pick(&self) -> Option<Subscriber<'_>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let live = self.live.len();
        let picked = match turn.checked_rem(live + self.here.len()) {
            None => self.away.at(turn),
            Some(place) if place < live => self.live.at(place),
            Some(place) => self.here.at(place - live),
        };
        picked.map(|member| self.subscriber(member))
    }

    /// Who takes over what a durable member left: one that has a queue too, if there is any.
    pub(super) fn pick_heir(&self) -> Option<Subscriber<'_>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let heir = self.here.at(turn).or_else(|| self.away.at(turn));
        heir.or_else(|| self.live.at(turn)).map(|member| self.subscriber(member))
    }

    fn subscriber<'t>(&self, (who, grant): &'t (Who, Grant)) -> Subscriber<'t> {
        grant.subscriber(who, Some(self.id))
    }
}

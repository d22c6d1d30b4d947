//! What the broker tells about itself under `$SYS/broker`, by the names that mosquitto gave these
//! topics. The figures are those of `/metrics`; nothing here counts by itself.
//!
//! `load` makes figures per minute of them, `topics` their names and texts, and [`Board`] has the
//! last ones, for those who subscribe. Nothing of it is stored.

mod load;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::metrics::Figures;
use crate::model::{
    Attributes, ClientId, Filter, Kind, Message, MessageId, QoS, Sender, Stamp, Uid,
};
use crate::store::RetainedPage;

use load::Loads;

/// The values as they are now, in the order of their topics. Shared by all threads.
#[derive(Default)]
pub struct Board(ArcSwap<Vec<Arc<Message>>>);

/// Makes the values of one moment out of the figures; knows the ones before.
#[derive(Default)]
pub struct Reporter {
    loads: Loads,
    connected_max: u64,
}

impl Board {
    /// What a new subscription gets, as if these were retained messages.
    pub fn page(&self, filter: &Filter) -> RetainedPage {
        let all = self.0.load();
        let fits = |message: &&Arc<Message>| filter.matches(&message.topic);
        RetainedPage { messages: all.iter().filter(fits).cloned().collect(), next: None }
    }

    /// Puts these values in place of the older ones. Returns those that are new or have changed.
    pub fn put(&self, messages: Vec<Arc<Message>>) -> Vec<Arc<Message>> {
        let before = self.0.swap(Arc::new(messages.clone()));
        let same = |one: &Arc<Message>| {
            let place = before.binary_search_by(|old| old.topic.cmp(&one.topic));
            place.is_ok_and(|place| before[place].body == one.body)
        };
        messages.into_iter().filter(|one| !same(one)).collect()
    }
}

impl Reporter {
    /// `passed` is the time since the last report; zero for the first.
    pub fn report(
        &mut self,
        figures: &Figures,
        uptime: Duration,
        passed: Duration,
        now: Stamp,
    ) -> Vec<Arc<Message>> {
        self.connected_max = self.connected_max.max(figures.connected);
        self.loads.pass(figures, passed);
        let mut all = topics::values(figures, uptime, self.connected_max);
        all.extend(self.loads.values());
        let mut messages: Vec<Arc<Message>> =
            all.into_iter().map(|(name, text)| Arc::new(message(&name, text, now))).collect();
        messages.sort_by(|a, b| a.topic.cmp(&b.topic));
        messages
    }
}

fn message(name: &str, text: String, now: Stamp) -> Message {
    Message {
        // Nobody sees it: these are neither stored nor stamped.
        id: MessageId(0),
        from: Sender { uid: Uid::broker(), client_id: ClientId::default() },
        kind: Kind::Chat,
        ts: now,
        expires_at: None,
        topic: format!("$SYS/broker/{name}").into(),
        retain: true,
        // The next one comes anyway: no queue needs to keep it.
        qos: QoS::AtMostOnce,
        body: Bytes::from(text),
        attributes: Attributes::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn text(messages: &[Arc<Message>], name: &str) -> String {
        let found = messages.iter().find(|one| *one.topic == *format!("$SYS/broker/{name}"));
        String::from_utf8(found.unwrap().body.to_vec()).unwrap()
    }

    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap()
    }

    #[test]
    fn only_what_has_changed_is_told_again_and_a_subscription_gets_all_that_fits() {
        let (board, mut reporter) = (Board::default(), Reporter::default());
        let mut figures = Figures { connected: 2, ..Figures::default() };
        let first = reporter.report(&figures, MINUTE, Duration::ZERO, Stamp(1));
        assert_eq!(board.put(first.clone()).len(), first.len());
        figures.connected = 1;
        let changed = board.put(reporter.report(&figures, MINUTE, MINUTE, Stamp(2)));
        let names: Vec<&str> = changed.iter().map(|one| &*one.topic).collect();
        assert_eq!(names, ["$SYS/broker/clients/connected", "$SYS/broker/clients/total"]);
        assert_eq!(board.page(&filter("$SYS/#")).messages.len(), first.len());
        let clients = board.page(&filter("$SYS/broker/clients/+")).messages;
        assert_eq!(text(&clients, "clients/maximum"), "2");
        assert_eq!(board.page(&filter("#")).messages.len(), 0);
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let mut reporter = Reporter::default();
        let told = |all: Vec<Arc<Message>>, name: &str| all.iter().any(|m| m.topic.ends_with(name));
        let unknown = Figures { away: None, ..Figures::default() };
        let all = reporter.report(&unknown, MINUTE, MINUTE, Stamp(1));
        assert!(!told(all, "clients/disconnected"));
        let known = Figures { away: Some(7), ..Figures::default() };
        let all = reporter.report(&known, MINUTE, MINUTE, Stamp(1));
        assert_eq!(text(&all, "clients/disconnected"), "7");
    }
}

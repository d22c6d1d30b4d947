//! Plain subscriptions of the sessions here: in the tree that all workers share, and for durable
//! sessions in the store too.

use crate::broker::subscriptions::{Connection, Grant, Who};
use crate::broker::{Action, Subscriptions};
use crate::model::target::Interest;
use crate::model::{ClientId, Filter, InboxPattern, QoS, Reason, Selector, SessionKey, Uid};
use crate::session::{Ask, Granted, Input, SubscriptionId, Ticket};
use crate::store::{Opened, Subscription, Write};

use super::{Shard, Token};

/// UNSUBACK: no subscription existed (MQTT 5, section 3.11.3).
const NONE_EXISTED: u8 = 0x11;

type Verdict = Result<u8, (Reason, Box<str>)>;

impl Shard {
    pub(super) fn subscribe(
        &mut self,
        token: Token,
        packet_id: u16,
        asks: Vec<Ask>,
        id: Option<SubscriptionId>,
    ) {
        let (mut results, mut retained) = (Vec::with_capacity(asks.len()), Vec::new());
        for ask in &asks {
            let is_new = self.is_new(token, ask);
            let result: Verdict = self.grant(token, ask, is_new);
            if let (Ok(Interest::Plain(selector)), Ok(_)) = (&ask.interest, &result)
                && selector.share().is_none()
                && wants_retained(ask.options, is_new)
                // Behind its place in the tree: what is retained from now on comes by that.
                && self.shared.retained.may_match(selector.filter())
            {
                retained.push((selector.filter().clone(), ask.qos));
            }
            results.push(result);
        }
        for (reason, words) in results.iter().filter_map(|result| result.as_ref().err()) {
            self.log_refusal(token, *reason, words);
        }
        let Some(conn) = self.conn(token) else { return };
        let key = conn.session.key().clone();
        let granted = asks.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let stored: Vec<Subscription> =
            granted.filter_map(|(ask, _)| stored_subscription(ask, id)).collect();
        let wait = conn.kept && !stored.is_empty();
        if wait {
            let write = Write::Subscribe { key, subscriptions: stored };
            self.ask_store(write, Some((token, Ticket::Filters(packet_id))));
        }
        let interests = asks.into_iter().map(|ask| ask.interest.ok()).collect();
        let granted =
            Granted { packet_id, unsubscribe: false, results, interests, retained, id, wait };
        self.handle(token, Input::Granted(granted));
    }

    fn is_new(&self, token: Token, ask: &Ask) -> bool {
        let conn = self.conns.get(token.index());
        conn.is_none_or(|conn| match &ask.interest {
            Ok(Interest::Plain(selector)) => !conn.filters.contains(selector),
            _ => true,
        })
    }

    fn grant(&mut self, token: Token, ask: &Ask, is_new: bool) -> Verdict {
        let interest = match &ask.interest {
            Ok(interest) => interest,
            Err(error) => {
                let reason = match error.reason() {
                    Reason::TopicInvalid => Reason::FilterInvalid,
                    reason => reason,
                };
                return Err((reason, error.to_string().into()));
            }
        };
        let policy = &self.live.policy;
        let Some(conn) = self.conns.get(token.index()) else { return Ok(0) };
        policy.may(conn.session.identity(), Action::Subscribe(interest))?;
        match interest {
            // The inbox has QoS 1 whatever was asked (ruling 14).
            Interest::Inbox(_) | Interest::Envelope(_) => Ok(QoS::AtLeastOnce as u8),
            Interest::Plain(selector) => self.grant_plain(token, selector, ask, is_new),
        }
    }

    fn grant_plain(
        &mut self,
        token: Token,
        selector: &Selector,
        ask: &Ask,
        is_new: bool,
    ) -> Verdict {
        let max = self.live.settings.subscriptions_count_max;
        let Some(conn) = self.conn(token) else { return Ok(0) };
        if is_new && conn.filters.len() >= max {
            let words = format!("a session has at most {max} subscriptions");
            return Err((Reason::QuotaExceeded, words.into()));
        }
        if is_new && self.count_filters(token) >= self.live.subscriptions_per_user_max {
            let max = self.live.subscriptions_per_user_max;
            let words = format!("a user has at most {max} subscriptions in all sessions");
            return Err((Reason::QuotaExceeded, words.into()));
        }
        let Some(conn) = self.conn(token) else { return Ok(0) };
        if is_new {
            conn.filters.push(selector.clone());
        }
        let grant = Grant {
            qos: ask.qos,
            no_local: ask.no_local,
            retain_as_published: ask.retain_as_published,
        };
        let Some(who) = self.who(token) else { return Ok(0) };
        self.with_tree(|tree| {
            tree.add(selector, who.clone(), grant);
            tree.set_present(selector, &who, true);
        });
        Ok(ask.qos as u8)
    }

    /// How the tree knows a session that is connected.
    fn who(&self, token: Token) -> Option<Who> {
        let conn = self.conns.get(token.index()).filter(|conn| conn.token == token)?;
        let connection = Connection { worker: self.index, token: token.0 };
        Some(((!conn.kept).then_some(connection), conn.session.key().clone()))
    }

    /// Plain filters of all sessions of this connection's user, connected or away; of an anonymous
    /// client its own.
    fn count_filters(&self, token: Token) -> usize {
        let Some(uid) = self.conns.get(token.index()).map(|conn| &conn.session.key().uid) else {
            return 0;
        };
        if uid.is_anonymous() {
            return self.conns.get(token.index()).map_or(0, |conn| conn.filters.len());
        }
        let here = self.connections_of(uid);
        let away = self.away_of(uid).map(|(_, filters)| filters.len()).sum::<usize>();
        here.map(|conn| conn.filters.len()).sum::<usize>() + away
    }

    /// What a user's sessions that are not connected are subscribed to.
    pub(super) fn away_of(&self, uid: &Uid) -> impl Iterator<Item = (&SessionKey, &Vec<Selector>)> {
        let first = SessionKey { uid: uid.clone(), client_id: ClientId::default() };
        self.away.range(first..).take_while(move |(key, _)| key.uid == *uid)
    }

    pub(super) fn unsubscribe(&mut self, token: Token, packet_id: u16, filters: Vec<Box<str>>) {
        let topics = &self.live.settings.topics;
        let interests: Vec<Option<Interest>> =
            filters.iter().map(|filter| topics.interest(filter).ok()).collect();
        let results = interests.iter().map(|interest| self.forget(token, interest)).collect();
        let Some(conn) = self.conn(token) else { return };
        let wait = conn.kept;
        if wait {
            let key = conn.session.key().clone();
            let write = Write::Unsubscribe { key, filters };
            self.ask_store(write, Some((token, Ticket::Filters(packet_id))));
        }
        let granted = Granted {
            packet_id,
            unsubscribe: true,
            results,
            interests,
            retained: Vec::new(),
            id: None,
            wait,
        };
        self.handle(token, Input::Granted(granted));
    }

    fn forget(&mut self, token: Token, interest: &Option<Interest>) -> Verdict {
        let Some(conn) = self.conn(token) else { return Ok(NONE_EXISTED) };
        match interest {
            Some(Interest::Plain(selector)) => {
                let place = conn.filters.iter().position(|own| own == selector);
                let Some(place) = place else { return Ok(NONE_EXISTED) };
                conn.filters.swap_remove(place);
                self.leave_tree(token, selector);
                Ok(0)
            }
            Some(Interest::Inbox(uid) | Interest::Envelope(uid)) => {
                let own = conn.session.key().uid == *uid;
                if own { Ok(0) } else { Ok(NONE_EXISTED) }
            }
            None => Ok(NONE_EXISTED),
        }
    }

    /// A filter of this connection's session leaves the tree.
    pub(super) fn leave_tree(&mut self, token: Token, selector: &Selector) {
        let Some(who) = self.who(token) else { return };
        self.with_tree(|tree| tree.remove(selector, &who));
    }

    /// A durable session came or went; who shares with it is told.
    pub(super) fn set_present(&self, key: &SessionKey, selectors: &[Selector], is_present: bool) {
        let shared = selectors.iter().filter(|selector| selector.share().is_some());
        let (shared, who): (Vec<_>, Who) = (shared.collect(), (None, key.clone()));
        if !shared.is_empty() {
            self.with_tree(|tree| {
                shared.iter().for_each(|selector| tree.set_present(selector, &who, is_present));
            });
        }
    }

    /// The stored subscriptions of a session that came back: whether it reads envelopes, and its
    /// plain filters, which are in the tree all the time.
    pub(super) fn resume_filters(&mut self, opened: &Opened) -> (bool, Vec<Selector>) {
        let Some(durable) = &opened.durable else { return (false, Vec::new()) };
        let topics = &self.live.settings.topics;
        let mut envelope = false;
        let mut filters = Vec::new();
        for subscription in &durable.subscriptions {
            match topics.interest(subscription.filter.as_str()) {
                Ok(Interest::Envelope(_)) => envelope = true,
                Ok(Interest::Plain(selector)) => filters.push(selector),
                _ => {}
            }
        }
        (envelope, filters)
    }

    /// A durable session that is not connected, found in the store at the start.
    pub fn restore(&mut self, key: &SessionKey, subscription: &Subscription) {
        let topics = &self.live.settings.topics;
        let Ok(Interest::Plain(selector)) = topics.interest(subscription.filter.as_str()) else {
            return;
        };
        self.with_tree(|tree| tree.add(&selector, (None, key.clone()), grant(subscription)));
        self.away.entry(key.clone()).or_default().push(selector);
    }

    /// The store's answer is the truth: filters of a session that expired meanwhile leave the tree,
    /// and those that are left belong to the connection.
    pub(super) fn reconcile(&mut self, key: &SessionKey, kept: &[Selector]) {
        let who = (None, key.clone());
        for filter in self.away.remove(key).unwrap_or_default() {
            if !kept.contains(&filter) {
                self.with_tree(|tree| tree.remove(&filter, &who));
            }
        }
    }

    /// The session is over: its filters leave the tree.
    pub(super) fn forget_subscriptions(&mut self, key: &SessionKey) {
        let who = (None, key.clone());
        for filter in self.away.remove(key).unwrap_or_default() {
            self.with_tree(|tree| tree.remove(&filter, &who));
        }
    }

    pub(super) fn with_tree<T>(&self, act: impl FnOnce(&mut Subscriptions) -> T) -> T {
        self.shared.subscriptions.change(|tree| {
            let result = act(tree);
            self.shared.metrics.subscriptions.set(tree.len() as i64);
            result
        })
    }
}

/// Retain Handling, bits 4 and 5 of the options (MQTT 5, section 3.8.3.1); 0 in MQTT 3.1.1.
fn wants_retained(options: u8, is_new: bool) -> bool {
    match options >> 4 & 0b11 {
        0 => true,
        1 => is_new,
        _ => false,
    }
}

/// The own inbox is subscribed in any case; its identifier has to be kept.
fn stored_subscription(ask: &Ask, id: Option<SubscriptionId>) -> Option<Subscription> {
    let filter = Filter::parse(&ask.filter)?;
    Some(Subscription { filter, options: ask.options, id: id.unwrap_or(0) })
}

/// Those that have an identifier; that of the own inbox is by its topic.
pub(super) fn subscription_ids(
    opened: &Opened,
    topics: &InboxPattern,
) -> Vec<(Selector, SubscriptionId)> {
    let all = opened.durable.iter().flat_map(|durable| &durable.subscriptions);
    let with_id = all.filter(|subscription| subscription.id != 0);
    let selector = |filter: &Filter| match topics.interest(filter.as_str()) {
        Ok(Interest::Plain(selector)) => selector,
        _ => Selector::plain(filter.clone()),
    };
    with_id.map(|subscription| (selector(&subscription.filter), subscription.id)).collect()
}

/// Reads the options byte of section 3.8.3.1.
fn grant(subscription: &Subscription) -> Grant {
    let options = subscription.options;
    Grant {
        qos: QoS::from_u8(options & 0b11).unwrap_or_default(),
        no_local: options & 0b100 != 0,
        retain_as_published: options & 0b1000 != 0,
    }
}

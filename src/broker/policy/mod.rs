//! The one question `may(identity, action)`, asked when a message is submitted, when a filter is
//! subscribed to and when a message is delivered. Its answers carry the words that the client and
//! the log get. `docs/policy.md` has the rules in the reader's words.

mod rule;
mod template;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use rule::{Fault, Rule, RuleError, RuleText};
pub use template::PatternError;

use crate::model::target::{Interest, is_sys};
use crate::model::{Identity, Reason, Role, Target, Uid};
use rule::{Effect, Question};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    Publish(&'a Target),
    Subscribe(&'a Interest),
    /// Get a message of this plain topic, for a subscription that was granted.
    Receive(&'a str),
}

/// `acl.default`: plain topics that no rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    Allow,
    Deny,
}

/// `acl.inbox`: who may write to a user, where no rule speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboxAccess {
    /// Everyone.
    Open,
    /// Operators and services, and the user itself.
    Deny,
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    plain: Access,
    inbox: InboxAccess,
    rules: Box<[Rule]>,
    /// A message may be kept from somebody who has, or had, a subscription for it.
    withholds: bool,
}

/// Why not: the code and the words.
pub type Denial = (Reason, Box<str>);

impl Policy {
    /// # Errors
    /// [`RuleError`] of the first wrong rule.
    pub fn new(plain: Access, inbox: InboxAccess, rules: &[RuleText]) -> Result<Policy, RuleError> {
        let rules = rules.iter().enumerate().map(|(n, text)| Rule::parse(n + 1, text));
        let rules: Box<[Rule]> = rules.collect::<Result<_, _>>()?;
        let withholds = plain == Access::Deny || rules.iter().any(Rule::withholds);
        Ok(Policy { plain, inbox, rules, withholds })
    }

    /// Without rules.
    pub fn plain(plain: Access) -> Policy {
        let withholds = plain == Access::Deny;
        Policy { plain, inbox: InboxAccess::Open, rules: Box::default(), withholds }
    }

    /// False: [`Action::Receive`] need not be asked, everything may be delivered to this identity.
    pub fn withholds(&self, identity: &Identity) -> bool {
        self.withholds || identity.has(&Role::Receiver)
    }

    /// # Errors
    /// [`Denial`]: the reason and the words for the client and the log.
    pub fn may(&self, identity: &Identity, action: Action<'_>) -> Result<(), Denial> {
        match action {
            Action::Publish(Target::User(uid)) => self.may_send(identity, uid),
            Action::Publish(Target::Plain(topic)) => {
                let topic = topic.as_str();
                let why = self.plain_denied(identity, topic, Question::Publish(topic));
                answer(why, identity, "publish to", topic)
            }
            Action::Subscribe(Interest::Inbox(owner)) => own_inbox(&identity.uid, owner, ""),
            Action::Subscribe(Interest::Envelope(owner)) => {
                own_inbox(&identity.uid, owner, "/envelope")
            }
            Action::Subscribe(Interest::Plain(selector)) => {
                // A shared one is judged by what it selects (threat W7).
                let filter = selector.filter().as_str();
                let why = self.plain_denied(identity, filter, Question::Subscribe(filter));
                answer(why, identity, "subscribe to", filter)
            }
            Action::Receive(topic) => {
                let why = self.plain_denied(identity, topic, Question::Subscribe(topic));
                answer(why, identity, "receive", topic)
            }
        }
    }

    fn may_send(&self, identity: &Identity, to: &Uid) -> Result<(), Denial> {
        let free = [Role::Operator, Role::Service].iter().any(|role| identity.has(role));
        let why = match self.first(identity, Question::Send(to.as_str())) {
            _ if identity.has(&Role::Receiver) => Some(RECEIVER),
            Some(rule) => denied_by(rule),
            None if free || identity.uid == *to => None,
            None => (self.inbox == InboxAccess::Deny).then_some("acl.inbox is deny"),
        };
        answer(why, identity, "send to", to.as_str())
    }

    /// Why not, if not.
    fn plain_denied(
        &self,
        identity: &Identity,
        topic: &str,
        question: Question<'_>,
    ) -> Option<&str> {
        if identity.has(&Role::Receiver) {
            return Some(RECEIVER);
        }
        if is_sys(topic) && identity.has(&Role::Operator) {
            return None;
        }
        match self.first(identity, question) {
            Some(rule) => denied_by(rule),
            None => (self.plain == Access::Deny).then_some("acl.default is deny"),
        }
    }

    fn first(&self, identity: &Identity, question: Question<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.applies(identity, question))
    }
}

const RECEIVER: &str = "the role receiver only gets its own mail";

fn denied_by(rule: &Rule) -> Option<&str> {
    (rule.effect == Effect::Deny).then(|| rule.name())
}

fn answer(why: Option<&str>, identity: &Identity, act: &str, what: &str) -> Result<(), Denial> {
    match why {
        None => Ok(()),
        Some(why) => Err(deny(&format!("{} may not {act} {what}: {why}", identity.uid))),
    }
}

fn own_inbox(uid: &Uid, owner: &Uid, suffix: &str) -> Result<(), Denial> {
    if uid == owner {
        return Ok(());
    }
    let words = "an inbox is its user's alone";
    Err(deny(&format!("{uid} may not subscribe to {owner}{suffix}: {words}")))
}

fn deny(words: &str) -> Denial {
    (Reason::NotAuthorized, format!("{}: {words}", Reason::NotAuthorized.words()).into())
}

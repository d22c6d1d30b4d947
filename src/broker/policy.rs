//! The one question `may(identity, action, target)`, asked when a message is submitted and when a
//! filter is subscribed to. Its answers carry the words that the client and the log get.

use crate::model::target::Interest;
use crate::model::{Identity, Reason, Target, Uid};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    Publish(&'a Target),
    Subscribe(&'a Interest),
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `acl.default`: plain topics are open to everyone.
    pub plain_allowed: bool,
}

/// Why not: the code and the words.
pub type Denial = (Reason, Box<str>);

impl Policy {
    pub fn may(&self, identity: &Identity, action: Action<'_>) -> Result<(), Denial> {
        match action {
            Action::Publish(Target::User(_)) => Ok(()),
            Action::Publish(Target::Plain(topic)) => {
                self.plain(|| format!("{} may not publish to {topic}", identity.uid))
            }
            Action::Subscribe(Interest::Inbox(owner)) => own_inbox(&identity.uid, owner, ""),
            Action::Subscribe(Interest::Envelope(owner)) => {
                own_inbox(&identity.uid, owner, "/envelope")
            }
            Action::Subscribe(Interest::Plain(filter)) => {
                self.plain(|| format!("{} may not subscribe to {filter}", identity.uid))
            }
        }
    }

    fn plain(&self, words: impl FnOnce() -> String) -> Result<(), Denial> {
        match self.plain_allowed {
            true => Ok(()),
            false => Err(deny(format!("{}: acl.default is deny", words()))),
        }
    }
}

fn own_inbox(uid: &Uid, owner: &Uid, suffix: &str) -> Result<(), Denial> {
    if uid == owner {
        return Ok(());
    }
    let words = "an inbox is its user's alone";
    Err(deny(format!("{uid} may not subscribe to {owner}{suffix}: {words}")))
}

fn deny(words: String) -> Denial {
    (Reason::NotAuthorized, format!("{}: {words}", Reason::NotAuthorized.words()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InboxPattern;

    fn identity(uid: &str) -> Identity {
        Identity::user(Uid::parse(uid).unwrap())
    }

    #[test]
    fn an_inbox_is_read_by_its_user_alone_and_written_by_anyone() {
        let topics = InboxPattern::default();
        for plain_allowed in [false, true] {
            let policy = Policy { plain_allowed };
            let carol = topics.interest("carol").unwrap();
            let envelope = topics.interest("carol/envelope").unwrap();
            for interest in [&carol, &envelope] {
                let denied = policy.may(&identity("bob"), Action::Subscribe(interest));
                assert!(denied.unwrap_err().1.contains("bob may not subscribe to carol"));
                assert!(policy.may(&identity("carol"), Action::Subscribe(interest)).is_ok());
            }
            let target = topics.target("carol").unwrap();
            assert!(policy.may(&identity("bob"), Action::Publish(&target)).is_ok());
        }
    }

    #[test]
    fn plain_topics_follow_the_default_rule() {
        let topics = InboxPattern::default();
        let (target, filter) = (topics.target("a/b").unwrap(), topics.interest("#").unwrap());
        for (plain_allowed, expected) in [(true, true), (false, false)] {
            let policy = Policy { plain_allowed };
            let bob = identity("bob");
            assert_eq!(policy.may(&bob, Action::Publish(&target)).is_ok(), expected);
            assert_eq!(policy.may(&bob, Action::Subscribe(&filter)).is_ok(), expected);
        }
    }
}

//! One rule of `acl.rules`: as it is written, and as it is asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::template::{Name, PatternError, Template, Values};
use crate::model::{Identity, Role};

/// A rule as it is written: `allow` or `deny` says what, `topic` or `to` where, the rest whom it
/// concerns; all that is given has to be true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleText {
    /// `publish`, `subscribe`, `all` (both), or `send` (to a user).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<String>,
    /// A topic filter with placeholders, for all but `send`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Whose inbox, for `send`: a uid with placeholders, or the beginning of one and `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The uid that asks, or the beginning of it and `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The client id that asks, or the beginning of it and `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// A role that the asking one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// What is wrong with a rule; the number counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("acl.rules: rule {number} ({text}): {fault}")]
pub struct RuleError {
    pub number: usize,
    pub text: String,
    pub fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a rule either allows or denies")]
    Effect,
    #[error("\"{0}\" is not publish, subscribe, all or send")]
    Verb(String),
    #[error("publish, subscribe and all have a topic, send has a to; not both")]
    Where,
    #[error("{0}")]
    Pattern(#[from] PatternError),
    #[error("{0}")]
    Role(#[from] crate::model::RoleError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// What a rule is asked about.
#[derive(Clone, Copy)]
pub enum Question<'a> {
    /// A topic name.
    Publish(&'a str),
    /// A filter, or the topic of a message that is about to be delivered.
    Subscribe(&'a str),
    /// A uid.
    Send(&'a str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Topic { publish: bool, subscribe: bool, pattern: Template },
    Send { to: Name },
}

/// A rule that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub effect: Effect,
    what: What,
    user: Option<Name>,
    client: Option<Name>,
    role: Option<Role>,
    /// `rule 3 (deny publish news/#)`
    name: Box<str>,
}

impl RuleText {
    fn effect(&self) -> Result<(Effect, &str), Fault> {
        match (&self.allow, &self.deny) {
            (Some(verb), None) => Ok((Effect::Allow, verb)),
            (None, Some(verb)) => Ok((Effect::Deny, verb)),
            _ => Err(Fault::Effect),
        }
    }

    fn what(&self, verb: &str) -> Result<What, Fault> {
        let (publish, subscribe) = match verb {
            "publish" => (true, false),
            "subscribe" => (false, true),
            "all" => (true, true),
            "send" => (false, false),
            _ => return Err(Fault::Verb(verb.into())),
        };
        match (verb, &self.topic, &self.to) {
            ("send", None, Some(to)) => Ok(What::Send { to: Name::parse(to)? }),
            ("send", ..) | (_, None, _) | (_, _, Some(_)) => Err(Fault::Where),
            (_, Some(topic), None) => {
                Ok(What::Topic { publish, subscribe, pattern: Template::parse(topic)? })
            }
        }
    }
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            ("allow", &self.allow),
            ("deny", &self.deny),
            ("", &self.topic),
            ("to", &self.to),
            ("for user", &self.user),
            ("for client", &self.client),
            ("for role", &self.role),
        ];
        let given = fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (n, (name, value)) in given.enumerate() {
            let blank = if n == 0 { "" } else { " " };
            let gap = if name.is_empty() { "" } else { " " };
            write!(f, "{blank}{name}{gap}{value}")?;
        }
        Ok(())
    }
}

impl Rule {
    /// `number` counts from 1.
    ///
    /// # Errors
    /// [`RuleError`] in words, with the rule's number and text.
    pub fn parse(number: usize, text: &RuleText) -> Result<Rule, RuleError> {
        let wrong = |fault| RuleError { number, text: text.to_string(), fault };
        let name = |name: &Option<String>| name.as_deref().map(Name::parse).transpose();
        let parts = || -> Result<Rule, Fault> {
            let (effect, verb) = text.effect()?;
            Ok(Rule {
                effect,
                what: text.what(verb)?,
                user: name(&text.user)?,
                client: name(&text.client)?,
                role: text.role.as_deref().map(Role::parse).transpose()?,
                name: format!("rule {number} ({text})").into(),
            })
        };
        parts().map_err(wrong)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// It can take away what a wider subscription has granted.
    pub fn withholds(&self) -> bool {
        let subscribe = matches!(self.what, What::Topic { subscribe: true, .. });
        self.effect == Effect::Deny && subscribe
    }

    pub fn applies(&self, identity: &Identity, question: Question<'_>) -> bool {
        let unknown = self.effect == Effect::Deny;
        let ask = |role| self.applies_as(&Values { identity, role, unknown }, question);
        match self.has_role() && !identity.roles.is_empty() {
            true => identity.roles.iter().any(|role| ask(Some(role))),
            false => ask(None),
        }
    }

    fn has_role(&self) -> bool {
        let names = [&self.user, &self.client];
        let what = match &self.what {
            What::Topic { pattern, .. } => pattern.has_role(),
            What::Send { to } => to.has_role(),
        };
        what || names.into_iter().flatten().any(Name::has_role)
    }

    fn applies_as(&self, values: &Values<'_>, question: Question<'_>) -> bool {
        let identity = values.identity;
        let is = |name: &Option<Name>, text| name.as_ref().is_none_or(|name| name.is(text, values));
        self.is_about(values, question)
            && is(&self.user, identity.uid.as_str())
            && is(&self.client, identity.client_id.as_str())
            && self.role.as_ref().is_none_or(|role| identity.has(role))
    }

    fn is_about(&self, values: &Values<'_>, question: Question<'_>) -> bool {
        match (&self.what, question) {
            (What::Topic { publish: true, pattern, .. }, Question::Publish(asked))
            | (What::Topic { subscribe: true, pattern, .. }, Question::Subscribe(asked)) => {
                pattern.covers(asked, values)
            }
            (What::Send { to }, Question::Send(uid)) => to.is(uid, values),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(toml: &str) -> RuleText {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn a_wrong_rule_is_named_by_its_number_and_its_text() {
        for (toml, words) in [
            ("topic = \"a/b\"", "either allows or denies"),
            ("allow = \"all\"\ndeny = \"all\"\ntopic = \"a/b\"", "either allows or denies"),
            ("allow = \"fly\"\ntopic = \"a/b\"", "\"fly\" is not publish"),
            ("allow = \"publish\"", "have a topic"),
            ("allow = \"publish\"\ntopic = \"a\"\nto = \"b\"", "not both"),
            ("allow = \"send\"\ntopic = \"a/b\"", "send has a to"),
            ("allow = \"all\"\ntopic = \"a/{who}\"", "no {who}"),
            ("allow = \"all\"\ntopic = \"a/b\"\nrole = \"a/b\"", "a role has"),
            ("allow = \"all\"\ntopic = \"a/b\"\nuser = \"a/b\"", "a name has no"),
        ] {
            let error = Rule::parse(7, &text(toml)).unwrap_err().to_string();
            assert!(error.starts_with("acl.rules: rule 7 ("), "{error}");
            assert!(error.contains(words), "{toml}: {error}");
        }
        assert!(toml::from_str::<RuleText>("allow = \"all\"\ntopics = \"a\"").is_err());
    }

    #[test]
    fn a_rule_is_told_as_it_is_written() {
        let rule = text("deny = \"publish\"\ntopic = \"news/#\"\nrole = \"guest\"");
        let rule = Rule::parse(3, &rule).unwrap();
        assert_eq!(rule.name(), "rule 3 (deny publish news/# for role guest)");
        let rule = Rule::parse(1, &text("allow = \"send\"\nto = \"ut*\"")).unwrap();
        assert_eq!(rule.name(), "rule 1 (allow send to ut*)");
    }
}

//! Topics of rules, with `{uid}` and the like in them: compared level by level with what somebody
//! asked for, without building the expanded text.

use crate::model::limit::TOPIC_LEVELS_MAX;
use crate::model::{Identity, Role};

/// What is wrong with the text of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("there is no {{{0}}}: use {{uid}}, {{client_id}}, {{role}} or {{attr.NAME}}")]
    UnknownPlaceholder(String),
    #[error("a '{{' without its '}}', or the other way round")]
    Braces,
    #[error("'+' stands for a whole level and '#' for all that is left, at the end")]
    Wildcard,
    #[error(
        "a topic is not empty, has no control characters and at most {TOPIC_LEVELS_MAX} levels"
    )]
    Text,
    #[error("a name has no '/', '+' or '#'; '*' at its end stands for the rest")]
    Name,
}

/// Whose values stand for the placeholders.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub identity: &'a Identity,
    /// One of the identity's roles: a pattern with `{role}` is tried with each.
    pub role: Option<&'a Role>,
    /// What a level counts as whose placeholder has no usable value: a rule that allows does not
    /// apply then (false), one that denies does (true).
    pub unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Uid,
    ClientId,
    Role,
    Attr(Box<str>),
}

/// One level: fixed text and placeholders in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Parts(Parts),
    /// `+`
    One,
    /// `#`
    Rest,
}

/// A topic filter with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Box<[Level]>);

/// A uid or client id with placeholders; `*` at its end stands for any rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    parts: Parts,
    open: bool,
}

impl Template {
    /// # Errors
    /// [`PatternError`] in words.
    pub fn parse(text: &str) -> Result<Template, PatternError> {
        let levels = text.split('/').count();
        if text.is_empty() || text.contains(char::is_control) || levels > TOPIC_LEVELS_MAX {
            return Err(PatternError::Text);
        }
        let level = |(n, level): (usize, &str)| match level {
            "+" => Ok(Level::One),
            "#" if n + 1 == levels => Ok(Level::Rest),
            _ => Parts::parse(level, PatternError::Wildcard).map(Level::Parts),
        };
        text.split('/').enumerate().map(level).collect::<Result<_, _>>().map(Template)
    }

    pub fn has_role(&self) -> bool {
        let has = |level: &Level| matches!(level, Level::Parts(parts) if parts.has_role());
        self.0.iter().any(has)
    }

    /// Everything that `asked` means, a topic or a filter, is meant by this pattern too. A pattern
    /// that begins with a wildcard opens no topic that begins with `$` [MQTT-4.7.2-1], but closes
    /// it.
    pub fn covers(&self, asked: &str, values: &Values<'_>) -> bool {
        let wild = !matches!(self.0.first(), Some(Level::Parts(_)));
        if wild && asked.starts_with('$') && !values.unknown {
            return false;
        }
        let mut names = asked.split('/');
        for level in &self.0 {
            let covered = match (level, names.next()) {
                (Level::Rest, _) => return true,
                (_, None | Some("#")) => false,
                (Level::One, Some(_)) => true,
                (Level::Parts(parts), Some(name)) => parts.is(name, false, values),
            };
            if !covered {
                return false;
            }
        }
        names.next().is_none()
    }
}

impl Name {
    /// # Errors
    /// [`PatternError`] in words.
    pub fn parse(text: &str) -> Result<Name, PatternError> {
        let (fixed, open) = text.strip_suffix('*').map_or((text, false), |fixed| (fixed, true));
        if text.is_empty() || text.contains(|c: char| c == '/' || c.is_control()) {
            return Err(PatternError::Name);
        }
        Ok(Name { parts: Parts::parse(fixed, PatternError::Name)?, open })
    }

    pub fn has_role(&self) -> bool {
        self.parts.has_role()
    }

    pub fn is(&self, name: &str, values: &Values<'_>) -> bool {
        self.parts.is(name, self.open, values)
    }
}

impl Parts {
    fn parse(level: &str, wildcard: PatternError) -> Result<Parts, PatternError> {
        if level.contains(['+', '#']) {
            return Err(wildcard);
        }
        let (mut parts, mut rest) = (Vec::new(), level);
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(PatternError::Braces)?;
            parts.extend(fixed(before)?);
            parts.push(placeholder(name)?);
            rest = after;
        }
        parts.extend(fixed(rest)?);
        Ok(Parts(parts.into()))
    }

    fn has_role(&self) -> bool {
        self.0.contains(&Part::Role)
    }

    /// `name` is this level, or begins with it if `open`.
    fn is(&self, name: &str, open: bool, values: &Values<'_>) -> bool {
        if self.0.iter().any(|part| part.value(values).is_none()) {
            return values.unknown;
        }
        let mut parts = self.0.iter().filter_map(|part| part.value(values));
        let rest = parts.try_fold(name, |rest, text| rest.strip_prefix(text));
        rest.is_some_and(|rest| open || rest.is_empty())
    }
}

impl Part {
    /// A value has to be one clean level: what a client chose must not act as a pattern. Threat I1.
    fn value<'a>(&'a self, values: &Values<'a>) -> Option<&'a str> {
        let identity = values.identity;
        let text = match self {
            Part::Text(text) => return Some(text),
            Part::Uid => identity.uid.as_str(),
            Part::ClientId => identity.client_id.as_str(),
            Part::Role => values.role?.as_str(),
            Part::Attr(name) => identity.attrs.get(name)?,
        };
        let unclean = |c: char| matches!(c, '/' | '+' | '#') || c.is_control();
        (!text.is_empty() && !text.contains(unclean)).then_some(text)
    }
}

fn fixed(text: &str) -> Result<Option<Part>, PatternError> {
    if text.contains(['{', '}']) {
        return Err(PatternError::Braces);
    }
    Ok((!text.is_empty()).then(|| Part::Text(text.into())))
}

fn placeholder(name: &str) -> Result<Part, PatternError> {
    match name {
        "uid" => Ok(Part::Uid),
        "client_id" => Ok(Part::ClientId),
        "role" => Ok(Part::Role),
        _ => match name.strip_prefix("attr.") {
            Some(attr) if !attr.is_empty() && !attr.contains(['{', '}']) => {
                Ok(Part::Attr(attr.into()))
            }
            _ => Err(PatternError::UnknownPlaceholder(name.into())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attrs, ClientId, Uid};

    fn bob(client_id: &str, site: Option<&str>) -> Identity {
        let mut bob = Identity::user(Uid::parse("bob").unwrap());
        bob.client_id = ClientId::parse(client_id).unwrap();
        bob.attrs = Attrs::new(site.map(|site| ("site".into(), site.into()))).unwrap();
        bob
    }

    fn covers(pattern: &str, asked: &str, identity: &Identity, unknown: bool) -> bool {
        let values = Values { identity, role: None, unknown };
        Template::parse(pattern).unwrap().covers(asked, &values)
    }

    #[test]
    fn a_pattern_covers_a_filter_that_means_no_more() {
        let bob = bob("phone", None);
        for (pattern, asked, expected) in [
            ("a/#", "a", true),
            ("a/#", "a/#", true),
            ("a/#", "a/+/c", true),
            ("#", "x/y", true),
            ("a/+", "a/+", true),
            ("a/+", "a/#", false),
            ("a/+", "a", false),
            ("a/+/#", "a/#", false),
            ("a/b", "a/+", false),
            ("a/b", "a/b/c", false),
            ("a/b", "#", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("{uid}/x-{client_id}", "bob/x-phone", true),
            ("{uid}/x-{client_id}", "bob/x-phone2", false),
            ("{uid}/x-{client_id}", "+/x-phone", false),
        ] {
            assert_eq!(covers(pattern, asked, &bob, false), expected, "{pattern} {asked}");
        }
    }

    /// Threat I1.
    #[test]
    fn a_value_that_is_no_clean_level_opens_nothing_and_closes_all_it_could_mean() {
        let sites = [None, Some(""), Some("+"), Some("#"), Some("a/b"), Some("a\0"), Some("a\n")];
        for site in sites {
            let bob = bob("phone", site);
            let asked = ["s/x/t", "s/+/t", "s/a/t"];
            for asked in asked.into_iter().chain(site.map(|_| "s/#/t")) {
                assert!(!covers("s/{attr.site}/t", asked, &bob, false), "{site:?} {asked}");
            }
            assert!(covers("s/{attr.site}/t", "s/x/t", &bob, true), "{site:?}");
            assert!(covers("s/z-{attr.site}/t", "s/x/t", &bob, true), "{site:?}");
            assert!(!covers("s/{attr.site}/t", "r/x/t", &bob, true), "{site:?}");
        }
        let wild = bob("+/#", Some("x"));
        assert!(!covers("s/{client_id}", "s/+", &wild, false));
        assert!(!covers("s/{client_id}", "s/x", &wild, false));
    }

    #[test]
    fn names_may_end_open() {
        let bob = bob("phone", Some("ut"));
        let values = Values { identity: &bob, role: None, unknown: false };
        for (pattern, name, expected) in [
            ("ut*", "ut001", true),
            ("ut*", "u", false),
            ("*", "anyone", true),
            ("ut", "ut001", false),
            ("{attr.site}*", "ut001", true),
            ("{attr.none}*", "ut001", false),
        ] {
            let is = Name::parse(pattern).unwrap().is(name, &values);
            assert_eq!(is, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_in_words() {
        for (text, words) in [
            ("a/{foo}", "no {foo}"),
            ("a/{attr.}", "no {attr.}"),
            ("a/{uid", "without its"),
            ("a/uid}", "without its"),
            ("a/{{uid}}", "no {{uid}"),
            ("a/x+", "whole level"),
            ("#/a", "whole level"),
            ("", "not empty"),
            ("a/\0", "control"),
        ] {
            let error = Template::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        for text in ["", "a/b", "+", "a#*"] {
            assert!(matches!(Name::parse(text), Err(PatternError::Name)), "{text}");
        }
    }
}

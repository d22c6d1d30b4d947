//! The template by which a uid is made of the names in a client certificate.

/// A name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The subject's common name.
    CommonName,
    /// Subject alternative names, by type.
    Dns,
    Email,
    Uri,
}

/// `{cn}`, `{san.dns}`, `{san.email}` or `{san.uri}`, with text around it. Within the braces
/// `%text` removes an end and `#text` a beginning, as in a shell; a name that has it not is no uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityTemplate {
    pub field: Field,
    before: String,
    after: String,
    /// What the name has to begin with, and end with; neither is part of the uid.
    removed: (String, String),
}

impl IdentityTemplate {
    pub fn parse(text: &str) -> Option<IdentityTemplate> {
        let (before, rest) = text.split_once('{')?;
        let (inside, after) = rest.split_once('}')?;
        if [before, inside, after].iter().any(|part| part.contains(['{', '}'])) {
            return None;
        }
        let (name, removed) = match inside.split_once(['%', '#']) {
            None => (inside, (String::new(), String::new())),
            Some((_, "")) => return None,
            Some((name, end)) if inside[name.len()..].starts_with('%') => {
                (name, (String::new(), end.into()))
            }
            Some((name, beginning)) => (name, (beginning.into(), String::new())),
        };
        let field = match name {
            "cn" => Field::CommonName,
            "san.dns" => Field::Dns,
            "san.email" => Field::Email,
            "san.uri" => Field::Uri,
            _ => return None,
        };
        Some(IdentityTemplate { field, before: before.into(), after: after.into(), removed })
    }

    /// What the template makes of a name; `None` if the name lacks what is to be removed, or if
    /// nothing is left of it.
    pub fn apply(&self, name: &str) -> Option<String> {
        let (beginning, end) = &self.removed;
        let kept = name.strip_prefix(beginning.as_str())?.strip_suffix(end.as_str())?;
        (!kept.is_empty()).then(|| format!("{}{kept}{}", self.before, self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(template: &str, name: &str) -> Option<String> {
        IdentityTemplate::parse(template).unwrap().apply(name)
    }

    #[test]
    fn a_name_is_taken_whole_or_in_part_with_text_around_it() {
        for (template, name, uid) in [
            ("{cn}", "alice", Some("alice")),
            ("device-{san.dns}", "a.example.org", Some("device-a.example.org")),
            ("{cn}-tv", "alice", Some("alice-tv")),
            ("{san.email%@example.org}", "alice@example.org", Some("alice")),
            ("{san.uri#spiffe://example.org/user/}", "spiffe://example.org/user/a", Some("a")),
            ("{san.email%@example.org}", "alice@example.com", None),
            ("{san.email%@example.org}", "@example.org", None),
            ("{cn}", "", None),
        ] {
            assert_eq!(apply(template, name).as_deref(), uid, "{template} of {name}");
        }
    }

    #[test]
    fn what_is_no_template_is_told() {
        for bad in ["", "cn", "{cn", "cn}", "{ou}", "{cn}{cn}", "{{cn}}", "{cn%}", "{cn#}", "{}"] {
            assert_eq!(IdentityTemplate::parse(bad), None, "{bad}");
        }
    }
}

//! The names of all keys, taken from the settings themselves, and the nearest to a wrong one.

use toml::{Table, Value};

use super::Config;

/// Every section with every key; a value stands for its type. What has no default shows an example.
pub fn known() -> Table {
    let mut all = Config::default();
    all.store.data = Some("/var/lib/homing".into());
    Table::try_from(all).unwrap_or_default()
}

/// `section.key` of every key, in the order of the sections.
pub fn dotted() -> Vec<String> {
    let in_section = |(section, value): (String, Value)| match value {
        Value::Table(keys) => keys.keys().map(|key| format!("{section}.{key}")).collect(),
        _ => vec![section],
    };
    known().into_iter().flat_map(in_section).collect()
}

/// The existing key that somebody who wrote `wrong` meant most likely.
pub fn nearest(wrong: &str) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let far = |key: &String| {
        let whole = strsim::damerau_levenshtein(wrong, key);
        whole.min(strsim::damerau_levenshtein(&last(wrong), &last(key)) + 1)
    };
    let sections = known().into_iter().map(|(section, _)| section);
    let candidates = sections.filter(|_| !wrong.contains('.')).chain(dotted());
    let best = candidates.min_by_key(far)?;
    (far(&best) <= 2.max(last(wrong).len() / 3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_in_its_own_and_in_other_sections() {
        for (wrong, meant) in [
            ("inbox.setle", "inbox.settle"),
            ("settle", "inbox.settle"),
            ("limits.retention", "inbox.retention"),
            ("listn", "listen"),
            ("auth.providr", "auth.provider"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(meant), "{wrong}");
        }
        assert_eq!(nearest("completely.different"), None);
    }
}

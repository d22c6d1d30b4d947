//! The names of all keys, taken from the settings themselves, and the nearest to a wrong one.

use toml::{Table, Value};

use super::Config;

/// Every section with every key; a value stands for its type. What has no default shows an example.
pub fn known() -> Table {
    let mut all = Config::default();
    all.store.data = Some("/var/lib/homing".into());
    Table::try_from(all).unwrap_or_default()
}

/// `section.key` of every key, in the order of the sections; every table is a section.
pub fn dotted() -> Vec<String> {
    leaves(&known()).into_iter().map(|(dotted, _)| dotted).collect()
}

/// Every key of a table and of the tables in it, dotted, with its value.
pub fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                let inner = leaves(inner).into_iter();
                all.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => all.push((name.clone(), value.clone())),
        }
    }
    all
}

/// What stands at a dotted place.
pub fn at(table: &Table, dotted: &str) -> Option<Value> {
    match dotted.split_once('.') {
        None => table.get(dotted).cloned(),
        Some((section, rest)) => at(table.get(section)?.as_table()?, rest),
    }
}

/// Puts a value at a dotted place, with the sections that lead there.
pub fn put(table: &mut Table, dotted: &str, value: Value) {
    match dotted.split_once('.') {
        None => _ = table.insert(dotted.into(), value),
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Removes what stands at a dotted place.
pub fn remove(table: &mut Table, dotted: &str) {
    match dotted.split_once('.') {
        None => _ = table.remove(dotted),
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                remove(inner, rest);
            }
        }
    }
}

/// The existing key that somebody who wrote `wrong` meant most likely.
pub fn nearest(wrong: &str) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let far = |key: &String| {
        let whole = strsim::damerau_levenshtein(wrong, key);
        whole.min(strsim::damerau_levenshtein(&last(wrong), &last(key)) + 1)
    };
    let known = known();
    let sections = known.iter().filter(|(_, value)| value.is_table()).map(|(name, _)| name.clone());
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

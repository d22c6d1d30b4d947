//! A configuration file: TOML to values, and every mistake with its place in the file.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue, Deserializer};
use toml::{Spanned, Table, Value};

use super::{Config, keys};

/// A mistake: what is wrong and where.
struct Mistake {
    words: String,
    at: Range<usize>,
}

/// Reads the text of the file `name`.
///
/// # Errors
/// The first mistake in words, with file, line, column and the line itself.
pub fn read(name: &str, text: &str) -> Result<Table, String> {
    values(text).map_err(|mistake| mistake.render(name, text))
}

fn values(text: &str) -> Result<Table, Mistake> {
    let mut tree = DeTable::parse(text).map_err(|error| Mistake::of(&error, None))?;
    store_shorthand(tree.get_mut());
    unknown_key(tree.get_ref())?;
    let place = tree.clone();
    Config::deserialize(Deserializer::from(tree.clone())).map_err(|error| {
        let key = error.span().and_then(|at| key_at(place.get_ref(), &keys::known(), at.start));
        Mistake::of(&error, key)
    })?;
    Table::deserialize(Deserializer::from(tree)).map_err(|error| Mistake::of(&error, None))
}

/// `store = "postgres://…"` is short for `url` in `[store]`.
fn store_shorthand(tree: &mut DeTable<'_>) {
    let Some(store) = tree.get_mut("store") else { return };
    if matches!(store.get_ref(), DeValue::String(_)) {
        let at = store.span();
        let url = store.clone();
        let section = DeTable::from_iter([(Spanned::new(at.clone(), "url".into()), url)]);
        *store = Spanned::new(at, DeValue::Table(section));
    }
}

fn unknown_key(tree: &DeTable<'_>) -> Result<(), Mistake> {
    unknown_in(tree, &keys::known(), "")
}

fn unknown_in(tree: &DeTable<'_>, known: &Table, section: &str) -> Result<(), Mistake> {
    for (key, value) in tree {
        let name = key.get_ref();
        let dotted =
            if section.is_empty() { name.to_string() } else { format!("{section}.{name}") };
        match (known.get(name.as_ref()), value.get_ref()) {
            (None, _) => return Err(Mistake::unknown(&dotted, key.span())),
            (Some(Value::Table(keys)), DeValue::Table(table)) => unknown_in(table, keys, &dotted)?,
            (Some(Value::Table(_)), _) => {
                let words =
                    format!("`{dotted}` is a section: write [{dotted}] and its keys below it");
                return Err(Mistake { words, at: value.span() });
            }
            (Some(_), _) => {}
        }
    }
    Ok(())
}

/// The key whose value stands at this place.
fn key_at(tree: &DeTable<'_>, known: &Table, at: usize) -> Option<String> {
    tree.iter().find_map(|(key, value)| {
        let name = key.get_ref().as_ref();
        match (known.get(name), value.get_ref()) {
            (Some(Value::Table(keys)), DeValue::Table(table)) => {
                Some(format!("{name}.{}", key_at(table, keys, at)?))
            }
            _ => value.span().contains(&at).then(|| name.to_owned()),
        }
    })
}

impl Mistake {
    fn of(error: &toml::de::Error, key: Option<String>) -> Mistake {
        let words = match key {
            Some(key) => super::wrong_value(&key, error.message()),
            None => error.message().to_owned(),
        };
        Mistake { words, at: error.span().unwrap_or_default() }
    }

    fn unknown(key: &str, at: Range<usize>) -> Mistake {
        let hint = match keys::nearest(key) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`homing config defaults` shows all keys".into(),
        };
        Mistake { words: format!("unknown key `{key}`: {hint}"), at }
    }

    fn render(&self, name: &str, text: &str) -> String {
        let start = text.floor_char_boundary(self.at.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let number = before.matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let line = text[line_start..].lines().next().unwrap_or_default();
        let room = line.chars().count().saturating_sub(column - 1).max(1);
        let length = text.get(start..self.at.end).map_or(1, |marked| marked.chars().count());
        let marks = "^".repeat(length.clamp(1, room));
        let (words, gutter) = (&self.words, " ".repeat(number.to_string().len()));
        let indent = " ".repeat(column - 1);
        format!(
            "{name}, line {number}, column {column}: {words}\n {number} | {line}\n \
             {gutter} | {indent}{marks}"
        )
    }
}

/// Whether a value fits its key, wherever the value came from.
///
/// # Errors
/// The words of the first value that does not fit.
pub fn fits(table: &Table) -> Result<Config, String> {
    Config::deserialize(table.clone().into_deserializer())
        .map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        read("homing.toml", text).unwrap_err()
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place_and_the_nearest_name() {
        assert_eq!(
            mistake("[log]\nlevel = \"info\"\n[inbox]\n  setle = \"1s\"\n"),
            "homing.toml, line 4, column 3: unknown key `inbox.setle`: did you mean \
             `inbox.settle`?\n \
             4 |   setle = \"1s\"\n   |   ^^^^^"
        );
        assert!(
            mistake("[inbx]\n")
                .contains("line 1, column 2: unknown key `inbx`: did you mean `inbox`?")
        );
        assert!(mistake("inbox.setle = \"1s\"").contains("did you mean `inbox.settle`?"));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_an_example() {
        let words = mistake("[inbox]\nsettle = \"1 week\"\n");
        assert!(words.starts_with("homing.toml, line 2, column 10: `inbox.settle`"), "{words}");
        assert!(words.contains("\"1 week\" is no duration"), "{words}");
        assert!(words.contains("settle = \"250ms\""), "{words}");
        let words = mistake("[auth]\nprovider = \"htpasswd\"\n");
        assert!(words.contains("`redis` or `open`"), "{words}");
        let words = mistake("[listen]\nmqtt = \"0.0.0.0:1883\"\n");
        assert!(words.contains("line 2, column 8: `listen.mqtt`"), "{words}");
        assert!(mistake("inbox = 5").contains("write [inbox]"));
    }

    #[test]
    fn broken_toml_is_told_with_its_place() {
        let words = mistake("[log]\nlevel = info\n");
        assert!(words.starts_with("homing.toml, line 2, column 9: "), "{words}");
        assert!(words.ends_with("2 | level = info\n   |         ^^^^"), "{words}");
        assert!(mistake("# žluť\n[log]\nä = 1").contains("line 3, column 1: "));
    }

    #[test]
    fn the_documented_mistake_is_told_as_documented() {
        let words = mistake("# mail\n[inbox]\nsetle = \"1s\"\n");
        assert!(include_str!("../../docs/configuration.md").contains(&words), "{words}");
    }

    #[test]
    fn store_may_be_given_as_its_url() {
        let table = read("f", "store = \"postgres://db/homing\"").unwrap();
        assert_eq!(fits(&table).unwrap().store.url, "postgres://db/homing");
    }
}

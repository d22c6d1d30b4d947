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
    Config::deserialize(Deserializer::from(tree.clone()))
        .map_err(|error| Mistake::of(&error, key_at(place.get_ref(), error.span())))?;
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
    let known = keys::known();
    for (section, value) in tree {
        let name = section.get_ref().as_ref();
        let Some(Value::Table(keys)) = known.get(name) else {
            return Err(Mistake::unknown(name, section.span()));
        };
        let DeValue::Table(table) = value.get_ref() else {
            let words = format!("`{name}` is a section: write [{name}] and its keys below it");
            return Err(Mistake { words, at: value.span() });
        };
        let stranger = table.keys().find(|key| !keys.contains_key(key.get_ref().as_ref()));
        if let Some(key) = stranger {
            return Err(Mistake::unknown(&format!("{name}.{}", key.get_ref()), key.span()));
        }
    }
    Ok(())
}

/// The key whose value stands at this place.
fn key_at(tree: &DeTable<'_>, at: Option<Range<usize>>) -> Option<String> {
    let at = at?.start;
    let inside = |value: &Spanned<DeValue<'_>>| value.span().contains(&at);
    for (section, value) in tree {
        let DeValue::Table(table) = value.get_ref() else { continue };
        if let Some((key, _)) = table.iter().find(|(_, value)| inside(value)) {
            return Some(format!("{}.{}", section.get_ref(), key.get_ref()));
        }
    }
    None
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
        assert!(words.contains("`accounts` or `open`"), "{words}");
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

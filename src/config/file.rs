//! A configuration file: TOML to values, and every mistake with its place in the file.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue, Deserializer};
use toml::{Spanned, Table, Value};

use super::{Config, keys, secret};

/// What a file sets.
#[derive(Debug)]
pub struct Content {
    pub values: Table,
    /// Keys of secrets, each with the file that has its value.
    pub secret_files: Vec<(&'static str, String)>,
}

/// A mistake: what is wrong and where.
struct Mistake {
    words: String,
    at: usize,
}

/// Reads the text of the file `name`.
///
/// # Errors
/// The first mistake in words, with file, line and column; nothing of what stands there.
pub fn read(name: &str, text: &str) -> Result<Content, String> {
    content(text).map_err(|mistake| mistake.render(name, text))
}

fn content(text: &str) -> Result<Content, Mistake> {
    let mut tree = DeTable::parse(text).map_err(|error| Mistake::of(&error, None))?;
    store_shorthand(tree.get_mut());
    let secret_files = take_secret_files(tree.get_mut(), "")?;
    unknown_key(tree.get_ref())?;
    let place = tree.clone();
    Config::deserialize(Deserializer::from(tree.clone())).map_err(|error| {
        let key = error.span().and_then(|at| key_at(place.get_ref(), &keys::known(), at.start));
        Mistake::of(&error, key)
    })?;
    let values =
        Table::deserialize(Deserializer::from(tree)).map_err(|error| Mistake::of(&error, None))?;
    Ok(Content { values, secret_files })
}

type SecretFiles = Vec<(&'static str, String)>;

/// Takes every `key_file` of a secret out of the tree.
fn take_secret_files(tree: &mut DeTable<'_>, section: &str) -> Result<SecretFiles, Mistake> {
    let mut files = Vec::new();
    let names: Vec<String> = tree.keys().map(|name| name.get_ref().to_string()).collect();
    for name in &names {
        let dotted = dotted(section, name);
        if let Some(secret) = secret::of_file_key(&dotted) {
            files.extend(take_secret_file(tree, name, secret)?);
        } else if let Some(DeValue::Table(inner)) =
            tree.get_mut(name.as_str()).map(Spanned::get_mut)
        {
            files.extend(take_secret_files(inner, &dotted)?);
        }
    }
    Ok(files)
}

fn take_secret_file(
    tree: &mut DeTable<'_>,
    name: &str,
    secret: &'static str,
) -> Result<Option<(&'static str, String)>, Mistake> {
    let own = secret.rsplit('.').next().unwrap_or(secret);
    let Some(path) = tree.remove(name) else { return Ok(None) };
    let at = path.span().start;
    if tree.contains_key(own) {
        let words = format!("`{secret}` and `{secret}_file` are both given: keep one");
        return Err(Mistake { words, at });
    }
    match path.into_inner() {
        DeValue::String(path) => Ok(Some((secret, path.into_owned()))),
        _ => Err(Mistake { words: format!("`{secret}_file`: write the path as a string"), at }),
    }
}

fn dotted(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
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
        let dotted = dotted(section, name);
        match (known.get(name.as_ref()), value.get_ref()) {
            (None, _) => return Err(Mistake::unknown(&dotted, key.span().start)),
            (Some(Value::Table(keys)), DeValue::Table(table)) => unknown_in(table, keys, &dotted)?,
            (Some(Value::Table(_)), _) => {
                let words =
                    format!("`{dotted}` is a section: write [{dotted}] and its keys below it");
                return Err(Mistake { words, at: value.span().start });
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
            // The cause may quote the value.
            Some(key) if secret::is_secret(&key) => super::wrong_value(&key, secret::kind(&key)),
            Some(key) => super::wrong_value(&key, error.message()),
            None => error.message().to_owned(),
        };
        Mistake { words, at: error.span().unwrap_or_default().start }
    }

    fn unknown(key: &str, at: usize) -> Mistake {
        let hint = match keys::nearest(key) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`homing config defaults` shows all keys".into(),
        };
        Mistake { words: format!("unknown key `{key}`: {hint}"), at }
    }

    /// Without the line itself: whatever stands there may be a secret, under a key that is
    /// misspelled or within a text of many lines.
    fn render(&self, name: &str, text: &str) -> String {
        let start = text.floor_char_boundary(self.at);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let number = before.matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let words = &self.words;
        format!("{name}, line {number}, column {column}: {words}")
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
             `inbox.settle`?"
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
        assert!(words.contains("or `open`"), "{words}");
        let words = mistake("[listen]\nmqtt = \"0.0.0.0:1883\"\n");
        assert!(words.contains("line 2, column 8: `listen.mqtt`"), "{words}");
        assert!(mistake("inbox = 5").contains("write [inbox]"));
    }

    #[test]
    fn broken_toml_is_told_with_its_place() {
        let words = mistake("[log]\nlevel = info\n");
        assert!(words.starts_with("homing.toml, line 2, column 9: "), "{words}");
        assert!(mistake("# žluť\n[log]\nä = 1").contains("line 3, column 1: "));
    }

    #[test]
    fn the_documented_mistake_is_told_as_documented() {
        let words = mistake("# mail\n[inbox]\nsetle = \"1s\"\n");
        assert!(include_str!("../../docs/configuration.md").contains(&words), "{words}");
    }

    #[test]
    fn store_may_be_given_as_its_url() {
        let content = read("f", "store = \"postgres://db/homing\"").unwrap();
        assert_eq!(fits(&content.values).unwrap().store.url.as_str(), "postgres://db/homing");
    }

    #[test]
    fn a_secret_may_be_named_by_its_file() {
        let content = read("f", "[store]\nurl_file = \"/run/url\"").unwrap();
        assert_eq!(content.secret_files, [("store.url", "/run/url".to_owned())]);
        assert!(content.values["store"].as_table().unwrap().is_empty());
        let both = mistake("[store]\nurl = \"sqlite\"\nurl_file = \"/run/url\"");
        assert!(both.contains("line 3") && both.contains("both given"), "{both}");
        assert!(mistake("[store]\nurl_file = 5").contains("write the path as a string"));
        assert!(mistake("[log]\nlevel_file = \"x\"").contains("unknown key `log.level_file`"));
    }

    #[test]
    fn a_mistake_does_not_tell_a_secret() {
        for text in [
            "[store]\nurl = 4711",
            "[store]\nurl = x4711",
            "store = 4711",
            "[store]\nurl = \"4711",
            "[auth.redis]\npasword = \"4711\"",
            "[auth.redis]\npasword = 4711",
            "[auth.redis]\npassword = \"\"\"\na4711\nb4711 = \\q4711\"\"\"",
            "[auth.redis]\npassword = \"\"\"\na4711\nb4711=",
            "auth.redis = { password = \"4711\", passwort = \"x\" }",
            "[auth.redis]\npassword = { is = \"4711\" }",
            "auth.redis = [\"4711\"]",
            "auth.http.headers = \"authorization: 4711\"",
            "auth.http.headers = [{ authorization = \"4711\" }]",
        ] {
            assert!(!mistake(text).contains("4711"), "{}", mistake(text));
        }
    }
}

//! A URL among the settings: used as it is, shown without its password and its query.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};

use super::secret::SHOWN;

/// A URL, or what may stand in place of one, as the path of a file.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Url {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the first `:` behind the scheme to the last `@` it is hidden, and the query is. A
    /// password that nobody escaped may have any of these signs in it: more is hidden then.
    pub fn shown(&self) -> String {
        let start = self.find("://").map_or(0, |at| at + "://".len());
        let (scheme, rest) = self.split_at(start);
        let rest = without_password(rest);
        match rest.split_once('?') {
            Some((place, _)) => format!("{scheme}{place}?{SHOWN}"),
            None => format!("{scheme}{rest}"),
        }
    }
}

fn without_password(rest: &str) -> String {
    let login = rest.rfind('@').map(|end| (&rest[..end], &rest[end..]));
    let hidden = login.and_then(|(login, host)| Some((login.find([':', '?'])?, login, host)));
    match hidden {
        // Nobody can tell where a query begins that has the `@`, or a password that has the `?`.
        Some((first, login, _)) if login.contains('?') => format!("{}{SHOWN}", &login[..=first]),
        Some((first, login, host)) => format!("{}{SHOWN}{host}", &login[..=first]),
        None => rest.to_owned(),
    }
}

impl Deref for Url {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Url {
    fn from(text: &str) -> Url {
        Url(text.to_owned())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_be_a_password_is_hidden() {
        for (url, shown) in [
            ("sqlite", "sqlite"),
            ("/etc/homing/keys.json", "/etc/homing/keys.json"),
            ("postgres://db:5432/homing", "postgres://db:5432/homing"),
            ("postgres://u@db/homing", "postgres://u@db/homing"),
            ("postgres://u:pw@db:5432/homing", "postgres://u:***@db:5432/homing"),
            ("postgres://u:p@w@db/homing", "postgres://u:***@db/homing"),
            ("postgres://u:p/w@db/homing", "postgres://u:***@db/homing"),
            ("postgres://u:p?w@db/homing", "postgres://u:***"),
            ("postgres://db/homing?user=u&password=pw", "postgres://db/homing?***"),
            ("postgres://db:1/homing?password=p@w", "postgres://db:***"),
            ("postgres://u:pw@db/homing?password=pw", "postgres://u:***@db/homing?***"),
            ("redis://:pw@db/0", "redis://:***@db/0"),
            ("u:pw@db", "u:***@db"),
        ] {
            assert_eq!(Url::from(url).shown(), shown);
            assert_eq!(format!("{:?}", Url::from(url)), format!("{shown:?}"));
        }
    }
}

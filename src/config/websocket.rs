//! `[websocket]`: what every listener in `listen.ws` and `listen.wss` asks of those who come.

use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocket {
    /// The path of MQTT, as in `ws://host/mqtt`.
    pub path: String,
    /// Whose web pages may connect beside those of the same host.
    pub origins: Vec<Origin>,
}

/// Where a web page is from (RFC 6454): `https://app.example.org`, with its port where that is not
/// the usual one; `null` for pages that are from nowhere, such as files; `*` for all pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Default for WebSocket {
    fn default() -> Self {
        WebSocket { path: "/mqtt".into(), origins: Vec::new() }
    }
}

impl Origin {
    /// Whether it lets in a page that says it is from `origin`.
    pub fn lets_in(&self, origin: &str) -> bool {
        self.0 == "*" || self.0.eq_ignore_ascii_case(origin)
    }

    fn parse(text: &str) -> Option<Origin> {
        let named = text.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty() && !host.is_empty() && !host.contains('/')
        });
        (text == "*" || text == "null" || named).then(|| Origin(text.into()))
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || {
            let words = "write it as in https://app.example.org, without a path; or null, or *";
            serde::de::Error::custom(format!("{text:?} is no origin: {words}"))
        };
        Origin::parse(&text).ok_or_else(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Origin, toml::de::Error> {
        let read: Result<WebSocket, _> = toml::from_str(&format!("origins = [{text:?}]"));
        read.map(|mut settings| settings.origins.remove(0))
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["https://app.example.org", "http://localhost:8000", "null", "*"] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in ["app.example.org", "https://app.example.org/", "https://", "://x", ""] {
            assert!(read(bad).unwrap_err().message().contains("is no origin"), "{bad}");
        }
    }

    #[test]
    fn it_lets_in_what_it_names() {
        let named = read("https://App.example.org").unwrap();
        assert!(named.lets_in("https://app.example.org"));
        for other in ["http://app.example.org", "https://app.example.org:444", "null"] {
            assert!(!named.lets_in(other), "{other}");
            assert!(read("*").unwrap().lets_in(other));
        }
    }
}

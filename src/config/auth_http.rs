//! `[auth.http]`: how the member API is asked, what its answer means, and what is remembered of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Secret, Span, Url};

/// A known interface: its keys hold where the settings say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// JSON both ways, made for homing.
    Json,
    /// `checktoken` of the Startalk family.
    Startalk,
    /// A form with uid, udid and session id: installed push apps.
    Session,
    /// Everything is set by hand.
    None,
}

/// What the body of the request is, and so how values are escaped in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyType {
    /// The preset says it.
    #[serde(rename = "")]
    Preset,
    Json,
    Form,
}

/// How the answer writes a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// Since 1970.
    Seconds,
    /// Since 1970.
    Milliseconds,
    Rfc3339,
}

/// Provider `http`. Texts and lists that are empty leave their key to the preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpAuth {
    pub preset: Preset,
    pub url: Url,
    /// `{api_key}` in templates.
    pub api_key: Secret,
    /// GET, POST or PUT.
    pub method: String,
    /// `Name: value` each; a value may be a password.
    pub headers: Vec<Secret>,
    pub body: String,
    pub body_type: BodyType,
    /// Where the token is in a password that is a JSON object.
    pub token_pointer: String,
    pub accept_status: Vec<u16>,
    pub refuse_status: Vec<u16>,
    pub accept_pointer: String,
    /// JSON.
    pub accept_value: String,
    pub uid_pointer: String,
    pub uid_may_differ: bool,
    pub roles_pointer: String,
    pub expires_pointer: String,
    pub expires_format: TimeFormat,
    pub attributes_pointer: String,
    /// For one call, from connecting to the last byte of the answer.
    pub timeout: Span,
    /// Calls at the same time.
    pub concurrency: usize,
    /// Calls that wait for others.
    pub queue: usize,
    /// An accepted login is not asked about again for this long.
    pub accepted_for: Span,
    /// A refused login is not asked about again for this long.
    pub refused_for: Span,
    /// An accepted login is good for this long while the API cannot answer.
    pub stale_if_error: Span,
    /// Answers remembered.
    pub remembered_max: usize,
    /// Failures in a row after which the API is left alone.
    pub failures: u32,
    pub proxy_from_environment: bool,
}

impl Default for HttpAuth {
    fn default() -> Self {
        let seconds = |count| Span(Duration::from_secs(count));
        HttpAuth {
            preset: Preset::Json,
            url: Url::default(),
            api_key: Secret::default(),
            method: String::new(),
            headers: Vec::new(),
            body: String::new(),
            body_type: BodyType::Preset,
            token_pointer: String::new(),
            accept_status: Vec::new(),
            refuse_status: vec![400, 401, 403, 404, 422],
            accept_pointer: String::new(),
            accept_value: String::new(),
            uid_pointer: String::new(),
            uid_may_differ: false,
            roles_pointer: String::new(),
            expires_pointer: String::new(),
            expires_format: TimeFormat::Seconds,
            attributes_pointer: String::new(),
            timeout: seconds(3),
            concurrency: 32,
            queue: 4096,
            accepted_for: seconds(60),
            refused_for: seconds(5),
            stale_if_error: seconds(600),
            remembered_max: 100_000,
            failures: 5,
            proxy_from_environment: false,
        }
    }
}

//! Errors as problem details (RFC 9457): what is wrong and what to do, for programs and people.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::model::Reason;

/// The body of an error. `code` is stable; the words may change.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    /// In seconds, as in the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: String,
    ) -> Problem {
        let status = status.as_u16();
        Problem { kind: "about:blank", title, status, detail, code, hint: None, retry_after: None }
    }

    /// The problem of a reason of the closed table.
    pub fn of(reason: Reason, detail: String) -> Problem {
        let row = reason.row();
        let status = StatusCode::from_u16(row.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem::new(status, row.name, row.words, detail)
    }

    pub fn hint(self, hint: &'static str) -> Problem {
        Problem { hint: Some(hint), ..self }
    }

    /// It is worth trying again after this.
    pub fn retry_after(self, wait: Duration) -> Problem {
        Problem { retry_after: Some(wait.as_secs().max(1)), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        let mut say = |name, value| headers.insert(name, value);
        say(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        say(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(secs) = self.retry_after {
            say(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            say(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"homing\""));
        }
        (status, headers, Json(self)).into_response()
    }
}

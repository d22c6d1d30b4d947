//! Errors as problem details (RFC 9457): what is wrong and what to do, for programs and people.

use axum::http::{StatusCode, header};
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
}

impl Problem {
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: String,
    ) -> Problem {
        Problem { kind: "about:blank", title, status: status.as_u16(), detail, code }
    }

    /// The problem of a reason of the closed table.
    pub fn of(reason: Reason, detail: String) -> Problem {
        let row = reason.row();
        Problem { kind: "about:blank", title: row.words, status: row.http, detail, code: row.name }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Json(self)).into_response()
    }
}

//! Which pages there are.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, extract::Request};
use tracing::error;

use super::problem::Problem;
use super::{BODY_BYTES_MAX, HttpState, allocation, startalk};
use crate::health::Status;
use crate::model::Reason;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PAGES: &str =
    "there are GET /health, GET /health/live, GET /health/ready, GET /metrics and GET /v1/route";

pub fn router(state: HttpState) -> Router {
    let mut pages = Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/route", get(allocation::route));
    if !state.startalk.checktoken_from.is_empty() {
        for path in startalk::CHECKTOKEN {
            pages = pages.route(path, post(startalk::checktoken));
        }
    }
    if state.startalk.nav {
        pages = pages.route(startalk::NAV, get(startalk::nav));
    }
    pages
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

/// It does something useful, if not all of it.
async fn health(State(state): State<HttpState>) -> Response {
    report(&state, |status| matches!(status, Status::Ok | Status::ReadOnly))
}

/// The process answers: starting it anew would mend nothing.
async fn live(State(state): State<HttpState>) -> Response {
    report(&state, |_| true)
}

/// New clients may be sent here.
async fn ready(State(state): State<HttpState>) -> Response {
    report(&state, Status::is_ready)
}

fn report(state: &HttpState, good: impl Fn(Status) -> bool) -> Response {
    let report = state.health.report();
    let status = match good(report.status) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn metrics(State(state): State<HttpState>) -> Response {
    state.metrics.note_dropped_lines(crate::log::dropped());
    match state.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            error!(%error, "the metrics could not be written");
            let words = "the metrics could not be written: the log of the broker says why";
            Problem::of(Reason::Internal, words.into()).into_response()
        }
    }
}

pub async fn not_found(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} {} does not exist here: {PAGES}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such page", detail)
}

async fn not_allowed(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let detail = format!("{method} {path} is not possible: {PAGES}");
    let title = "this page does not know this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, detail)
}

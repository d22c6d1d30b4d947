//! `GET /v1/route`: which server to connect to, the first question of an installed app. It is
//! answered with what the operator advertises, to users alone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::logins::Question;
use super::problem::Problem;
use super::{HttpState, Visitor};
use crate::model::{ClientId, Reason};

/// How clients reach the broker from where they are.
#[derive(Clone, Debug, Default)]
pub struct Advertised {
    /// Names or addresses; empty: nobody is told.
    pub hosts: Vec<String>,
    pub ports: Ports,
    /// How long an answer may be kept.
    pub ttl: Duration,
}

impl Advertised {
    fn servers(&self) -> Vec<Server<'_>> {
        self.hosts.iter().map(|host| Server { host, ports: self.ports }).collect()
    }
}

/// The port of each kind of listener; `None`: not advertised.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Ports {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtts: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wss: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub struct Asked {
    uid: Option<String>,
    client_id: Option<String>,
}

#[derive(Serialize)]
struct Server<'a> {
    host: &'a str,
    #[serde(flatten)]
    ports: Ports,
}

#[derive(Serialize)]
struct Answer<'a> {
    uid: &'a str,
    /// In seconds.
    ttl: u64,
    servers: Vec<Server<'a>>,
}

pub async fn route(
    State(state): State<HttpState>,
    Extension(visitor): Extension<Arc<Visitor>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| bad_query(&error))?;
    let advertised = &state.advertised;
    if advertised.hosts.is_empty() {
        return Err(not_advertised());
    }
    let uid = who(&state, &asked, &headers, &visitor).await?;
    let answer = Answer { uid: &uid, ttl: advertised.ttl.as_secs(), servers: advertised.servers() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// The uid of whoever asks, after the same check as at a login.
async fn who(
    state: &HttpState,
    asked: &Asked,
    headers: &HeaderMap,
    visitor: &Visitor,
) -> Result<String, Problem> {
    let certificate = visitor.certificate.as_ref();
    // Who shows a certificate needs no token where one is accepted.
    let by_certificate = certificate.map(|_| Login { uid: None, token: None });
    let login = login(headers).or(by_certificate).ok_or_else(no_login)?;
    let uid = match (&asked.uid, &login.uid) {
        (Some(asked), Some(named)) if asked != named => return Err(two_users()),
        (asked, named) => asked.as_deref().or(named.as_deref()),
    };
    let client_id = ClientId::parse(asked.client_id.as_deref().unwrap_or_default())
        .map_err(|error| Problem::of(Reason::ClientIdInvalid, error.to_string()))?;
    let token = login.token.as_deref();
    let question = Question { uid, client_id: &client_id, token, certificate };
    Ok(state.logins.check(question, visitor).await?.uid.as_str().to_owned())
}

/// What the header `Authorization` says; nothing where a certificate says it.
struct Login {
    uid: Option<String>,
    token: Option<Vec<u8>>,
}

/// `Bearer token` (RFC 6750) or `Basic` of `uid:token` (RFC 7617).
fn login(headers: &HeaderMap) -> Option<Login> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Login { uid: None, token: Some(rest.as_bytes().to_vec()) });
    }
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest).ok())??;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let uid = std::str::from_utf8(&pair[..colon]).ok()?.to_owned();
    Some(Login { uid: Some(uid), token: Some(pair[colon + 1..].to_vec()) })
}

fn not_advertised() -> Problem {
    let detail = "this server does not know under which address clients reach it";
    let hint = "its operator sets hosts and ports in [advertise]";
    let title = "nothing is advertised";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_advertised", title, detail.into()).hint(hint)
}

fn bad_query(error: &QueryRejection) -> Problem {
    let title = "the query cannot be read";
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", title, error.body_text())
}

fn no_login() -> Problem {
    let detail = "there is no token in the header Authorization";
    let hint = "send `Authorization: Bearer TOKEN`, or `Basic` with uid and token";
    Problem::new(StatusCode::UNAUTHORIZED, "no_login", "who are you?", detail.into()).hint(hint)
}

fn two_users() -> Problem {
    let detail = "the uid in the address is not the one in the header Authorization";
    Problem::new(StatusCode::BAD_REQUEST, "two_users", "two users in one request", detail.into())
}

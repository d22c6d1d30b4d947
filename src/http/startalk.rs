//! Pages that programs of the Startalk family ask for: `checktoken`, by which their router accepts
//! homing's logins, and the navigation page of their apps.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::logins::{Question, Refused};
use super::problem::Problem;
use super::{HttpState, Visitor, routes};
use crate::model::ClientId;

/// Where the router asks, directly and through the web server in front of the original service.
pub const CHECKTOKEN: [&str; 2] =
    ["/corp/newapi/auth/checktoken.qunar", "/im_http_service/corp/newapi/auth/checktoken.qunar"];
pub const NAV: &str = "/newapi/nck/qtalk_nav.qunar";

/// What is served of it.
#[derive(Clone, Debug, Default)]
pub struct Startalk {
    /// The domain of all users.
    pub domain: String,
    /// Who may ask `checktoken`; empty: it is not served.
    pub checktoken_from: Vec<IpNet>,
    pub nav: bool,
}

impl Startalk {
    fn may_check(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.checktoken_from.iter().any(|network| network.contains(&ip))
    }
}

#[derive(Deserialize)]
struct Asked {
    /// uid
    u: String,
    /// domain
    h: String,
    /// token
    t: String,
}

/// The envelope of all answers. `ret` is what the router looks at.
#[derive(Serialize)]
struct Envelope {
    ret: bool,
    errcode: u8,
    errmsg: &'static str,
    data: Value,
}

const UNREADABLE: &str = "the body has to be JSON with the texts u, h and t";
const WRONG: &str = "the token is not valid";
const LATER: &str = "the token cannot be checked now: try again";

/// `POST {"u","h","t"}`. Unknown users, wrong and expired tokens have one answer.
pub async fn checktoken(
    State(state): State<HttpState>,
    Extension(visitor): Extension<Arc<Visitor>>,
    request: axum::http::request::Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !state.startalk.may_check(visitor.peer.ip()) {
        return routes::not_found(request.method, request.uri).await.into_response();
    }
    let asked = body.ok().and_then(|body| serde_json::from_slice::<Asked>(&body).ok());
    let Some(Asked { u, h, t }) = asked else { return refusal(3, UNREADABLE) };
    if h != state.startalk.domain {
        return refusal(1, WRONG);
    }
    let client_id = ClientId::default();
    // A certificate would be the router's.
    let (uid, token) = (Some(u.as_str()), Some(t.as_bytes()));
    let question = Question { uid, client_id: &client_id, token, certificate: None };
    match state.router_logins.check(question, &visitor).await {
        Ok(identity) if identity.uid.as_str() == u => answer(true, 0, ""),
        // Somebody's token, not this user's.
        Ok(_) => refusal(1, WRONG),
        Err(refused) => match refused.retry_after() {
            None => refusal(1, WRONG),
            Some(wait) => later(refused, wait),
        },
    }
}

fn refusal(errcode: u8, errmsg: &'static str) -> Response {
    answer(false, errcode, errmsg)
}

fn answer(ret: bool, errcode: u8, errmsg: &'static str) -> Response {
    let envelope = Envelope { ret, errcode, errmsg, data: Value::Null };
    ([(header::CACHE_CONTROL, "no-store")], Json(envelope)).into_response()
}

/// Not by 200: the router would tell its user that the token is wrong, who would throw it away.
fn later(refused: Refused, wait: Duration) -> Response {
    let mut response = refusal(2, LATER);
    *response.status_mut() = match refused {
        Refused::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refused::Login(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let secs = HeaderValue::from(wait.as_secs().max(1));
    response.headers_mut().insert(header::RETRY_AFTER, secs);
    response
}

#[derive(Deserialize)]
pub struct Domain {
    c: Option<String>,
}

/// The address of MQTT under the names that Startalk's apps read. Their other services are not
/// here, so that their addresses are empty.
pub async fn nav(
    State(state): State<HttpState>,
    Query(Domain { c }): Query<Domain>,
) -> Result<Response, Problem> {
    let domain = &state.startalk.domain;
    if let Some(other) = c.filter(|c| c != domain) {
        let detail = format!("the domain {other:?} is not served here");
        let title = "there is no such domain";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_domain", title, detail));
    }
    let ports = state.advertised.ports;
    let host = state.advertised.hosts.first();
    let port = ports.mqtts.or(ports.mqtt);
    let mut base = json!({
        "domain": domain, "domainhost": domain, "xmpp": host, "xmppport": port,
        "protobufPort": port, "javaurl": "", "httpurl": "", "apiurl": "", "fileurl": "",
        "simpleapiurl": "", "socketurl": "", "shareurl": "", "pubkey": "",
    });
    for (name, port) in
        [("mqtt", ports.mqtt), ("mqtts", ports.mqtts), ("ws", ports.ws), ("wss", ports.wss)]
    {
        if let Some(port) = port {
            base[name] = json!(port);
        }
    }
    // Apps read the page again when its version is another one.
    let version = xxh3_64(base.to_string().as_bytes()) as u32 >> 1;
    let page = json!({
        "Login": { "loginType": "newpassword" },
        "baseaddess": base,
        "imConfig": {},
        "ability": { "searchurl": "", "showmsgstat": false },
        "version": version,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

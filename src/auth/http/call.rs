//! One call to the member API over HTTP: bounded in time and size, to the configured host alone.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response};

use super::request::Rendered;
use super::template::Uncarried;
use crate::config::HttpAuth;

/// Of the body of an answer; a longer one is not read to its end.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Status and body.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    /// `None`: it is longer than [`ANSWER_BYTES_MAX`].
    pub body: Option<Vec<u8>>,
    /// The header `Date`, as it came.
    pub date: Option<String>,
}

/// Why a login cannot be turned into a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Uncarried(#[from] Uncarried),
    #[error("the request cannot be made: {0}")]
    Unbuilt(reqwest::Error),
}

/// Follows no redirect: a token goes where the settings say and nowhere else.
///
/// # Errors
/// In words: the system has no root certificates, or none that can be read.
pub fn client(settings: &HttpAuth) -> Result<Client, String> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(settings.timeout.0)
        .pool_max_idle_per_host(settings.concurrency)
        .user_agent(concat!("homing/", env!("CARGO_PKG_VERSION")));
    if !settings.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if settings.url.starts_with("http://") {
        // Nobody's certificate is checked, so a system without any root certificate will do.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| format!("auth.http: no HTTP client: {}", chain(&error)))
}

/// # Errors
/// [`RequestError`].
pub fn build(client: &Client, rendered: Rendered) -> Result<Request, RequestError> {
    let headers: HeaderMap = rendered.header_values()?.into_iter().collect();
    let mut request = client.request(rendered.method, rendered.url).headers(headers);
    if let Some(body) = rendered.body {
        request = request.body(body);
    }
    request.build().map_err(|error| RequestError::Unbuilt(error.without_url()))
}

/// # Errors
/// In words for the log; they contain no address, since a token may be in it.
pub async fn exchange(
    client: &Client,
    request: Request,
    limit: Duration,
) -> Result<Answered, String> {
    let whole = async {
        let response = client.execute(request).await.map_err(told)?;
        let status = response.status().as_u16();
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        let date = date.map(str::to_owned);
        Ok(Answered { status, date, body: read(response).await? })
    };
    let late = |_| Err(format!("no whole answer within {} ms", limit.as_millis()));
    tokio::time::timeout(limit, whole).await.unwrap_or_else(late)
}

async fn read(mut response: Response) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn told(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

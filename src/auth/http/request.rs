//! The request to the member API: read from the settings at the start, filled in for each login.

use std::net::IpAddr;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::template::{Field, Place, Template, Uncarried, Values};
use crate::config::{BodyType, HttpAuth, Secret};

/// How the API is asked.
#[derive(Debug)]
pub struct RequestPlan {
    method: Method,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Option<(Template, &'static str)>,
    host: String,
    api_key: Secret,
    /// What the answer may depend on beside user name and token.
    by_client_id: bool,
    by_listener: bool,
}

/// One login as the templates see it.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub uid: &'a str,
    pub client_id: &'a str,
    pub token: &'a str,
    pub ip: IpAddr,
    pub listener: &'a str,
}

/// A request for one login.
#[derive(Debug)]
pub struct Rendered {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<String>,
}

impl RequestPlan {
    /// Of settings whose preset is resolved; `host` is the domain of all users.
    ///
    /// # Errors
    /// In words that name the key.
    pub fn new(settings: &HttpAuth, host: &str) -> Result<RequestPlan, String> {
        let mut plan = RequestPlan {
            method: method(&settings.method)?,
            url: url(&settings.url)?,
            headers: settings
                .headers
                .iter()
                .map(|line| header(line.expose()))
                .collect::<Result<_, _>>()?,
            body: body(settings)?,
            host: host.into(),
            api_key: settings.api_key.clone(),
            by_client_id: false,
            by_listener: false,
        };
        plan.by_client_id = plan.uses(&Field::ClientId);
        plan.by_listener = plan.uses(&Field::Listener);
        for (field, key, empty) in [
            (Field::Host, "startalk.domain", plan.host.is_empty()),
            (Field::ApiKey, "auth.http.api_key", plan.api_key.is_empty()),
        ] {
            if empty && plan.uses(&field) {
                let name = if field == Field::Host { "{host}" } else { "{api_key}" };
                return Err(format!("{key}: it is empty, but a template of auth.http has {name}"));
            }
        }
        plan.try_out()?;
        let of_token = |field: &Field| matches!(field, Field::Token | Field::TokenField(_));
        if !plan.fields().any(of_token) {
            return Err(
                "auth.http: no template has {token}, so that any token would be right: put \
                        it into the body, a header or the URL"
                    .into(),
            );
        }
        Ok(plan)
    }

    /// Whether the API is told the user name.
    pub fn names_uid(&self) -> bool {
        self.uses(&Field::Uid)
    }

    fn uses(&self, field: &Field) -> bool {
        self.fields().any(|used| used == field)
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        let headers = self.headers.iter().map(|(_, template)| template);
        let body = self.body.iter().map(|(template, _)| template);
        let templates = std::iter::once(&self.url).chain(headers).chain(body);
        templates.flat_map(Template::fields)
    }

    /// Fills everything in once, so that what can never work is told at the start.
    fn try_out(&self) -> Result<(), String> {
        let login = Login {
            uid: "uid",
            client_id: "client",
            token: "",
            ip: [127, 0, 0, 1].into(),
            listener: "mqtt",
        };
        let rendered = self.shown(&login).map_err(|error| error.to_string())?;
        Url::parse(&rendered.url).map_err(|error| format!("auth.http.url: {error}"))?;
        let is_json = |body: &str| serde_json::from_str::<Value>(body);
        match (&self.body, &rendered.body) {
            (Some((_, JSON_TYPE)), Some(body)) => is_json(body).map(|_| ()).map_err(|error| {
                format!("auth.http.body is no JSON when it is filled in: {error}")
            }),
            _ => Ok(()),
        }
    }

    /// What tells this login apart from others for the API.
    pub fn distinguishing<'a>(&self, login: &Login<'a>) -> [&'a str; 4] {
        let client_id = if self.by_client_id { login.client_id } else { "" };
        let listener = if self.by_listener { login.listener } else { "" };
        [login.uid, login.token, client_id, listener]
    }

    /// # Errors
    /// [`Uncarried`] if the request cannot carry what the client sent: the login is refused.
    pub fn render(&self, login: &Login<'_>) -> Result<Rendered, Uncarried> {
        self.fill(&self.values(login, false))
    }

    /// For people: without token and key.
    ///
    /// # Errors
    /// As [`RequestPlan::render`].
    pub fn shown(&self, login: &Login<'_>) -> Result<Rendered, Uncarried> {
        self.fill(&self.values(login, true))
    }

    fn values<'a>(&'a self, login: &Login<'a>, masked: bool) -> Values<'a> {
        let &Login { uid, client_id, token, ip, listener } = login;
        let (host, api_key) = (self.host.as_str(), self.api_key.expose());
        Values { uid, client_id, token, ip, listener, host, api_key, masked }
    }

    fn fill(&self, values: &Values<'_>) -> Result<Rendered, Uncarried> {
        let header = |(name, value): &(HeaderName, Template)| {
            value.render(values).map(|value| (name.clone(), value))
        };
        let mut headers = self.headers.iter().map(header).collect::<Result<Vec<_>, _>>()?;
        let mut body = None;
        if let Some((template, content_type)) = &self.body {
            body = Some(template.render(values)?);
            if !self.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
                headers.push((CONTENT_TYPE, (*content_type).into()));
            }
        }
        Ok(Rendered { method: self.method.clone(), url: self.url.render(values)?, headers, body })
    }
}

impl Rendered {
    /// # Errors
    /// [`Uncarried::ControlInHeader`]: what the templates cannot see is no header either.
    pub fn header_values(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Uncarried> {
        let read = |(name, value): &(HeaderName, String)| {
            let mut value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| Uncarried::ControlInHeader)?;
            value.set_sensitive(true);
            Ok((name.clone(), value))
        };
        self.headers.iter().map(read).collect()
    }
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        _ => Err(format!("auth.http.method: {text:?} is not GET, POST or PUT")),
    }
}

/// The host must not depend on who logs in, or a user name could send tokens anywhere.
fn url(text: &str) -> Result<Template, String> {
    let wrong = |words: String| format!("auth.http.url: {words}");
    let scheme = ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme));
    let Some(scheme) = scheme else {
        let words = "give the address of the member API, as in http://127.0.0.1:8081/login";
        return Err(wrong(words.into()));
    };
    let rest = &text[scheme.len()..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        let words = "a password in it would be shown: put it into auth.http.api_key and a header";
        return Err(wrong(words.into()));
    }
    if authority.replace("{host}", "").contains('{') {
        return Err(wrong("no placeholder but {host} may stand in its host and port".into()));
    }
    Template::parse(Place::Url, text).map_err(|error| wrong(error.to_string()))
}

fn header(line: &str) -> Result<(HeaderName, Template), String> {
    let Some((name, value)) = line.split_once(':') else {
        return Err("auth.http.headers: write each as \"Name: value\"".into());
    };
    let wrong = |words: String| format!("auth.http.headers: {name:?}: {words}");
    let known = HeaderName::from_bytes(name.trim().as_bytes());
    let known = known.map_err(|_| wrong("this is no name of a header".into()))?;
    let value = Template::parse(Place::Header, value.trim());
    Ok((known, value.map_err(|error| wrong(error.to_string()))?))
}

const JSON_TYPE: &str = "application/json";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

fn body(settings: &HttpAuth) -> Result<Option<(Template, &'static str)>, String> {
    if settings.body.is_empty() {
        return Ok(None);
    }
    let (place, content_type) = match settings.body_type {
        BodyType::Form => (Place::Form, FORM_TYPE),
        BodyType::Json | BodyType::Preset => (Place::Json, JSON_TYPE),
    };
    let template = Template::parse(place, &settings.body);
    let template = template.map_err(|error| format!("auth.http.body: {error}"))?;
    Ok(Some((template, content_type)))
}

#[cfg(test)]
mod tests {
    use super::super::preset::resolve;
    use super::*;
    use crate::config::Preset;

    fn settings(text: &str) -> HttpAuth {
        resolve(&toml::from_str(&format!("url = \"http://h/login\"\n{text}")).unwrap())
    }

    fn login(token: &str) -> Login<'_> {
        Login {
            uid: "ut001",
            client_id: "phone",
            token,
            ip: [10, 0, 0, 9].into(),
            listener: "mqtt",
        }
    }

    fn rendered(text: &str, token: &str) -> Rendered {
        let plan = RequestPlan::new(&settings(text), "qtalk.example").unwrap();
        plan.render(&login(token)).unwrap()
    }

    #[test]
    fn presets_ask_as_documented() {
        for (preset, body) in [
            ("json", r#"{"uid":"ut001","client_id":"phone","token":"T\"1","ip":"10.0.0.9"}"#),
            ("startalk", r#"{"u":"ut001","h":"qtalk.example","t":"T\"1"}"#),
            ("session", "uid=ut001&udid=phone&sessionid=T%221"),
        ] {
            let request = rendered(&format!("preset = {preset:?}"), "T\"1");
            assert_eq!(request.body.as_deref(), Some(body));
            assert_eq!((request.method, request.url.as_str()), (Method::POST, "http://h/login"));
            let form = preset == "session";
            let content_type = if form { FORM_TYPE } else { JSON_TYPE };
            assert_eq!(request.headers, [(CONTENT_TYPE, content_type.to_owned())]);
        }
    }

    #[test]
    fn a_get_with_headers_and_a_query() {
        let text = "preset = \"none\"\napi_key = \"k\"\n\
                    headers = [\"Authorization: Bearer {api_key}\", \"X-Token: {token}\"]";
        let mut settings = settings(text);
        settings.url = "https://{host}:81/check/{uid}?ip={ip}".into();
        let plan = RequestPlan::new(&settings, "h").unwrap();
        let request = plan.render(&login("T")).unwrap();
        assert_eq!(request.url, "https://h:81/check/ut001?ip=10.0.0.9");
        assert_eq!(request.body, None);
        assert_eq!(request.headers[0].1, "Bearer k");
        let shown = plan.shown(&login("T")).unwrap();
        assert_eq!(
            (shown.headers[0].1.as_str(), shown.headers[1].1.as_str()),
            ("Bearer ***", "***")
        );
        assert!(plan.render(&login("a\nb")).is_err());
    }

    #[test]
    fn what_the_templates_do_not_use_does_not_tell_logins_apart() {
        let of = |preset| {
            let plan = RequestPlan::new(&settings(&format!("preset = {preset:?}")), "h");
            plan.unwrap().distinguishing(&login("T"))
        };
        assert_eq!(of("json"), ["ut001", "T", "phone", ""]);
        assert_eq!(of("startalk"), ["ut001", "T", "", ""]);
    }

    #[test]
    fn what_cannot_work_is_told_with_its_key() {
        let wrong = |settings: HttpAuth| RequestPlan::new(&resolve(&settings), "").unwrap_err();
        let base = || HttpAuth { url: "http://h/".into(), ..HttpAuth::default() };
        let url = |url: &str| wrong(HttpAuth { url: url.into(), ..base() });
        for (text, words) in [
            ("", "give the address"),
            ("ftp://h", "give the address"),
            ("http://{uid}.example/", "no placeholder but {host}"),
            ("http://u:p@h/", "auth.http.api_key"),
            ("http://h/{user}", "no placeholder {user}"),
            ("http://h/{uid", "has no end"),
            ("http://[/", "auth.http.url"),
        ] {
            assert!(url(text).contains(words) && url(text).starts_with("auth.http.url"), "{text}");
        }
        for (settings, words) in [
            (HttpAuth { method: "get".into(), ..base() }, "auth.http.method"),
            (HttpAuth { headers: vec!["x".into()], ..base() }, "auth.http.headers"),
            (HttpAuth { headers: vec!["a b: c".into()], ..base() }, "auth.http.headers"),
            (HttpAuth { body: r#"{"u":{uid}}"#.into(), ..base() }, "auth.http.body is no JSON"),
            (HttpAuth { body: r#"{"u":"{who}"}"#.into(), ..base() }, "auth.http.body: there is no"),
            (HttpAuth { preset: Preset::Startalk, ..base() }, "startalk.domain"),
            (HttpAuth { headers: vec!["a: {api_key}".into()], ..base() }, "auth.http.api_key"),
            (HttpAuth { preset: Preset::None, ..base() }, "no template has {token}"),
            (HttpAuth { method: "GET".into(), ..base() }, "no template has {token}"),
        ] {
            assert!(wrong(settings).contains(words), "{words}");
        }
    }
}

//! One login asked for people to look at: past memory and breaker, with all that was said.

use std::time::Duration;

use super::answer::Judgement;
use super::request::Rendered;
use super::{MemberApi, call};
use crate::auth::{AuthError, Credentials};
use crate::clock::Stopwatch;

/// What was asked, and what came of it.
#[derive(Debug)]
pub struct Trial {
    /// Without token and key; `None` if the login is refused without a call.
    pub request: Option<Rendered>,
    /// Of the token in the request.
    pub token_bytes: usize,
    /// Status and body, or why there is none.
    pub answer: Result<(u16, Vec<u8>), String>,
    pub judgement: Judgement,
    pub latency: Duration,
}

impl Trial {
    fn without_call(token_bytes: usize, why: &str) -> Trial {
        Trial {
            request: None,
            token_bytes,
            answer: Err("the API was not asked".into()),
            judgement: Judgement::Refused(why.into()),
            latency: Duration::ZERO,
        }
    }
}

impl MemberApi {
    pub async fn trial(&self, credentials: Credentials<'_>) -> Trial {
        let plan = &self.desk.plan;
        let length = credentials.password.map_or(0, <[u8]>::len);
        let token = match plan.token(&credentials) {
            Ok(token) => token,
            Err(AuthError::NotMine) => return Trial::without_call(length, "there is no token"),
            Err(_) => return Trial::without_call(length, "no token is like this: see the limits"),
        };
        let Ok(login) = plan.login(&credentials, &token) else {
            return Trial::without_call(token.len(), "the user name can be no uid");
        };
        let rendered = plan.request.render(&login).map_err(call::RequestError::from);
        let request = rendered.and_then(|rendered| call::build(&self.desk.client, rendered));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Trial::without_call(token.len(), &error.to_string()),
        };
        let watch = Stopwatch::start();
        let answered = call::exchange(&self.desk.client, request, plan.settings.timeout.0).await;
        let latency = Duration::from_nanos(watch.nanos());
        let judgement = match &answered {
            Ok(answered) => {
                let now = self.desk.clock.wall();
                plan.answer.judge(answered.status, &answered.body, login.uid, now)
            }
            Err(words) => Judgement::NoAnswer(words.clone()),
        };
        Trial {
            request: plan.request.shown(&login).ok(),
            token_bytes: token.len(),
            answer: answered.map(|answered| (answered.status, answered.body)),
            judgement,
            latency,
        }
    }
}

//! What becomes of a submission (ruling 1): refused, sent at once, committed first, or kept for its
//! time. Nothing is done here.

use std::sync::Arc;

use crate::broker::{LiveCopy, Plan, Routes, plan};
use crate::model::{
    Due, DueName, Identity, Later, Message, QoS, Reason, SessionKey, Step, Submission, Target,
    Timing,
};
use crate::store::{Append, Change, Quota, Schedule};

use super::{Live, Shared};

/// Who submits, as what session, and whether older publishes of it wait for their commit: then
/// this one goes the same way, even if it owes nothing, and arrives behind them.
pub struct Origin<'a> {
    pub who: &'a Identity,
    pub key: &'a SessionKey,
    pub behind: bool,
}

/// What becomes of a submission.
pub enum Decision {
    Refuse(Reason, Box<str>),
    /// Nothing is owed: the copies go out now.
    Send(Arc<Message>, Vec<LiveCopy>),
    /// It is committed first; these get a copy beside it.
    Append(Append, Vec<LiveCopy>),
    Schedule(Schedule),
}

/// By what a worker decides.
pub struct Planner<'a> {
    pub live: &'a Live,
    pub shared: &'a Shared,
    pub routes: &'a mut Routes,
}

impl Planner<'_> {
    pub fn decide(self, from: Origin<'_>, submission: Submission, step: Option<Step>) -> Decision {
        let Planner { live, shared, routes } = self;
        let planned = match &submission.timing {
            Timing::Later(Later::Cancel { .. }) => Ok(Plan::default()),
            _ => {
                let Shared { subscriptions, retained, .. } = shared;
                plan(&submission, from.who, &live.policy, subscriptions, retained, routes)
            }
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err((reason, words)) => return Decision::Refuse(reason, words),
        };
        let owes = from.behind || owes_a_commit(&plan, &submission, step);
        let of_session = |step| (from.key.clone(), step);
        match submission.timing {
            Timing::Later(later) => {
                let change = change(live, later, submission.message, from.who);
                let (dedupe, step) = (submission.dedupe, step.map(of_session));
                Decision::Schedule(Schedule { change, dedupe, step })
            }
            _ if owes => {
                let append = Append {
                    retain: retained(&submission).then_some(of_user(live.retain, from.who)),
                    fires: submission.timing == Timing::Due,
                    addressees: plan.durable,
                    dedupe: submission.dedupe,
                    step: step.map(of_session),
                    ..Append::new(submission.message)
                };
                Decision::Append(append, plan.live)
            }
            _ => Decision::Send(submission.message, plan.live),
        }
    }
}

/// A message for later waits with the rights of its sender, however long the login is good.
fn change(live: &Live, later: Later, message: Arc<Message>, who: &Identity) -> Change {
    match later {
        Later::At { at, key } => {
            let name = key.map(|key| DueName::of_key(key, who));
            let who = Arc::new(Identity { expires_at: None, ..who.clone() });
            let quota = of_user(live.delayed, &who);
            Change::Put(Box::new(Due { at, name, message, who }), quota)
        }
        Later::Cancel { key } => {
            let (uid, name) = (who.uid.clone(), DueName::of_key(key, who));
            Change::Cancel { uid, name, id: message.id }
        }
    }
}

/// Anonymous clients are not one user: what they keep is bounded by the disk's reserve.
pub(super) fn of_user(quota: Quota, who: &Identity) -> Quota {
    if who.uid.is_anonymous() { Quota::UNLIMITED } else { quota }
}

/// It becomes its topic's retained message. On an inbox RETAIN means nothing (ruling 16).
fn retained(submission: &Submission) -> bool {
    submission.message.retain && matches!(submission.target, Target::Plain(_))
}

/// Something must be on disk first: a record for somebody, the publisher's own id, that it waits no
/// longer, or the QoS 2 state (exact between publisher and broker everywhere, ruling 4).
fn owes_a_commit(plan: &Plan, submission: &Submission, step: Option<Step>) -> bool {
    let exact = submission.message.qos == QoS::ExactlyOnce && step.is_some();
    let waited = submission.timing == Timing::Due;
    let owes = submission.dedupe.is_some() || waited || retained(submission);
    !plan.durable.is_empty() || owes || exact
}

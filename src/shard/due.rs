//! A message that has waited for its time goes out: through the same way as all others, with the
//! rights that its owner has now (threat I8). Its row goes in the transaction that stores it.

use std::sync::Arc;

use crate::auth::Known;
use crate::broker::policy::Denial;
use crate::model::{Due, Identity, MessageId, Reason, SessionKey, Submission, Target, Timing};
use crate::session::Answer;
use crate::store::Write;

use super::decide::Origin;
use super::submit::{NOBODY, unknown_user};
use super::{Shard, Token};

/// A message that is due.
#[derive(Debug)]
pub struct Fire {
    pub due: Due,
    /// Who its owner is now, or why nothing of it goes out any more.
    pub who: Result<Identity, Denial>,
}

impl Shard {
    /// It is appended, or its row is dropped; the store's writer tells which.
    pub fn fire(&mut self, fire: Fire) {
        let Fire { due, who } = fire;
        let refused = match who {
            Ok(who) => self.fire_as(&who, &due).err(),
            Err(denial) => Some(denial),
        };
        if let Some((reason, words)) = refused {
            self.drop_due(&due, reason, &words);
        }
    }

    fn fire_as(&mut self, who: &Identity, due: &Due) -> Result<(), Denial> {
        // The pattern of inboxes may be another one by now.
        let target = self.live.settings.topics.target(&due.message.topic);
        let target = target.map_err(|error| (error.reason(), error.to_string().into()))?;
        if let Target::User(uid) = &target
            && self.shared.directory.knows(uid) == Known::No
        {
            return Err(unknown_user(uid));
        }
        let message = Arc::new(due.message_at(self.stamp));
        let key = SessionKey { uid: who.uid.clone(), client_id: who.client_id.clone() };
        let from = Origin { who, key: &key, behind: false };
        let submission = Submission { target, message, dedupe: None, timing: Timing::Due };
        match self.submit_as(from, submission, (Token(u64::MAX), NOBODY)) {
            Some(Answer::Refused(reason, words)) => Err((reason, words)),
            _ => Ok(()),
        }
    }

    fn drop_due(&mut self, due: &Due, reason: Reason, words: &str) {
        let id: MessageId = due.message.id;
        let (uid, client) = (&due.message.from.uid, &due.message.from.client_id);
        let topic = &due.message.topic;
        let reason_name = reason.name();
        tracing::info!(
            %uid, %client, reason = reason_name, id = %id,
            "what was due to {topic:?} does not go out: {words}"
        );
        self.shared.metrics.schedules.refused(reason);
        self.tally.dropped.push(reason);
        self.ask_store(Write::DropDue { id }, None);
    }
}

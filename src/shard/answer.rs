//! What comes back from the store, to the session that waits for it. This is the only way by which
//! an acknowledgement of something durable can leave: after the commit.

use std::sync::Arc;

use crate::model::{Entry, Message, Reason};
use crate::session::{Answer, Input, LogName, Position, Ticket};
use crate::store::{Cursor, RetainedPage, StoreError, Written};

use super::{Shard, Token};

impl Shard {
    /// One write is committed, or failed. `message` is given for an append.
    pub fn store_answer(
        &mut self,
        token: Token,
        ticket: Ticket,
        result: Result<Written, StoreError>,
        message: Option<&Arc<Message>>,
    ) {
        // What was only put into the session's own queue had gone to the others long ago.
        let message = message.filter(|_| ticket != Ticket::Retained);
        if let Ticket::Publish(_) = ticket {
            self.count_committing(token, -1);
        }
        let picked = message.map(|message| self.picked.take(message.id)).unwrap_or_default();
        let appended = matches!(result, Ok(Written::Appended { .. }));
        self.answer(token, ticket, result, message);
        // Its own copy comes to the publisher behind the acknowledgement, as clients are used to.
        if let Some(message) = message.filter(|_| appended) {
            self.distribute_committed(message, picked);
        }
    }

    fn answer(
        &mut self,
        token: Token,
        ticket: Ticket,
        result: Result<Written, StoreError>,
        message: Option<&Arc<Message>>,
    ) {
        match result {
            Ok(Written::Opened(opened)) => self.opened(token, *opened),
            Ok(Written::Known(cursor)) => self.handle(token, Input::Known(position(cursor))),
            Ok(Written::Duplicate { .. }) => {
                self.handle(token, Input::Answer(ticket, Answer::Duplicate));
            }
            Ok(Written::OverQuota) => {
                let words = match message {
                    Some(_) => "the retained messages of a user: limits.retained_per_user",
                    None => "what a user leaves for later: limits.delayed_per_user",
                };
                self.refused(token, ticket, Reason::QuotaExceeded, words);
            }
            Ok(Written::NothingWaits) => {
                self.refused(token, ticket, Reason::NothingWaits, Reason::NothingWaits.words());
            }
            Ok(Written::OnItsWay) => {
                self.refused(token, ticket, Reason::OnItsWay, Reason::OnItsWay.words());
            }
            Ok(_) => self.handle(token, Input::Answer(ticket, Answer::Done)),
            // It may be stored: neither an acknowledgement nor a refusal would be true. The client
            // comes back and sends again, and the store knows by then what it has.
            Err(error @ StoreError::OutcomeUnknown(_)) => {
                tracing::error!("a write has an unknown outcome: {error}");
                let reason = Reason::StoreFailed;
                self.handle(token, Input::End(reason, reason.words().into()));
            }
            Err(error) => self.handle(token, Input::Answer(ticket, refusal(&error))),
        }
    }

    fn refused(&mut self, token: Token, ticket: Ticket, reason: Reason, words: &str) {
        self.handle(token, Input::Answer(ticket, Answer::Refused(reason, words.into())));
    }

    /// The answer to a [`super::ReadAsk`]. A failed read ends the connection: the client comes
    /// back to its cursor, and nothing is skipped.
    pub fn read_done(
        &mut self,
        token: Token,
        log: LogName,
        result: Result<Vec<Entry>, StoreError>,
    ) {
        match result {
            Ok(entries) => self.handle(token, Input::Read(log, entries)),
            Err(error) => {
                tracing::error!("reading a log failed: {error}");
                let reason = Reason::StoreFailed;
                self.handle(token, Input::End(reason, "the store could not be read".into()));
            }
        }
    }

    /// The answer to a [`super::RetainedAsk`].
    pub fn retained_read(&mut self, token: Token, result: Result<RetainedPage, StoreError>) {
        match result {
            Ok(RetainedPage { messages, next }) => {
                self.handle(token, Input::Retained(messages, next));
            }
            Err(error) => {
                tracing::error!("reading retained messages failed: {error}");
                let words = "the store could not be read";
                self.handle(token, Input::End(Reason::StoreFailed, words.into()));
            }
        }
    }
}

pub(super) fn position(cursor: Cursor) -> Position {
    let Cursor { cursor, sent, head } = cursor;
    Position { cursor, sent, head, received: Vec::new() }
}

/// What the client hears; the details are the server's and go to its log.
fn refusal(error: &StoreError) -> Answer {
    let reason = match error {
        StoreError::Full(_) => Reason::StoreFull,
        _ => Reason::StoreFailed,
    };
    Answer::Refused(reason, reason.words().into())
}

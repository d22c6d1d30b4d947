//! A publish on its way in: planned by the broker, then to the store if anything is owed, else
//! delivered and answered at once (ruling 1).

use std::sync::Arc;

use crate::auth::Known;
use crate::broker::policy::Denial;
use crate::broker::{CopyTo, LiveCopy, address, tell};
use crate::model::{Later, Message, Reason, Step, Submission, Target, Timing, TopicName, Uid};
use crate::session::{Answer, Input, Ticket};
use crate::store::Write;

use super::decide::{Decision, Origin, Planner};
use super::effects::{Asker, DirectoryAsk, Post, worker_of_copy};
use super::{Conn, Shard, Token};

/// For submissions that nobody waits for; the shard still hears of their commit.
pub(super) const NOBODY: Ticket = Ticket::Publish(u64::MAX >> 8);

/// A publish that waits for the directory.
pub struct Asking {
    ticket: Option<Ticket>,
    submission: Submission,
    step: Option<Step>,
}

impl Shard {
    pub(super) fn submit(
        &mut self,
        token: Token,
        ticket: Option<Ticket>,
        submission: Submission,
        step: Option<Step>,
    ) {
        // What is taken back goes to nobody.
        let cancels = matches!(submission.timing, Timing::Later(Later::Cancel { .. }));
        if let Target::User(uid) = &submission.target
            && !cancels
        {
            match self.shared.directory.knows(uid) {
                Known::Yes => {}
                Known::No => {
                    let (reason, words) = unknown_user(uid);
                    return self.answered(token, ticket, Answer::Refused(reason, words));
                }
                Known::Ask => {
                    let uid = uid.clone();
                    let asker = Asker::Connection(token);
                    self.effects.directory.push(DirectoryAsk { asker, uid });
                    if let Some(conn) = self.conn(token) {
                        conn.asking = Some(Box::new(Asking { ticket, submission, step }));
                    }
                    return;
                }
            }
        }
        self.submit_known(token, ticket, submission, step);
    }

    /// The directory's answer about the user that a publish or a will waits for.
    pub fn directory_answer(&mut self, asker: Asker, exists: Option<bool>) {
        match asker {
            Asker::Connection(token) => self.publish_answered(token, exists),
            Asker::Will(number) => self.will_answered(number, exists),
        }
    }

    fn publish_answered(&mut self, token: Token, exists: Option<bool>) {
        let Some(asking) = self.conn(token).and_then(|conn| conn.asking.take()) else { return };
        let Asking { ticket, submission, step } = *asking;
        match self.denied_by_directory(&submission.target, exists) {
            Some((reason, words)) => {
                self.answered(token, ticket, Answer::Refused(reason, words));
            }
            None => self.submit_known(token, ticket, submission, step),
        }
    }

    /// Whom the directory does not know gets nothing; when it could not be asked, nothing for now.
    pub(super) fn denied_by_directory(
        &self,
        target: &Target,
        exists: Option<bool>,
    ) -> Option<Denial> {
        match (exists, target) {
            (None, _) => Some((Reason::Unavailable, Reason::Unavailable.words().into())),
            (Some(false), Target::User(uid)) => Some(unknown_user(uid)),
            // It was removed after the directory had been asked.
            (Some(true), Target::User(uid)) if self.shared.directory.knows(uid) == Known::No => {
                Some(unknown_user(uid))
            }
            _ => None,
        }
    }

    fn submit_known(
        &mut self,
        token: Token,
        ticket: Option<Ticket>,
        submission: Submission,
        step: Option<Step>,
    ) {
        let Shard { conns, live, shared, routes, .. } = self;
        let conn = conns.get(token.index()).filter(|conn| conn.token == token);
        let Some(Conn { session, committing, .. }) = conn else { return };
        let from = Origin { who: session.identity(), key: session.key(), behind: *committing > 0 };
        let decision = Planner { live, shared, routes }.decide(from, submission, step);
        match self.carry_out(decision, (token, ticket.unwrap_or(NOBODY))) {
            Some(answer) => {
                if let Answer::Refused(reason, words) = &answer {
                    self.log_refusal(token, *reason, words);
                }
                self.answered(token, ticket, answer);
            }
            None => self.count_committing(token, 1),
        }
    }

    /// A publish of this connection went to the store (1) or came back (-1).
    pub(super) fn count_committing(&mut self, token: Token, change: i32) {
        if let Some(conn) = self.conn(token) {
            conn.committing = conn.committing.saturating_add_signed(change);
        }
    }

    /// The answer, if it need not wait for a commit.
    pub(super) fn submit_as(
        &mut self,
        from: Origin<'_>,
        submission: Submission,
        answer_to: (Token, Ticket),
    ) -> Option<Answer> {
        let Shard { live, shared, routes, .. } = self;
        let decision = Planner { live, shared, routes }.decide(from, submission, None);
        self.carry_out(decision, answer_to)
    }

    /// The answer, if it need not wait for a commit.
    fn carry_out(&mut self, decision: Decision, answer_to: (Token, Ticket)) -> Option<Answer> {
        match decision {
            Decision::Refuse(reason, words) => return Some(Answer::Refused(reason, words)),
            Decision::Send(message, live) => {
                self.distribute(&message, &live);
                self.routes.keep_room(live);
                return Some(Answer::Done);
            }
            Decision::Append(append, live) => {
                self.picked.keep(append.message.id, &live);
                self.routes.keep_room(live);
                self.ask_store(Write::Append(append), Some(answer_to));
            }
            Decision::Schedule(schedule) => {
                self.ask_store(Write::Schedule(schedule), Some(answer_to));
            }
        }
        None
    }

    pub(super) fn step(&mut self, token: Token, ticket: Option<Ticket>, step: Step) {
        let Some(conn) = self.conn(token) else { return };
        let key = conn.session.key().clone();
        if let Step::Completed { .. } = step {
            // The cursor that has passed the record is committed first, or with it.
            self.flush_advances_of(token);
        }
        self.ask_store(Write::Step { key, step }, ticket.map(|ticket| (token, ticket)));
    }

    /// Nobody waits for the answer to QoS 0: that it was refused is counted (ruling 7).
    fn answered(&mut self, token: Token, ticket: Option<Ticket>, answer: Answer) {
        match (ticket, answer) {
            (Some(ticket), answer) => self.handle(token, Input::Answer(ticket, answer)),
            (None, Answer::Refused(reason, _)) => self.tally.dropped.push(reason),
            (None, _) => {}
        }
    }

    /// A plain message is committed: whoever is subscribed without a queue gets a copy now.
    /// Of those who share, the ones that were `picked` when it was planned.
    pub(super) fn distribute_committed(&mut self, message: &Arc<Message>, picked: Vec<LiveCopy>) {
        let topics = &self.live.settings.topics;
        if topics.is_inbox(&message.topic) {
            return;
        }
        let Ok(Target::Plain(topic)) = topics.target(&message.topic) else {
            return;
        };
        let live = address(message, &topic, &self.shared.subscriptions.read());
        self.distribute(message, &live);
        self.distribute(message, &picked);
    }

    /// What the broker tells about itself, for whoever has subscribed to it, alone or with others.
    pub fn tell(&mut self, messages: &[Arc<Message>]) {
        for message in messages {
            let Some(topic) = TopicName::parse(&message.topic) else { continue };
            let live = tell(message, &topic, &self.shared.subscriptions.read());
            self.distribute(message, &live);
        }
    }

    /// Copies for subscribers without a queue, here and on the other workers.
    pub(super) fn distribute(&mut self, message: &Arc<Message>, live: &[LiveCopy]) {
        for copy in live {
            let worker = worker_of_copy(&copy.to, self.shared.workers);
            match worker == self.index {
                true => self.send_copy(message, copy),
                false => {
                    let (message, copy) = (message.clone(), copy.clone());
                    self.effects.posts[usize::from(worker)].push(Post { message, copy });
                }
            }
        }
    }

    /// A copy from another worker.
    pub fn posted(&mut self, post: Post) {
        self.send_copy(&post.message, &post.copy);
    }

    fn send_copy(&mut self, message: &Arc<Message>, copy: &LiveCopy) {
        let token = match &copy.to {
            CopyTo::Connection(at) => Some(Token(at.token)),
            CopyTo::Session(key) => self.connected(key),
        };
        match token.filter(|token| self.is_open(*token)) {
            Some(token) => self.handle(token, Input::Live(message, copy.delivery)),
            None => self.hand_on(message, copy.delivery),
        }
    }
}

pub fn unknown_user(uid: &Uid) -> Denial {
    (Reason::NotAuthorized, format!("there is no user {uid}").into())
}

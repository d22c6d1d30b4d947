//! Retained messages for new subscriptions (MQTT 5, section 3.3.1.3): page by page, as fast as the
//! client takes them, so that a wide filter fills no memory.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::model::limit::FRESH_TOPICS_COUNT_MAX;
use crate::model::{Delivery, Filter, Message, QoS};

use super::live::Waiting;
use super::{Answer, Ctx, Phase, Request, Session};

/// What is still to be sent.
#[derive(Debug, Default)]
pub struct Retained {
    jobs: VecDeque<Job>,
    /// A page is being read.
    reading: bool,
    /// Messages on their way into the queue of a durable session.
    committing: usize,
    /// Topics of which the session has got something newer meanwhile.
    fresh: HashSet<Box<str>>,
}

/// One subscription whose retained messages are to be sent.
#[derive(Debug)]
struct Job {
    filter: Filter,
    qos: QoS,
    after: Option<Box<str>>,
    /// The subscription has ended while a page was being read: nothing of it may come
    /// [MQTT-3.10.4-2].
    forgotten: bool,
}

impl Session {
    /// A subscription was made that asks for them. One that is made again begins again.
    pub(super) fn want_retained(&mut self, filter: &Filter, qos: QoS) {
        self.forget_retained(filter);
        let job = Job { filter: filter.clone(), qos, after: None, forgotten: false };
        self.retained.get_or_insert_default().jobs.push_back(job);
    }

    pub(super) fn forget_retained(&mut self, filter: &Filter) {
        if let Some(retained) = &mut self.retained {
            // The page that is being read belongs to the first.
            let mut is_read = retained.reading;
            retained.jobs.retain_mut(|job| {
                let stays = std::mem::take(&mut is_read);
                job.forgotten |= job.filter == *filter;
                stays || !job.forgotten
            });
        }
    }

    /// Asks for the next page when all of the last one has been sent.
    pub(super) fn read_retained(&mut self, ctx: &mut Ctx<'_>) {
        let Some(retained) = &mut self.retained else { return };
        let all_taken = self.live.as_ref().is_none_or(|live| live.is_all_sent())
            && self.queue.as_ref().is_none_or(|queue| queue.is_at_end());
        let waits = retained.reading || retained.committing > 0;
        if waits || !all_taken || self.phase != Phase::Active || !ctx.has_room() {
            return;
        }
        match retained.jobs.front() {
            Some(Job { filter, after, .. }) => {
                let (filter, after) = (filter.clone(), after.clone());
                ctx.ask(Request::ReadRetained { filter, after });
                retained.reading = true;
            }
            None => self.retained = None,
        }
    }

    /// One page, and where the next one begins.
    pub(super) fn retained_page(
        &mut self,
        messages: Vec<Arc<Message>>,
        next: Option<Box<str>>,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(retained) = &mut self.retained else { return };
        retained.reading = false;
        let Some(job) = retained.jobs.front_mut() else { return };
        let (granted, forgotten) = (job.qos, job.forgotten);
        match next {
            Some(_) if !forgotten => job.after = next,
            _ => _ = retained.jobs.pop_front(),
        }
        for message in messages.into_iter().filter(|_| !forgotten) {
            self.retained_message(message, granted, ctx);
        }
        self.deliver(ctx);
    }

    /// A durable session gets it by its queue, so that it is not lost with the connection.
    fn retained_message(&mut self, message: Arc<Message>, granted: QoS, ctx: &mut Ctx<'_>) {
        let Some(retained) = &mut self.retained else { return };
        let expired = message.expires_at.is_some_and(|at| at <= ctx.stamp);
        if expired || retained.fresh.contains(&*message.topic) {
            return;
        }
        let delivery = Delivery::plain(granted.min(message.qos), true);
        if self.queue.is_some() && delivery.qos != QoS::AtMostOnce {
            retained.committing += 1;
            return ctx.ask(Request::Enqueue { message, delivery });
        }
        self.push_live(Waiting { message, delivery, seq: None }, ctx);
    }

    pub(super) fn retained_queued(&mut self, answer: Answer, ctx: &mut Ctx<'_>) {
        if let Answer::Refused(reason, words) = answer {
            return self.end(reason, words, ctx);
        }
        if let Some(retained) = &mut self.retained {
            retained.committing = retained.committing.saturating_sub(1);
        }
        self.read_retained(ctx);
    }

    /// A message that is newer than whatever a page may hold for its topic.
    pub(super) fn note_fresh(&mut self, topic: &str) {
        if let Some(retained) = &mut self.retained
            && retained.fresh.len() < FRESH_TOPICS_COUNT_MAX
            && !retained.fresh.contains(topic)
        {
            retained.fresh.insert(topic.into());
        }
    }
}

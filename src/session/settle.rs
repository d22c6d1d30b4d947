//! The settle time: a fresh connection gets no inbox mail until it has been quiet for a while, so
//! that a publish-only script does not eat the mail that waits for its owner (rulings 11 and 12).

use crate::model::Moment;

use super::reader::Position;
use super::{Ctx, LogName, Reader, Request, Session};

/// Mail waits until `quiet`, which each publish moves, but not beyond `latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    quiet: Moment,
    latest: Moment,
}

impl Settle {
    pub fn deadline(&self) -> Moment {
        self.quiet.min(self.latest)
    }
}

impl Session {
    /// Without a login there is no mail to wait for.
    pub(super) fn settle_begin(&mut self, ctx: &Ctx<'_>) {
        if self.key.uid.is_anonymous() {
            return;
        }
        self.settle = Some(Box::new(Settle {
            quiet: ctx.now.after(ctx.settings.settle),
            latest: ctx.now.after(ctx.settings.settle_max),
        }));
    }

    /// The client published, or a publish of it was answered.
    pub(super) fn settle_stir(&mut self, ctx: &Ctx<'_>) {
        if let Some(settle) = &mut self.settle {
            settle.quiet = ctx.now.after(ctx.settings.settle);
        }
    }

    pub(super) fn settle_tick(&mut self, ctx: &mut Ctx<'_>) {
        if self.settle.as_ref().is_some_and(|settle| ctx.now >= settle.deadline()) {
            self.settle_now(ctx);
        }
    }

    /// From here on the connection is a device that reads its mail.
    pub(super) fn settle_now(&mut self, ctx: &mut Ctx<'_>) {
        if self.settle.take().is_none() {
            return;
        }
        match self.inbox {
            Some(_) => self.deliver(ctx),
            None if self.is_device() => ctx.ask(Request::KnowDevice),
            None => {}
        }
    }

    /// The store knows the device: reading starts at its position.
    pub(super) fn known(&mut self, position: Position, ctx: &mut Ctx<'_>) {
        if self.inbox.is_none() {
            self.inbox = Some(Box::new(Reader::new(LogName::Inbox, position)));
        }
        self.deliver(ctx);
    }

    /// Raw or as envelopes; neither of them is a pause by UNSUBSCRIBE.
    pub(super) fn has_inbox(&self) -> bool {
        self.raw || self.envelope
    }

    pub(super) fn mail_flows(&self) -> bool {
        self.settle.is_none() && self.has_inbox()
    }
}

//! How a connection ends: by the client's DISCONNECT, by the server's, or by the network. What is
//! left to say and to store is said here, once.

use std::time::Duration;

use crate::model::{Moment, Reason, ShareId, Step};
use crate::mqtt::{ConnAck, Disconnect, Packet, Version, reason};

use super::code::{clip, in_connack, in_disconnect, put_reference, put_words};
use super::connect::whole_secs;
use super::live::Waiting;
use super::{Closing, Ctx, LogName, Phase, Request, Session};

impl Session {
    /// DISCONNECT from the client. Only the normal one drops the will [MQTT-3.14.4-3].
    pub(super) fn disconnect(&mut self, packet: Disconnect<'_>, ctx: &mut Ctx<'_>) {
        if let Some(secs) = packet.properties.session_expiry_secs() {
            if !self.is_durable() && secs > 0 {
                let words = "a session expiry at DISCONNECT, but none at CONNECT [MQTT-3.1.2.11]";
                return self.end(Reason::ProtocolError, words.into(), ctx);
            }
            let expiry = Duration::from_secs(secs.into()).min(ctx.settings.session_expiry_max);
            self.expiry_secs = whole_secs(expiry);
        }
        if packet.reason == reason::NORMAL_DISCONNECTION {
            self.will = None;
        }
        if self.publishing.as_ref().is_some_and(|publishing| publishing.has_ring) {
            ctx.ask(Request::Step { ticket: None, step: Step::CleanEnd });
        }
        self.finish(Closing::Client, ctx);
    }

    /// The server ends it: in words where the protocol has room for them.
    pub(super) fn end(&mut self, reason: Reason, words: Box<str>, ctx: &mut Ctx<'_>) {
        if self.phase == Phase::Ended {
            return;
        }
        let words = match *words == *reason.words() {
            true => words,
            false => format!("{}: {}", reason.words(), clip(&words)).into(),
        };
        match self.phase {
            Phase::Opening => self.refuse_connect(reason, &words, ctx),
            _ => self.write_disconnect(reason, &words, ctx),
        }
        if reason.ends_rights() && self.will.take().is_some() {
            ctx.tally.dropped.push(reason);
        }
        self.finish(Closing::Server(reason, words), ctx);
    }

    pub(super) fn login_is_over(&self, now: Moment) -> bool {
        self.login_expires <= now
    }

    /// Threat I5: a token that has expired ends the connection it opened.
    pub(super) fn end_login(&mut self, ctx: &mut Ctx<'_>) {
        self.end(Reason::LoginExpired, Reason::LoginExpired.words().into(), ctx);
    }

    pub(super) fn lost(&mut self, ctx: &mut Ctx<'_>) {
        self.finish(Closing::Network, ctx);
    }

    fn refuse_connect(&mut self, reason: Reason, words: &str, ctx: &mut Ctx<'_>) {
        self.reason_string(words, ctx);
        self.server_reference(reason, ctx);
        let code = in_connack(self.version, reason);
        let properties = ctx.properties.as_properties();
        let packet = Packet::ConnAck(ConnAck { session_present: false, code, properties });
        // Without room for it, the connection ends without words.
        let _ = ctx.wire.write_within(&packet, self.version, self.peer.packet_bytes_max);
    }

    /// MQTT 3.1.1 has no DISCONNECT from the server.
    fn write_disconnect(&mut self, reason: Reason, words: &str, ctx: &mut Ctx<'_>) {
        if self.version == Version::V5 {
            self.reason_string(words, ctx);
            self.server_reference(reason, ctx);
            let properties = ctx.properties.as_properties();
            let packet =
                Packet::Disconnect(Disconnect { reason: in_disconnect(reason), properties });
            ctx.wire.write(&packet, self.version);
        }
    }

    fn server_reference(&self, reason: Reason, ctx: &mut Ctx<'_>) {
        if reason == Reason::UseAnotherServer && self.version == Version::V5 {
            let reference = ctx.settings.server_reference.as_deref();
            put_reference(reference, self.peer.packet_bytes_max, ctx.properties);
        }
    }

    fn finish(&mut self, closing: Closing, ctx: &mut Ctx<'_>) {
        for log in [LogName::Inbox, LogName::Queue] {
            self.ask_advance(log, ctx);
        }
        if let Some(will) = self.will.take()
            && self.phase == Phase::Active
        {
            ctx.ask(Request::Will(will));
        }
        self.phase = Phase::Ended;
        ctx.ask(Request::Close(closing));
        self.hand_on_shared(ctx);
    }

    /// Behind the close: it must not come back here.
    fn hand_on_shared(&mut self, ctx: &mut Ctx<'_>) {
        let Some(live) = &mut self.live else { return };
        for Waiting { message, delivery, .. } in live.take_shared() {
            ctx.ask(Request::HandOn { message, delivery });
        }
    }

    /// The client has left a share: what it was not sent yet is for the others.
    pub(super) fn hand_on_waiting(&mut self, share: ShareId, ctx: &mut Ctx<'_>) {
        let Some(live) = &mut self.live else { return };
        for Waiting { message, delivery, .. } in live.take_waiting(Some(share)) {
            ctx.ask(Request::HandOn { message, delivery });
        }
    }

    /// Leaves a Reason String in `ctx.properties`, if the client takes such words.
    pub(super) fn reason_string(&self, words: &str, ctx: &mut Ctx<'_>) {
        ctx.properties.clear();
        if self.version == Version::V5 && self.peer.wants_reasons {
            put_words(words, self.peer.packet_bytes_max, ctx.properties);
        }
    }
}

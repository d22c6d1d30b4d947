//! SUBSCRIBE and UNSUBSCRIBE: on top of the subscription to the own inbox that every connection
//! has. The broker decides; a durable session's answer waits for the commit.

use crate::model::limit::FILTERS_PER_PACKET_COUNT_MAX;
use crate::model::target::{Interest, TargetError};
use crate::model::{Filter, QoS, Reason};
use crate::mqtt::{Packet, PacketId, SubAck, Subscribe, Unsubscribe, Version};

use super::code::in_suback;
use super::publish::model_qos;
use super::{Answer, Ctx, Phase, Request, Session, SubscriptionId};

/// The one failure code of a 3.1.1 SUBACK (section 3.9.3).
const FAILURE_311: u8 = 0x80;

/// One filter of a SUBSCRIBE, as the broker sees it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub filter: Box<str>,
    pub interest: Result<Interest, TargetError>,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    /// The byte of section 3.8.3.1, for the store.
    pub options: u8,
}

/// What the broker decided about one SUBSCRIBE or UNSUBSCRIBE, filter by filter.
#[derive(Clone, Debug)]
pub struct Granted {
    pub packet_id: u16,
    pub unsubscribe: bool,
    /// The QoS granted (or 0, or 0x11 "no subscription existed"), or why not, in words.
    pub results: Vec<Result<u8, (Reason, Box<str>)>>,
    pub interests: Vec<Option<Interest>>,
    /// Of these filters the retained messages are to be sent, at this QoS.
    pub retained: Vec<(Filter, QoS)>,
    /// The identifier that the filters of this SUBSCRIBE have from now on.
    pub id: Option<SubscriptionId>,
    /// A commit follows; the answer to the client waits for it.
    pub wait: bool,
}

impl Session {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe<'_>, ctx: &mut Ctx<'_>) {
        self.settle_stir(ctx);
        let asks: Vec<Ask> = subscribe
            .filters
            .iter()
            .map(|(filter, options)| Ask {
                filter: filter.into(),
                interest: ctx.settings.topics.interest(filter),
                qos: model_qos(options.qos),
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                options: options.to_byte(),
            })
            .collect();
        if asks.len() > FILTERS_PER_PACKET_COUNT_MAX {
            return self.too_many_filters(ctx);
        }
        let (packet_id, id) = (subscribe.packet_id.get(), subscribe.properties.subscription_id());
        ctx.ask(Request::Subscribe { packet_id, asks, id });
    }

    pub(super) fn unsubscribe(&mut self, unsubscribe: Unsubscribe<'_>, ctx: &mut Ctx<'_>) {
        let filters: Vec<Box<str>> = unsubscribe.filters.iter().map(Into::into).collect();
        if filters.len() > FILTERS_PER_PACKET_COUNT_MAX {
            return self.too_many_filters(ctx);
        }
        ctx.ask(Request::Unsubscribe { packet_id: unsubscribe.packet_id.get(), filters });
    }

    fn too_many_filters(&mut self, ctx: &mut Ctx<'_>) {
        let words = format!("more than {FILTERS_PER_PACKET_COUNT_MAX} filters in one packet");
        self.end(Reason::QuotaExceeded, words.into(), ctx);
    }

    pub(super) fn granted(&mut self, granted: Granted, ctx: &mut Ctx<'_>) {
        if granted.wait {
            self.awaiting.push(granted);
        } else {
            self.apply(granted, ctx);
        }
    }

    pub(super) fn filters_stored(&mut self, packet_id: u16, answer: Answer, ctx: &mut Ctx<'_>) {
        if let Answer::Refused(reason, words) = answer {
            return self.end(reason, words, ctx);
        }
        if let Some(place) = self.awaiting.iter().position(|g| g.packet_id == packet_id) {
            let granted = self.awaiting.remove(place);
            self.apply(granted, ctx);
        }
    }

    fn apply(&mut self, granted: Granted, ctx: &mut Ctx<'_>) {
        for (interest, result) in granted.interests.iter().zip(&granted.results) {
            match interest {
                Some(Interest::Inbox(_)) if result.is_ok() => self.raw = !granted.unsubscribe,
                Some(Interest::Plain(selector)) if granted.unsubscribe => {
                    match selector.share_id() {
                        Some(share) => self.hand_on_waiting(share, ctx),
                        None => self.forget_retained(selector.filter()),
                    }
                }
                Some(Interest::Envelope(_)) if result.is_ok() => {
                    self.envelope = !granted.unsubscribe;
                }
                _ => {}
            }
            if let (Some(interest), Ok(_)) = (interest, result) {
                self.set_subscription_id(interest, granted.id, ctx);
            }
        }
        self.write_suback(&granted, ctx);
        if self.phase == Phase::Ended {
            return;
        }
        for (filter, qos) in &granted.retained {
            self.want_retained(filter, *qos);
        }
        if !granted.unsubscribe {
            // Not before: what waits must come as the envelope that was just subscribed to.
            self.settle_now(ctx);
        }
        self.deliver(ctx);
    }

    fn write_suback(&mut self, granted: &Granted, ctx: &mut Ctx<'_>) {
        let Some(packet_id) = PacketId::new(granted.packet_id) else { return };
        let words = granted.results.iter().find_map(|result| result.as_ref().err());
        self.reason_string(words.map_or("", |(_, words)| words), ctx);
        let code = |result: &Result<u8, (Reason, Box<str>)>| match (result, self.version) {
            (Ok(code), _) => *code,
            (Err((reason, _)), Version::V5) => in_suback(*reason),
            (Err(_), _) => FAILURE_311,
        };
        let codes: Vec<u8> = granted.results.iter().map(code).collect();
        let properties = ctx.properties.as_properties();
        let suback = SubAck { packet_id, properties, codes: &codes };
        let packet = match granted.unsubscribe {
            true => Packet::UnsubAck(suback),
            false => Packet::SubAck(suback),
        };
        if !ctx.wire.write_within(&packet, self.version, self.peer.packet_bytes_max) {
            let words = "the answer is larger than its maximum packet size [MQTT-3.1.2-24]";
            self.end(Reason::PacketTooLarge, words.into(), ctx);
        }
    }
}

//! To the client: from the logs and from memory into the window (MQTT 5, section 4.9).

use std::sync::Arc;

use crate::model::{Delivery, Entry, Message, QoS, Reason, Seq, Step};
use crate::mqtt::{Ack, Packet, PacketId, Properties, Publish, encoded_bytes};

use super::alias::Named;
use super::live::{Live, Waiting};
use super::reader::Next;
use super::{Ctx, LogName, Phase, Reader, Request, Session};

/// Inbox mail has QoS 1 whatever it was published with (ruling 4).
pub const INBOX: Delivery = Delivery::plain(QoS::AtLeastOnce, false);

impl Session {
    pub(super) fn committed(&mut self, log: LogName, entry: Entry, ctx: &mut Ctx<'_>) {
        if log == LogName::Inbox && !self.is_device() {
            return self.live_mail(entry, ctx);
        }
        if log == LogName::Queue && !entry.delivery.retain {
            self.note_fresh(&entry.message.topic);
        }
        if let Some(reader) = self.reader(log) {
            reader.committed(entry);
            self.deliver(ctx);
        }
    }

    pub(super) fn read(&mut self, log: LogName, entries: Vec<Entry>, ctx: &mut Ctx<'_>) {
        let Some(reader) = self.reader(log) else { return };
        let before = reader.cursor();
        reader.read(entries);
        let after = reader.cursor();
        if after > before {
            self.ask_advance(log, ctx);
        }
        self.deliver(ctx);
    }

    pub(super) fn live(&mut self, message: &Arc<Message>, delivery: Delivery, ctx: &mut Ctx<'_>) {
        self.note_fresh(&message.topic);
        if self.passes_live(delivery.qos, ctx) {
            return self.send_live(message, delivery, ctx);
        }
        let waiting = Waiting { message: message.clone(), delivery, seq: None };
        self.live_waiting(waiting, ctx);
    }

    fn live_waiting(&mut self, waiting: Waiting, ctx: &mut Ctx<'_>) {
        self.push_live(waiting, ctx);
        if self.phase == Phase::Active {
            self.deliver_live(ctx);
        }
    }

    /// It need not wait for anything.
    fn passes_live(&self, qos: QoS, ctx: &Ctx<'_>) -> bool {
        let lets_through = |live: &Live| live.lets_through(qos, self.live_window(live, ctx));
        self.phase == Phase::Active
            && ctx.has_room()
            && match &self.live {
                Some(live) => lets_through(live),
                None => qos == QoS::AtMostOnce,
            }
    }

    fn send_live(&mut self, message: &Arc<Message>, delivery: Delivery, ctx: &mut Ctx<'_>) {
        let log = self.live_log();
        let packet_id = self.live.as_mut().and_then(|live| live.depart(message, delivery, log));
        if !self.write_live(message, delivery, packet_id, ctx) {
            self.forget_live(packet_id);
        }
    }

    fn forget_live(&mut self, packet_id: Option<u16>) {
        if let (Some(live), Some(packet_id)) = (&mut self.live, packet_id) {
            live.forget(packet_id);
        }
    }

    pub(super) fn push_live(&mut self, waiting: Waiting, ctx: &mut Ctx<'_>) {
        if !self.live.get_or_insert_default().push(waiting) {
            ctx.tally.dropped.push(Reason::SlowReader);
        }
    }

    /// A nameless connection gets what is committed while it is there, and keeps no cursor.
    fn live_mail(&mut self, Entry { message, seq, .. }: Entry, ctx: &mut Ctx<'_>) {
        if self.has_inbox() {
            self.live_waiting(Waiting { message, delivery: INBOX, seq: Some(seq) }, ctx);
        }
    }

    /// Sends whatever may be sent now and asks for what has to be read.
    pub(super) fn deliver(&mut self, ctx: &mut Ctx<'_>) {
        if self.phase != Phase::Active {
            return;
        }
        if self.mail_flows() {
            self.deliver_log(LogName::Inbox, ctx);
        }
        self.deliver_log(LogName::Queue, ctx);
        self.deliver_live(ctx);
        self.read_retained(ctx);
    }

    fn deliver_log(&mut self, log: LogName, ctx: &mut Ctx<'_>) {
        let free = self.free_window(ctx);
        let Some(mut reader) = self.slot(log).take() else { return };
        let window = reader.open() + free;
        let before = reader.cursor();
        while ctx.has_room() {
            match reader.next(window) {
                None => break,
                Some(Next::Release(seq)) => self.write_pubrel(log.packet_id(seq), 0, ctx),
                Some(Next::Publish { entry, dup: true })
                    if log == LogName::Queue && self.is_withheld(&entry.message, ctx) =>
                {
                    // The client may hold its packet id, which is free only by PUBREL.
                    match reader.received(entry.seq) {
                        Ok(true) => self.write_pubrel(log.packet_id(entry.seq), 0, ctx),
                        _ => reader.skip(entry.seq),
                    }
                }
                Some(Next::Publish { entry, dup }) => {
                    if !self.write_entry(log, &entry, dup, ctx) {
                        reader.skip(entry.seq);
                    }
                }
            }
        }
        if ctx.has_room()
            && let Some(after) = reader.wants_read()
        {
            ctx.ask(Request::Read { log, after });
        }
        let moved = reader.cursor() > before;
        *self.slot(log) = Some(reader);
        if moved {
            self.ask_advance(log, ctx);
        }
    }

    fn deliver_live(&mut self, ctx: &mut Ctx<'_>) {
        let log = self.live_log();
        while ctx.has_room()
            && let Some(live) = self.live.as_deref()
            && !live.is_all_sent()
        {
            let window = self.live_window(live, ctx);
            let next = self.live.as_mut().and_then(|live| live.next(window, log));
            let Some((Waiting { message, delivery, seq }, packet_id)) = next else { break };
            let written = match seq {
                Some(_) if is_expired(&message, ctx) => false,
                Some(seq) => self.write_mail(&message, seq, packet_id, false, ctx),
                None => self.write_live(&message, delivery, packet_id, ctx),
            };
            if !written {
                self.forget_live(packet_id);
            }
        }
    }

    /// Whose packet ids live messages get. A nameless connection reads no inbox, but may have a
    /// queue.
    fn live_log(&self) -> LogName {
        if self.queue.is_some() { LogName::Inbox } else { LogName::Queue }
    }

    /// How many of them may be in flight.
    fn live_window(&self, live: &Live, ctx: &Ctx<'_>) -> u16 {
        live.open() + self.free_window_beside(live.open(), ctx)
    }

    /// A copy for a subscription without a queue. False if it is not for this client any more.
    fn write_live(
        &mut self,
        message: &Message,
        delivery: Delivery,
        packet_id: Option<u16>,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        !is_expired(message, ctx)
            && !self.is_withheld(message, ctx)
            && self.write_publish(message, delivery, packet_id, None, false, ctx)
    }

    /// False if the record is not for this client any more: expired, larger than it accepts, or
    /// withheld by the policy.
    /// What a queue has sent before is sent again even so [MQTT-4.4.0-1]: the client may hold its
    /// packet id.
    fn write_entry(&mut self, log: LogName, entry: &Entry, dup: bool, ctx: &mut Ctx<'_>) -> bool {
        let Entry { message, delivery, seq } = entry;
        let owed = dup && log == LogName::Queue;
        if !owed && is_expired(message, ctx) {
            return false;
        }
        let packet_id = Some(log.packet_id(*seq));
        match log {
            LogName::Inbox => self.write_mail(message, *seq, packet_id, dup, ctx),
            LogName::Queue if self.is_withheld(message, ctx) => false,
            LogName::Queue => self.write_publish(message, *delivery, packet_id, None, dup, ctx),
        }
    }

    /// The policy forbids a plain message by now: it is counted, and its place is passed over.
    fn is_withheld(&self, message: &Message, ctx: &mut Ctx<'_>) -> bool {
        let withheld =
            ctx.may_receive.is_some_and(|may_receive| !may_receive(&self.identity, &message.topic));
        if withheld {
            ctx.tally.dropped.push(Reason::NotAuthorized);
        }
        withheld
    }

    /// A message of the inbox, raw or as an envelope.
    fn write_mail(
        &mut self,
        message: &Message,
        seq: Seq,
        packet_id: Option<u16>,
        dup: bool,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        match self.envelope {
            true => self.write_envelope(message, seq, packet_id, dup, ctx),
            false => self.write_publish(message, INBOX, packet_id, Some(seq), dup, ctx),
        }
    }

    /// `seq` is given for inbox mail: then the server's stamps go along.
    fn write_publish(
        &mut self,
        message: &Message,
        delivery: Delivery,
        packet_id: Option<u16>,
        seq: Option<Seq>,
        dup: bool,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        self.stamp_properties(message, delivery.share, seq, ctx);
        self.write_packet(&message.topic, &message.body, delivery, packet_id, dup, ctx)
    }

    /// Encodes a PUBLISH with the properties prepared in `ctx`. A packet larger than the client
    /// accepts is dropped and counted [MQTT-3.1.2-24].
    pub(super) fn write_packet(
        &mut self,
        topic: &str,
        payload: &[u8],
        delivery: Delivery,
        packet_id: Option<u16>,
        dup: bool,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let bare = Publish {
            dup,
            qos: super::publish::wire_qos(delivery.qos),
            retain: delivery.retain,
            topic,
            packet_id: packet_id.and_then(PacketId::new),
            properties: Properties::default(),
            payload,
        };
        let named = match self.takes_aliases() {
            true => {
                let plain = Publish { properties: ctx.properties.as_properties(), ..bare };
                self.name(topic, encoded_bytes(&Packet::Publish(plain), self.version))
            }
            false => Named::Topic,
        };
        named.push(ctx.properties);
        let topic_on_wire = if let Named::Known(_) = named { "" } else { topic };
        let properties = ctx.properties.as_properties();
        let packet = Publish { topic: topic_on_wire, properties, ..bare };
        if !ctx.wire.write_publish(&packet, self.version, self.peer.packet_bytes_max) {
            ctx.tally.dropped.push(Reason::PacketTooLarge);
            return false;
        }
        self.named(named, topic);
        ctx.tally.delivered[delivery.qos as usize] += 1;
        ctx.tally.traffic.payload_sent += payload.len() as u64;
        true
    }

    pub(super) fn write_pubrel(&mut self, packet_id: u16, reason: u8, ctx: &mut Ctx<'_>) {
        if let Some(packet_id) = PacketId::new(packet_id) {
            let ack = Ack { packet_id, reason, properties: Default::default() };
            ctx.wire.write(&Packet::PubRel(ack), self.version);
        }
    }

    /// Of the client's receive maximum and the server's own, what is not in flight.
    fn free_window(&self, ctx: &Ctx<'_>) -> u16 {
        self.free_window_beside(self.live.as_ref().map_or(0, |live| live.open()), ctx)
    }

    fn free_window_beside(&self, live: u16, ctx: &Ctx<'_>) -> u16 {
        let open = |reader: &Option<Box<Reader>>| reader.as_ref().map_or(0, |r| r.open());
        let used = live + open(&self.inbox) + open(&self.queue);
        self.peer.receive_maximum.min(ctx.settings.send_maximum).saturating_sub(used)
    }

    pub(super) fn ask_advance(&mut self, log: LogName, ctx: &mut Ctx<'_>) {
        if let Some(reader) = self.reader(log) {
            let (cursor, sent) = (reader.cursor(), reader.sent_ever());
            let completed = reader.take_completed();
            ctx.ask(Request::Advance { log, cursor, sent });
            // Behind the cursor, in this order: see `Flight::Completed`.
            for seq in completed {
                ctx.ask(Request::Step { ticket: None, step: Step::Completed { seq } });
            }
        }
    }

    pub(super) fn reader(&mut self, log: LogName) -> Option<&mut Reader> {
        self.slot(log).as_deref_mut()
    }

    fn slot(&mut self, log: LogName) -> &mut Option<Box<Reader>> {
        match log {
            LogName::Inbox => &mut self.inbox,
            LogName::Queue => &mut self.queue,
        }
    }

    /// Gives back memory that bursts left behind.
    pub(super) fn shrink(&mut self) {
        for reader in [&mut self.inbox, &mut self.queue].into_iter().flatten() {
            reader.shrink();
        }
        self.live.take_if(|live| live.is_idle());
        if let Some(publishing) = &mut self.publishing {
            publishing.shrink();
        }
    }
}

fn is_expired(message: &Message, ctx: &mut Ctx<'_>) -> bool {
    let expired = message.expires_at.is_some_and(|at| at <= ctx.stamp);
    ctx.tally.expired += u64::from(expired);
    expired
}

//! One publisher: stamps, sends, and counts what the broker has acknowledged.

use super::stream::Stamp;
use super::wires::Wires;
use crate::cli::exit::{Failure, REFUSED};
use crate::mqtt::{Ack, Packet, PacketId, Properties, Publish, QoS, reason};

/// One stream of messages from a connection to its topics, which are used in turn.
pub struct Sender {
    /// The connection.
    pub id: usize,
    pub topics: Vec<String>,
    pub qos: QoS,
    pub run: u64,
    /// What its messages say of it.
    pub publisher: u32,
    pub sent: u64,
    pub acked: u64,
}

impl Sender {
    /// Sends the next message. `payload` is room of the wanted size.
    pub fn send(&mut self, sent_nanos: u64, payload: &mut [u8], wires: &mut Wires) {
        self.send_as(self.sent, sent_nanos, payload, wires);
    }

    /// Sends the next message as the one after `before` others of the same connection.
    pub fn send_as(&mut self, before: u64, sent_nanos: u64, payload: &mut [u8], wires: &mut Wires) {
        let Sender { run, publisher, sent: sequence, .. } = *self;
        Stamp { run, publisher, sequence, sent_nanos }.write(payload);
        self.sent += 1;
        wires.send(
            self.id,
            &Packet::Publish(Publish {
                dup: false,
                qos: self.qos,
                retain: false,
                topic: self.topic(sequence),
                packet_id: self.packet_id(before),
                properties: Properties::default(),
                payload,
            }),
        );
        if self.qos == QoS::AtMostOnce {
            self.acked += 1;
        }
    }

    fn topic(&self, sequence: u64) -> &str {
        let turn = sequence % self.topics.len().max(1) as u64;
        self.topics.get(turn as usize).map_or("", String::as_str)
    }

    /// 1 to 65,535 and again; far more than may be under way.
    fn packet_id(&self, before: u64) -> Option<PacketId> {
        let id = PacketId::new((before % 65_535) as u16 + 1);
        id.filter(|_| self.qos > QoS::AtMostOnce)
    }

    /// Takes an answer of the broker; whether a message is done with.
    ///
    /// # Errors
    /// The broker refuses a message.
    pub fn answer(&mut self, packet: &Packet<'_>, wires: &mut Wires) -> Result<bool, Failure> {
        let (ack, last) = match packet {
            Packet::PubAck(ack) | Packet::PubComp(ack) => (ack, true),
            Packet::PubRec(ack) => (ack, false),
            _ => return Ok(false),
        };
        if reason::is_failure(ack.reason) {
            let name = reason::name(ack.reason);
            let topic = self.topic(self.acked);
            let words = format!("the broker refuses a message to '{topic}': {name}");
            return Err(Failure::new(REFUSED, words));
        }
        if last {
            self.acked += 1;
        } else {
            wires.send(self.id, &Packet::PubRel(Ack::ok(ack.packet_id)));
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Version;

    fn sender(qos: QoS) -> (Sender, Wires) {
        let mut wires = Wires::new(Version::V5);
        wires.add();
        let topics = vec!["a".into(), "b".into()];
        (Sender { id: 0, topics, qos, run: 1, publisher: 0, sent: 0, acked: 0 }, wires)
    }

    #[test]
    fn each_qos_is_done_with_its_last_answer() {
        let ack = |code| Ack { reason: code, ..Ack::ok(PacketId::MIN) };
        let (mut none, mut wires) = sender(QoS::AtMostOnce);
        none.send(1, &mut [0; 40], &mut wires);
        assert_eq!((none.sent, none.acked, none.packet_id(0)), (1, 1, None));
        let (mut two, mut wires) = sender(QoS::ExactlyOnce);
        two.send(1, &mut [0; 40], &mut wires);
        assert_eq!(two.answer(&Packet::PubRec(ack(0)), &mut wires), Ok(false));
        assert_eq!(two.answer(&Packet::PubComp(ack(0)), &mut wires), Ok(true));
        assert_eq!(two.acked, 1);
        let refused = two.answer(&Packet::PubRec(ack(0x87)), &mut wires).unwrap_err();
        assert!(refused.words.contains("not authorized"), "{refused:?}");
    }

    #[test]
    fn topics_are_used_in_turn() {
        let (one, _) = sender(QoS::AtMostOnce);
        assert_eq!([0, 1, 2, 3].map(|sequence| one.topic(sequence)), ["a", "b", "a", "b"]);
    }

    #[test]
    fn packet_ids_are_never_zero() {
        let (one, _) = sender(QoS::AtLeastOnce);
        for before in [0, 65_534, 65_535, 131_069] {
            assert!(one.packet_id(before).is_some(), "{before}");
        }
    }
}

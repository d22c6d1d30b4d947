//! Packets that a test's client sends.

use crate::mqtt::{
    Ack, Disconnect, FilterBuffer, FilterNameBuffer, Packet, PacketId, Properties, Publish, QoS,
    Subscribe, SubscribeOptions, Unsubscribe,
};
use crate::shard::Token;

use super::world::World;

pub fn publish<'a>(topic: &'a str, body: &'a str, qos: QoS, id: u16) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id: PacketId::new(id),
        properties: Properties::default(),
        payload: body.as_bytes(),
    }
}

pub fn ack(id: u16) -> Ack<'static> {
    Ack::ok(PacketId::new(id).unwrap())
}

impl World {
    pub fn publish(&mut self, token: Token, topic: &str, body: &str) {
        self.send(token, Packet::Publish(publish(topic, body, QoS::AtMostOnce, 0)));
    }

    pub fn publish1(&mut self, token: Token, topic: &str, body: &str, id: u16) {
        self.send(token, Packet::Publish(publish(topic, body, QoS::AtLeastOnce, id)));
    }

    pub fn publish2(&mut self, token: Token, topic: &str, body: &str, id: u16) {
        self.send(token, Packet::Publish(publish(topic, body, QoS::ExactlyOnce, id)));
    }

    pub fn resend(&mut self, token: Token, topic: &str, body: &str, qos: QoS, id: u16) {
        let publish = Publish { dup: true, ..publish(topic, body, qos, id) };
        self.send(token, Packet::Publish(publish));
    }

    pub fn subscribe(&mut self, token: Token, filter: &str, qos: QoS) {
        let mut filters = FilterBuffer::new();
        filters.push(filter, SubscribeOptions::plain(qos)).unwrap();
        let (packet_id, properties) = (PacketId::MIN, Properties::default());
        let filters = filters.as_filters();
        self.send(token, Packet::Subscribe(Subscribe { packet_id, properties, filters }));
    }

    pub fn unsubscribe(&mut self, token: Token, filter: &str) {
        let mut filters = FilterNameBuffer::new();
        filters.push(filter).unwrap();
        let (packet_id, properties) = (PacketId::MIN, Properties::default());
        let filters = filters.as_filters();
        self.send(token, Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
    }

    pub fn disconnect(&mut self, token: Token, reason: u8) {
        let packet = Disconnect { reason, properties: Properties::default() };
        self.send(token, Packet::Disconnect(packet));
    }

    pub fn puback(&mut self, token: Token, id: u16) {
        self.send(token, Packet::PubAck(ack(id)));
    }

    pub fn pubrec(&mut self, token: Token, id: u16) {
        self.send(token, Packet::PubRec(ack(id)));
    }

    pub fn pubrel(&mut self, token: Token, id: u16) {
        self.send(token, Packet::PubRel(ack(id)));
    }

    pub fn pubcomp(&mut self, token: Token, id: u16) {
        self.send(token, Packet::PubComp(ack(id)));
    }
}

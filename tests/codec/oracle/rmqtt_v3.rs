//! rmqtt-codec for MQTT 3.1.1.

use bytes::{Bytes, BytesMut};
use homing::mqtt::{Connect, Packet, Publish, QoS, Version};
use rmqtt_codec::types::{self, Protocol};
use rmqtt_codec::v3::{self, ConnectAckReason, SubscribeReturnCode};
use tokio_util::codec::{Decoder, Encoder};

use super::{Oracle, Read, by_code};

pub struct RmqttV3;

impl Oracle for RmqttV3 {
    const NAME: &'static str = "rmqtt 3.1.1";
    const VERSION: Version = Version::V311;
    type Packet = v3::Packet;

    fn read(input: &[u8]) -> Read<v3::Packet> {
        let mut buffer = BytesMut::from(input);
        match v3::Codec::new(0).decode(&mut buffer) {
            Ok(Some((packet, _))) => Read::Packet(packet, input.len() - buffer.len()),
            Ok(None) => Read::Incomplete,
            Err(error) => Read::Refused(format!("{error:?}")),
        }
    }

    fn write(packet: &v3::Packet) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        v3::Codec::new(0).encode(packet.clone(), &mut buffer).unwrap();
        buffer.to_vec()
    }

    fn of(packet: &Packet<'_>) -> Result<v3::Packet, &'static str> {
        Ok(match packet {
            Packet::Connect(connect) => connect_of(connect)?,
            Packet::ConnAck(connack) => v3::Packet::ConnectAck(v3::ConnectAck {
                return_code: by_code(&RETURN_CODES, connack.code, u8::from)?,
                session_present: connack.session_present,
            }),
            Packet::Publish(publish) => publish_of(publish),
            Packet::PubAck(ack) => v3::Packet::PublishAck { packet_id: ack.packet_id },
            Packet::PubRec(ack) => v3::Packet::PublishReceived { packet_id: ack.packet_id },
            Packet::PubRel(ack) => v3::Packet::PublishRelease { packet_id: ack.packet_id },
            Packet::PubComp(ack) => v3::Packet::PublishComplete { packet_id: ack.packet_id },
            Packet::Subscribe(subscribe) => v3::Packet::Subscribe {
                packet_id: subscribe.packet_id,
                topic_filters: subscribe
                    .filters
                    .iter()
                    .map(|(filter, options)| (filter.into(), qos(options.qos)))
                    .collect(),
            },
            Packet::SubAck(suback) => v3::Packet::SubscribeAck {
                packet_id: suback.packet_id,
                status: suback.codes.iter().copied().map(return_code).collect(),
            },
            Packet::Unsubscribe(unsubscribe) => v3::Packet::Unsubscribe {
                packet_id: unsubscribe.packet_id,
                topic_filters: unsubscribe.filters.iter().map(Into::into).collect(),
            },
            Packet::UnsubAck(ack) => v3::Packet::UnsubscribeAck { packet_id: ack.packet_id },
            Packet::PingReq => v3::Packet::PingRequest,
            Packet::PingResp => v3::Packet::PingResponse,
            Packet::Disconnect(_) => v3::Packet::Disconnect,
            Packet::Auth(_) => return Err("no AUTH in 3.1.1"),
        })
    }
}

const RETURN_CODES: [ConnectAckReason; 6] = [
    ConnectAckReason::ConnectionAccepted,
    ConnectAckReason::UnacceptableProtocolVersion,
    ConnectAckReason::IdentifierRejected,
    ConnectAckReason::ServiceUnavailable,
    ConnectAckReason::BadUserNameOrPassword,
    ConnectAckReason::NotAuthorized,
];

pub fn qos(qos: QoS) -> types::QoS {
    match qos {
        QoS::AtMostOnce => types::QoS::AtMostOnce,
        QoS::AtLeastOnce => types::QoS::AtLeastOnce,
        QoS::ExactlyOnce => types::QoS::ExactlyOnce,
    }
}

fn return_code(code: u8) -> SubscribeReturnCode {
    QoS::try_from(code)
        .map_or(SubscribeReturnCode::Failure, |granted| SubscribeReturnCode::Success(qos(granted)))
}

fn connect_of(connect: &Connect<'_>) -> Result<v3::Packet, &'static str> {
    if connect.client_id.is_empty() && !connect.clean_start {
        return Err("an empty client id with a durable session is the session's to refuse");
    }
    let last_will = connect.will.map(|will| v3::LastWill {
        qos: qos(will.qos),
        retain: will.retain,
        topic: will.topic.into(),
        message: Bytes::copy_from_slice(will.payload),
    });
    Ok(v3::Packet::Connect(Box::new(v3::Connect {
        protocol: Protocol(connect.version.level()),
        clean_session: connect.clean_start,
        keep_alive: connect.keep_alive_secs,
        last_will,
        client_id: connect.client_id.into(),
        username: connect.username.map(Into::into),
        password: connect.password.map(Bytes::copy_from_slice),
        cert: None,
    })))
}

fn publish_of(publish: &Publish<'_>) -> v3::Packet {
    v3::Packet::Publish(Box::new(types::Publish {
        dup: publish.dup,
        retain: publish.retain,
        qos: qos(publish.qos),
        topic: publish.topic.into(),
        packet_id: publish.packet_id,
        payload: Bytes::copy_from_slice(publish.payload),
        properties: None,
    }))
}

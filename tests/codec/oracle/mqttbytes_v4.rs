//! mqttbytes for MQTT 3.1.1.

use bytes::{Bytes, BytesMut};
use homing::mqtt::{Connect, Packet, PacketId, Publish, QoS, Version};
use mqttbytes::v4::{self, ConnectReturnCode, SubscribeReasonCode};

use super::{Oracle, Read, by_code};

pub struct MqttbytesV4;

impl Oracle for MqttbytesV4 {
    const NAME: &'static str = "mqttbytes 3.1.1";
    const VERSION: Version = Version::V311;
    type Packet = v4::Packet;

    fn read(input: &[u8]) -> Read<v4::Packet> {
        let mut buffer = BytesMut::from(input);
        match v4::read(&mut buffer, usize::MAX) {
            Ok(packet) => Read::Packet(packet, input.len() - buffer.len()),
            Err(error) => refusal(input, buffer.len(), error),
        }
    }

    fn write(packet: &v4::Packet) -> Vec<u8> {
        let mut out = BytesMut::new();
        match packet {
            v4::Packet::Connect(p) => p.write(&mut out),
            v4::Packet::ConnAck(p) => p.write(&mut out),
            v4::Packet::Publish(p) => p.write(&mut out),
            v4::Packet::PubAck(p) => p.write(&mut out),
            v4::Packet::PubRec(p) => p.write(&mut out),
            v4::Packet::PubRel(p) => p.write(&mut out),
            v4::Packet::PubComp(p) => p.write(&mut out),
            v4::Packet::Subscribe(p) => p.write(&mut out),
            v4::Packet::SubAck(p) => p.write(&mut out),
            v4::Packet::Unsubscribe(p) => p.write(&mut out),
            v4::Packet::UnsubAck(p) => p.write(&mut out),
            v4::Packet::PingReq => v4::PingReq.write(&mut out),
            v4::Packet::PingResp => v4::PingResp.write(&mut out),
            v4::Packet::Disconnect => v4::Disconnect.write(&mut out),
        }
        .unwrap();
        out.to_vec()
    }

    fn of(packet: &Packet<'_>) -> Result<v4::Packet, &'static str> {
        Ok(match packet {
            Packet::Connect(connect) => v4::Packet::Connect(connect_of(connect)?),
            Packet::ConnAck(connack) => v4::Packet::ConnAck(v4::ConnAck {
                session_present: connack.session_present,
                code: by_code(&RETURN_CODES, connack.code, |code| code as u8)?,
            }),
            Packet::Publish(publish) => v4::Packet::Publish(publish_of(publish)),
            Packet::PubAck(ack) => v4::Packet::PubAck(v4::PubAck::new(ack.packet_id.get())),
            Packet::PubRec(ack) => v4::Packet::PubRec(v4::PubRec::new(ack.packet_id.get())),
            Packet::PubRel(ack) => v4::Packet::PubRel(v4::PubRel::new(ack.packet_id.get())),
            Packet::PubComp(ack) => v4::Packet::PubComp(v4::PubComp::new(ack.packet_id.get())),
            Packet::Subscribe(subscribe) => v4::Packet::Subscribe(v4::Subscribe {
                pkid: subscribe.packet_id.get(),
                filters: subscribe
                    .filters
                    .iter()
                    .map(|(filter, options)| {
                        v4::SubscribeFilter::new(filter.into(), qos(options.qos))
                    })
                    .collect(),
            }),
            Packet::SubAck(suback) => v4::Packet::SubAck(v4::SubAck::new(
                suback.packet_id.get(),
                suback.codes.iter().copied().map(reason).collect(),
            )),
            Packet::Unsubscribe(unsubscribe) => v4::Packet::Unsubscribe(v4::Unsubscribe {
                pkid: unsubscribe.packet_id.get(),
                topics: unsubscribe.filters.iter().map(Into::into).collect(),
            }),
            Packet::UnsubAck(ack) => v4::Packet::UnsubAck(v4::UnsubAck::new(ack.packet_id.get())),
            Packet::PingReq => v4::Packet::PingReq,
            Packet::PingResp => v4::Packet::PingResp,
            Packet::Disconnect(_) => v4::Packet::Disconnect,
            Packet::Auth(_) => return Err("no AUTH in 3.1.1"),
        })
    }
}

/// It takes a frame out of the buffer before it looks inside: an untouched buffer is one that
/// waits, and lacking bytes afterwards are a frame that says less than it holds.
pub fn refusal<P>(input: &[u8], left: usize, error: mqttbytes::Error) -> Read<P> {
    match error {
        mqttbytes::Error::InsufficientBytes(_) if left == input.len() => Read::Incomplete,
        error => Read::Refused(format!("{error:?}")),
    }
}

const RETURN_CODES: [ConnectReturnCode; 6] = [
    ConnectReturnCode::Success,
    ConnectReturnCode::RefusedProtocolVersion,
    ConnectReturnCode::BadClientId,
    ConnectReturnCode::ServiceUnavailable,
    ConnectReturnCode::BadUserNamePassword,
    ConnectReturnCode::NotAuthorized,
];

pub fn qos(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn reason(code: u8) -> SubscribeReasonCode {
    QoS::try_from(code)
        .map_or(SubscribeReasonCode::Failure, |granted| SubscribeReasonCode::Success(qos(granted)))
}

/// User name and password as it holds them: text, where empty and absent are the same.
pub fn login(connect: &Connect<'_>) -> Result<Option<(String, String)>, &'static str> {
    let password = std::str::from_utf8(connect.password.unwrap_or_default())
        .map_err(|_| "no password that is not text")?;
    let username = connect.username.unwrap_or_default();
    if connect.username == Some("") || connect.password == Some(b"") {
        return Err("no empty user name or password");
    }
    Ok((!username.is_empty() || !password.is_empty())
        .then(|| (username.to_owned(), password.to_owned())))
}

fn connect_of(connect: &Connect<'_>) -> Result<v4::Connect, &'static str> {
    let last_will = connect.will.map(|will| v4::LastWill {
        topic: will.topic.into(),
        message: Bytes::copy_from_slice(will.payload),
        qos: qos(will.qos),
        retain: will.retain,
    });
    Ok(v4::Connect {
        protocol: mqttbytes::Protocol::V4,
        keep_alive: connect.keep_alive_secs,
        client_id: connect.client_id.into(),
        clean_session: connect.clean_start,
        last_will,
        login: login(connect)?.map(|(username, password)| v4::Login { username, password }),
    })
}

fn publish_of(publish: &Publish<'_>) -> v4::Publish {
    v4::Publish {
        dup: publish.dup,
        qos: qos(publish.qos),
        retain: publish.retain,
        topic: publish.topic.into(),
        pkid: publish.packet_id.map_or(0, PacketId::get),
        payload: Bytes::copy_from_slice(publish.payload),
    }
}

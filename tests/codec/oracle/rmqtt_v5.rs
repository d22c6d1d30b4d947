//! rmqtt-codec for MQTT 5.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use homing::mqtt::{
    Ack, Connect, Packet, Properties, Publish, QoS, RetainHandling, SubAck, Subscribe, Version,
    Will,
};
use rmqtt_codec::v5::{self, UserProperties};
use rmqtt_codec::{error::DecodeError, types};
use tokio_util::codec::{Decoder, Encoder};

use super::rmqtt_v3::qos;
use super::{Oracle, Read};

pub struct RmqttV5;

impl Oracle for RmqttV5 {
    const NAME: &'static str = "rmqtt 5";
    const VERSION: Version = Version::V5;
    type Packet = v5::Packet;

    fn read(input: &[u8]) -> Read<v5::Packet> {
        let mut buffer = BytesMut::from(input);
        match v5::Codec::new(0, 0).decode(&mut buffer) {
            Ok(Some((packet, _))) => Read::Packet(packet, input.len() - buffer.len()),
            Ok(None) => Read::Incomplete,
            Err(error) => Read::Refused(format!("{error:?}")),
        }
    }

    fn write(packet: &v5::Packet) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        v5::Codec::new(0, 0).encode(packet.clone(), &mut buffer).unwrap();
        buffer.to_vec()
    }

    fn of(packet: &Packet<'_>) -> Result<v5::Packet, &'static str> {
        Ok(match packet {
            Packet::Connect(connect) => v5::Packet::Connect(Box::new(connect_of(connect)?)),
            Packet::ConnAck(connack) => v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
                session_present: connack.session_present,
                reason_code: code(connack.code)?,
                ..connack_of(&connack.properties)
            })),
            Packet::Publish(publish) => v5::Packet::Publish(Box::new(publish_of(publish)?)),
            Packet::PubAck(ack) => v5::Packet::PublishAck(ack_of(ack)?),
            Packet::PubRec(ack) => v5::Packet::PublishReceived(ack_of(ack)?),
            Packet::PubRel(ack) => v5::Packet::PublishRelease(ack2_of(ack)?),
            Packet::PubComp(ack) => v5::Packet::PublishComplete(ack2_of(ack)?),
            Packet::Subscribe(subscribe) => v5::Packet::Subscribe(subscribe_of(subscribe)),
            Packet::SubAck(ack) => v5::Packet::SubscribeAck(v5::SubscribeAck {
                packet_id: ack.packet_id,
                properties: user(&ack.properties),
                reason_string: ack.properties.reason_string().map(Into::into),
                status: codes(ack)?,
            }),
            Packet::Unsubscribe(unsubscribe) => v5::Packet::Unsubscribe(v5::Unsubscribe {
                packet_id: unsubscribe.packet_id,
                user_properties: user(&unsubscribe.properties),
                topic_filters: unsubscribe.filters.iter().map(Into::into).collect(),
            }),
            Packet::UnsubAck(ack) => v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
                packet_id: ack.packet_id,
                properties: user(&ack.properties),
                reason_string: ack.properties.reason_string().map(Into::into),
                status: codes(ack)?,
            }),
            Packet::PingReq => v5::Packet::PingRequest,
            Packet::PingResp => v5::Packet::PingResponse,
            Packet::Disconnect(disconnect) => v5::Packet::Disconnect(v5::Disconnect {
                reason_code: code(disconnect.reason)?,
                session_expiry_interval_secs: disconnect.properties.session_expiry_secs(),
                server_reference: disconnect.properties.server_reference().map(Into::into),
                reason_string: disconnect.properties.reason_string().map(Into::into),
                user_properties: user(&disconnect.properties),
            }),
            Packet::Auth(auth) => v5::Packet::Auth(v5::Auth {
                reason_code: code(auth.reason)?,
                auth_method: auth.properties.authentication_method().map(Into::into),
                auth_data: auth.properties.authentication_data().map(Bytes::copy_from_slice),
                reason_string: auth.properties.reason_string().map(Into::into),
                user_properties: user(&auth.properties),
            }),
        })
    }
}

fn code<T: TryFrom<u8, Error = DecodeError>>(code: u8) -> Result<T, &'static str> {
    T::try_from(code).map_err(|_| "no such reason code")
}

fn codes<T: TryFrom<u8, Error = DecodeError>>(ack: &SubAck<'_>) -> Result<Vec<T>, &'static str> {
    ack.codes.iter().map(|byte| code(*byte)).collect()
}

fn user(properties: &Properties<'_>) -> UserProperties {
    properties.user_properties().map(|(name, value)| (name.into(), value.into())).collect()
}

fn expiry(properties: &Properties<'_>) -> Result<Option<NonZeroU32>, &'static str> {
    match properties.message_expiry_secs() {
        Some(0) => Err("no message expiry of 0"),
        secs => Ok(secs.and_then(NonZeroU32::new)),
    }
}

fn ack_of(ack: &Ack<'_>) -> Result<v5::PublishAck, &'static str> {
    Ok(v5::PublishAck {
        packet_id: ack.packet_id,
        reason_code: code(ack.reason)?,
        properties: user(&ack.properties),
        reason_string: ack.properties.reason_string().map(Into::into),
    })
}

fn ack2_of(ack: &Ack<'_>) -> Result<v5::PublishAck2, &'static str> {
    Ok(v5::PublishAck2 {
        packet_id: ack.packet_id,
        reason_code: code(ack.reason)?,
        properties: user(&ack.properties),
        reason_string: ack.properties.reason_string().map(Into::into),
    })
}

fn subscribe_of(subscribe: &Subscribe<'_>) -> v5::Subscribe {
    let handling = |handling| match handling {
        RetainHandling::SendAtSubscribe => v5::RetainHandling::AtSubscribe,
        RetainHandling::SendIfNew => v5::RetainHandling::AtSubscribeNew,
        RetainHandling::DoNotSend => v5::RetainHandling::NoAtSubscribe,
    };
    v5::Subscribe {
        packet_id: subscribe.packet_id,
        id: subscribe.properties.subscription_id().and_then(NonZeroU32::new),
        user_properties: user(&subscribe.properties),
        topic_filters: subscribe
            .filters
            .iter()
            .map(|(filter, options)| {
                let theirs = v5::SubscriptionOptions {
                    qos: qos(options.qos),
                    no_local: options.no_local,
                    retain_as_published: options.retain_as_published,
                    retain_handling: handling(options.retain_handling),
                };
                (filter.into(), theirs)
            })
            .collect(),
    }
}

fn publish_of(publish: &Publish<'_>) -> Result<types::Publish, &'static str> {
    let properties = &publish.properties;
    Ok(types::Publish {
        dup: publish.dup,
        retain: publish.retain,
        qos: qos(publish.qos),
        topic: publish.topic.into(),
        packet_id: publish.packet_id,
        payload: Bytes::copy_from_slice(publish.payload),
        properties: Some(v5::PublishProperties {
            topic_alias: properties.topic_alias().and_then(NonZeroU16::new),
            correlation_data: properties.correlation_data().map(Bytes::copy_from_slice),
            message_expiry_interval: expiry(properties)?,
            content_type: properties.content_type().map(Into::into),
            user_properties: user(properties),
            is_utf8_payload: properties.payload_is_text(),
            response_topic: properties.response_topic().map(Into::into),
            subscription_ids: properties.subscription_ids().filter_map(NonZeroU32::new).collect(),
        }),
    })
}

fn will_of(will: &Will<'_>) -> Result<v5::LastWill, &'static str> {
    let properties = &will.properties;
    let declared = properties
        .iter()
        .any(|property| matches!(property, homing::mqtt::Property::PayloadFormatIndicator(_)));
    Ok(v5::LastWill {
        qos: qos(will.qos),
        retain: will.retain,
        topic: will.topic.into(),
        message: Bytes::copy_from_slice(will.payload),
        will_delay_interval_sec: properties.will_delay_secs(),
        correlation_data: properties.correlation_data().map(Bytes::copy_from_slice),
        message_expiry_interval: expiry(properties)?,
        content_type: properties.content_type().map(Into::into),
        user_properties: user(properties),
        is_utf8_payload: declared.then_some(properties.payload_is_text()),
        response_topic: properties.response_topic().map(Into::into),
    })
}

fn connect_of(connect: &Connect<'_>) -> Result<v5::Connect, &'static str> {
    if connect.client_id.is_empty() && !connect.clean_start {
        return Err("an empty client id with a durable session is the session's to refuse");
    }
    let properties = &connect.properties;
    Ok(v5::Connect {
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive_secs,
        session_expiry_interval_secs: properties.session_expiry_secs().unwrap_or(0),
        auth_method: properties.authentication_method().map(Into::into),
        auth_data: properties.authentication_data().map(Bytes::copy_from_slice),
        request_problem_info: properties.request_problem_information().unwrap_or(true),
        request_response_info: properties.request_response_information().unwrap_or(false),
        receive_max: properties.receive_maximum().and_then(NonZeroU16::new),
        topic_alias_max: properties.topic_alias_maximum().unwrap_or(0),
        user_properties: user(properties),
        max_packet_size: properties.maximum_packet_size().and_then(NonZeroU32::new),
        last_will: connect.will.as_ref().map(will_of).transpose()?,
        client_id: connect.client_id.into(),
        username: connect.username.map(Into::into),
        password: connect.password.map(Bytes::copy_from_slice),
        cert: None,
    })
}

fn connack_of(properties: &Properties<'_>) -> v5::ConnectAck {
    let qos_max = properties.maximum_qos().and_then(|qos| QoS::try_from(qos).ok());
    v5::ConnectAck {
        session_expiry_interval_secs: properties.session_expiry_secs(),
        receive_max: properties
            .receive_maximum()
            .and_then(NonZeroU16::new)
            .unwrap_or(NonZeroU16::MAX),
        max_qos: qos_max.map_or(types::QoS::ExactlyOnce, qos),
        max_packet_size: properties.maximum_packet_size(),
        assigned_client_id: properties.assigned_client_id().map(Into::into),
        topic_alias_max: properties.topic_alias_maximum().unwrap_or(0),
        retain_available: properties.retain_available().unwrap_or(true),
        wildcard_subscription_available: properties
            .wildcard_subscription_available()
            .unwrap_or(true),
        subscription_identifiers_available: properties.subscription_id_available().unwrap_or(true),
        shared_subscription_available: properties.shared_subscription_available().unwrap_or(true),
        server_keepalive_sec: properties.server_keep_alive_secs(),
        response_info: properties.response_information().map(Into::into),
        server_reference: properties.server_reference().map(Into::into),
        auth_method: properties.authentication_method().map(Into::into),
        auth_data: properties.authentication_data().map(Bytes::copy_from_slice),
        reason_string: properties.reason_string().map(Into::into),
        user_properties: user(properties),
        ..v5::ConnectAck::default()
    }
}

//! mqttbytes for MQTT 5, without AUTH, which it does not have.

use bytes::{Bytes, BytesMut};
use homing::mqtt::{
    Connect, Disconnect, Packet, PacketId, Properties, Property, Publish, RetainHandling,
    Subscribe, Version, Will,
};
use mqttbytes::v5::{self, PubAckReason, PubCompReason, PubRecReason, PubRelReason};

use super::mqttbytes_v4::{login, qos, refusal};
use super::mqttbytes_v5_codes::{CONNACK, PUBACK, PUBREC, UNSUBACK};
use super::{Oracle, Read, by_code};

pub struct MqttbytesV5;

/// Builds one of its many structs of a reason string and user properties; None if both are absent.
macro_rules! diagnostics {
    ($kind:ident, $properties:expr) => {
        (!$properties.is_empty()).then(|| v5::$kind {
            reason_string: $properties.reason_string().map(Into::into),
            user_properties: user($properties),
        })
    };
}

impl Oracle for MqttbytesV5 {
    const NAME: &'static str = "mqttbytes 5";
    const VERSION: Version = Version::V5;
    type Packet = v5::Packet;

    fn read(input: &[u8]) -> Read<v5::Packet> {
        let mut buffer = BytesMut::from(input);
        match v5::read(&mut buffer, usize::MAX) {
            Ok(packet) => Read::Packet(packet, input.len() - buffer.len()),
            Err(error) => refusal(input, buffer.len(), error),
        }
    }

    fn write(packet: &v5::Packet) -> Vec<u8> {
        let mut out = BytesMut::new();
        match packet {
            v5::Packet::Connect(p) => p.write(&mut out),
            v5::Packet::ConnAck(p) => p.write(&mut out),
            v5::Packet::Publish(p) => p.write(&mut out),
            v5::Packet::PubAck(p) => p.write(&mut out),
            v5::Packet::PubRec(p) => p.write(&mut out),
            v5::Packet::PubRel(p) => p.write(&mut out),
            v5::Packet::PubComp(p) => p.write(&mut out),
            v5::Packet::Subscribe(p) => p.write(&mut out),
            v5::Packet::SubAck(p) => p.write(&mut out),
            v5::Packet::Unsubscribe(p) => p.write(&mut out),
            v5::Packet::UnsubAck(p) => p.write(&mut out),
            v5::Packet::PingReq => v5::PingReq.write(&mut out),
            v5::Packet::PingResp => v5::PingResp.write(&mut out),
            v5::Packet::Disconnect(p) => p.write(&mut out),
        }
        .unwrap();
        out.to_vec()
    }

    fn of(packet: &Packet<'_>) -> Result<v5::Packet, &'static str> {
        Ok(match packet {
            Packet::Connect(connect) => v5::Packet::Connect(connect_of(connect)?),
            Packet::ConnAck(connack) => v5::Packet::ConnAck(v5::ConnAck {
                session_present: connack.session_present,
                code: by_code(&CONNACK, connack.code, |code| code as u8)?,
                properties: connack_of(&connack.properties),
            }),
            Packet::Publish(publish) => v5::Packet::Publish(publish_of(publish)),
            Packet::PubAck(ack) => v5::Packet::PubAck(v5::PubAck {
                pkid: ack.packet_id.get(),
                reason: by_code::<PubAckReason>(&PUBACK, ack.reason, |code| code as u8)?,
                properties: diagnostics!(PubAckProperties, &ack.properties),
            }),
            Packet::PubRec(ack) => v5::Packet::PubRec(v5::PubRec {
                pkid: ack.packet_id.get(),
                reason: by_code::<PubRecReason>(&PUBREC, ack.reason, |code| code as u8)?,
                properties: diagnostics!(PubRecProperties, &ack.properties),
            }),
            Packet::PubRel(ack) => v5::Packet::PubRel(v5::PubRel {
                pkid: ack.packet_id.get(),
                reason: match ack.reason {
                    0 => PubRelReason::Success,
                    _ => PubRelReason::PacketIdentifierNotFound,
                },
                properties: diagnostics!(PubRelProperties, &ack.properties),
            }),
            Packet::PubComp(ack) => v5::Packet::PubComp(v5::PubComp {
                pkid: ack.packet_id.get(),
                reason: match ack.reason {
                    0 => PubCompReason::Success,
                    _ => PubCompReason::PacketIdentifierNotFound,
                },
                properties: diagnostics!(PubCompProperties, &ack.properties),
            }),
            Packet::Subscribe(subscribe) => v5::Packet::Subscribe(subscribe_of(subscribe)),
            Packet::SubAck(ack) => v5::Packet::SubAck(v5::SubAck {
                pkid: ack.packet_id.get(),
                return_codes: codes(ack.codes, |code| code.try_into().ok())?,
                properties: diagnostics!(SubAckProperties, &ack.properties),
            }),
            Packet::Unsubscribe(unsubscribe) => v5::Packet::Unsubscribe(v5::Unsubscribe {
                pkid: unsubscribe.packet_id.get(),
                filters: unsubscribe.filters.iter().map(Into::into).collect(),
                properties: (!unsubscribe.properties.is_empty()).then(|| {
                    v5::UnsubscribeProperties { user_properties: user(&unsubscribe.properties) }
                }),
            }),
            Packet::UnsubAck(ack) => v5::Packet::UnsubAck(v5::UnsubAck {
                pkid: ack.packet_id.get(),
                reasons: codes(ack.codes, |code| by_code(&UNSUBACK, code, |one| one as u8).ok())?,
                properties: diagnostics!(UnsubAckProperties, &ack.properties),
            }),
            Packet::PingReq => v5::Packet::PingReq,
            Packet::PingResp => v5::Packet::PingResp,
            Packet::Disconnect(disconnect) => v5::Packet::Disconnect(disconnect_of(disconnect)?),
            Packet::Auth(_) => return Err("no AUTH"),
        })
    }
}

fn user(properties: &Properties<'_>) -> Vec<(String, String)> {
    properties.user_properties().map(|(name, value)| (name.into(), value.into())).collect()
}

fn codes<T>(codes: &[u8], read: impl Fn(u8) -> Option<T>) -> Result<Vec<T>, &'static str> {
    codes.iter().map(|code| read(*code).ok_or("no such reason code")).collect()
}

fn data(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(data)
}

fn disconnect_of(disconnect: &Disconnect<'_>) -> Result<v5::Disconnect, &'static str> {
    let properties = &disconnect.properties;
    if properties.is_empty() {
        // Neither read nor written right: it wants a property length behind every reason, and
        // a reason in the empty packet.
        return Err("no DISCONNECT in its short forms");
    }
    Ok(v5::Disconnect {
        reason_code: disconnect.reason.try_into().map_err(|_| "no such reason code")?,
        properties: Some(v5::DisconnectProperties {
            session_expiry_interval: properties.session_expiry_secs(),
            reason_string: properties.reason_string().map(Into::into),
            user_properties: user(properties),
            server_reference: properties.server_reference().map(Into::into),
        }),
    })
}

fn subscribe_of(subscribe: &Subscribe<'_>) -> v5::Subscribe {
    let properties = &subscribe.properties;
    let rule = |handling| match handling {
        RetainHandling::SendAtSubscribe => v5::RetainForwardRule::OnEverySubscribe,
        RetainHandling::SendIfNew => v5::RetainForwardRule::OnNewSubscribe,
        RetainHandling::DoNotSend => v5::RetainForwardRule::Never,
    };
    v5::Subscribe {
        pkid: subscribe.packet_id.get(),
        filters: subscribe
            .filters
            .iter()
            .map(|(filter, options)| v5::SubscribeFilter {
                path: filter.into(),
                qos: qos(options.qos),
                nolocal: options.no_local,
                preserve_retain: options.retain_as_published,
                retain_forward_rule: rule(options.retain_handling),
            })
            .collect(),
        properties: (!properties.is_empty()).then(|| v5::SubscribeProperties {
            id: properties.subscription_id().map(|id| id as usize),
            user_properties: user(properties),
        }),
    }
}

/// The indicator as it is, not as what it means.
fn payload_format(properties: &Properties<'_>) -> Option<u8> {
    properties.iter().find_map(|property| match property {
        Property::PayloadFormatIndicator(value) => Some(value),
        _ => None,
    })
}

fn publish_of(publish: &Publish<'_>) -> v5::Publish {
    let properties = &publish.properties;
    v5::Publish {
        dup: publish.dup,
        qos: qos(publish.qos),
        retain: publish.retain,
        topic: publish.topic.into(),
        pkid: publish.packet_id.map_or(0, PacketId::get),
        payload: data(publish.payload),
        properties: (!properties.is_empty()).then(|| v5::PublishProperties {
            payload_format_indicator: payload_format(properties),
            message_expiry_interval: properties.message_expiry_secs(),
            topic_alias: properties.topic_alias(),
            response_topic: properties.response_topic().map(Into::into),
            correlation_data: properties.correlation_data().map(data),
            user_properties: user(properties),
            subscription_identifiers: properties.subscription_ids().map(|id| id as usize).collect(),
            content_type: properties.content_type().map(Into::into),
        }),
    }
}

fn will_of(will: &Will<'_>) -> v5::LastWill {
    let properties = &will.properties;
    v5::LastWill {
        topic: will.topic.into(),
        message: data(will.payload),
        qos: qos(will.qos),
        retain: will.retain,
        properties: (!properties.is_empty()).then(|| v5::WillProperties {
            delay_interval: properties.will_delay_secs(),
            payload_format_indicator: payload_format(properties),
            message_expiry_interval: properties.message_expiry_secs(),
            content_type: properties.content_type().map(Into::into),
            response_topic: properties.response_topic().map(Into::into),
            correlation_data: properties.correlation_data().map(data),
            user_properties: user(properties),
        }),
    }
}

fn connect_of(connect: &Connect<'_>) -> Result<v5::Connect, &'static str> {
    let properties = &connect.properties;
    Ok(v5::Connect {
        protocol: mqttbytes::Protocol::V5,
        keep_alive: connect.keep_alive_secs,
        client_id: connect.client_id.into(),
        clean_session: connect.clean_start,
        last_will: connect.will.as_ref().map(will_of),
        login: login(connect)?.map(|(username, password)| v5::Login { username, password }),
        properties: (!properties.is_empty()).then(|| v5::ConnectProperties {
            session_expiry_interval: properties.session_expiry_secs(),
            receive_maximum: properties.receive_maximum(),
            max_packet_size: properties.maximum_packet_size(),
            topic_alias_max: properties.topic_alias_maximum(),
            request_response_info: properties.request_response_information().map(u8::from),
            request_problem_info: properties.request_problem_information().map(u8::from),
            user_properties: user(properties),
            authentication_method: properties.authentication_method().map(Into::into),
            authentication_data: properties.authentication_data().map(data),
        }),
    })
}

fn connack_of(properties: &Properties<'_>) -> Option<v5::ConnAckProperties> {
    (!properties.is_empty()).then(|| v5::ConnAckProperties {
        session_expiry_interval: properties.session_expiry_secs(),
        receive_max: properties.receive_maximum(),
        max_qos: properties.maximum_qos(),
        retain_available: properties.retain_available().map(u8::from),
        max_packet_size: properties.maximum_packet_size(),
        assigned_client_identifier: properties.assigned_client_id().map(Into::into),
        topic_alias_max: properties.topic_alias_maximum(),
        reason_string: properties.reason_string().map(Into::into),
        user_properties: user(properties),
        wildcard_subscription_available: properties.wildcard_subscription_available().map(u8::from),
        subscription_identifiers_available: properties.subscription_id_available().map(u8::from),
        shared_subscription_available: properties.shared_subscription_available().map(u8::from),
        server_keep_alive: properties.server_keep_alive_secs(),
        response_information: properties.response_information().map(Into::into),
        server_reference: properties.server_reference().map(Into::into),
        authentication_method: properties.authentication_method().map(Into::into),
        authentication_data: properties.authentication_data().map(data),
    })
}

//! The reason codes of mqttbytes for MQTT 5, where it cannot look them up by number itself.

use mqttbytes::v5::{ConnectReturnCode, PubAckReason, PubRecReason, UnsubAckReason};

pub const CONNACK: [ConnectReturnCode; 22] = [
    ConnectReturnCode::Success,
    ConnectReturnCode::UnspecifiedError,
    ConnectReturnCode::MalformedPacket,
    ConnectReturnCode::ProtocolError,
    ConnectReturnCode::ImplementationSpecificError,
    ConnectReturnCode::UnsupportedProtocolVersion,
    ConnectReturnCode::ClientIdentifierNotValid,
    ConnectReturnCode::BadUserNamePassword,
    ConnectReturnCode::NotAuthorized,
    ConnectReturnCode::ServerUnavailable,
    ConnectReturnCode::ServerBusy,
    ConnectReturnCode::Banned,
    ConnectReturnCode::BadAuthenticationMethod,
    ConnectReturnCode::TopicNameInvalid,
    ConnectReturnCode::PacketTooLarge,
    ConnectReturnCode::QuotaExceeded,
    ConnectReturnCode::PayloadFormatInvalid,
    ConnectReturnCode::RetainNotSupported,
    ConnectReturnCode::QoSNotSupported,
    ConnectReturnCode::UseAnotherServer,
    ConnectReturnCode::ServerMoved,
    ConnectReturnCode::ConnectionRateExceeded,
];

pub const PUBACK: [PubAckReason; 9] = [
    PubAckReason::Success,
    PubAckReason::NoMatchingSubscribers,
    PubAckReason::UnspecifiedError,
    PubAckReason::ImplementationSpecificError,
    PubAckReason::NotAuthorized,
    PubAckReason::TopicNameInvalid,
    PubAckReason::PacketIdentifierInUse,
    PubAckReason::QuotaExceeded,
    PubAckReason::PayloadFormatInvalid,
];

pub const PUBREC: [PubRecReason; 9] = [
    PubRecReason::Success,
    PubRecReason::NoMatchingSubscribers,
    PubRecReason::UnspecifiedError,
    PubRecReason::ImplementationSpecificError,
    PubRecReason::NotAuthorized,
    PubRecReason::TopicNameInvalid,
    PubRecReason::PacketIdentifierInUse,
    PubRecReason::QuotaExceeded,
    PubRecReason::PayloadFormatInvalid,
];

pub const UNSUBACK: [UnsubAckReason; 7] = [
    UnsubAckReason::Success,
    UnsubAckReason::NoSubscriptionExisted,
    UnsubAckReason::UnspecifiedError,
    UnsubAckReason::ImplementationSpecificError,
    UnsubAckReason::NotAuthorized,
    UnsubAckReason::TopicFilterInvalid,
    UnsubAckReason::PacketIdentifierInUse,
];

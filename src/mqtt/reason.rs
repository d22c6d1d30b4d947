//! Every reason code of MQTT 5 and return code of 3.1.1, by name, and where each may stand.

macro_rules! codes {
    ($($name:ident = $code:literal, $words:literal;)*) => {
        $(#[doc = $words] pub const $name: u8 = $code;)*

        /// The code in words, for log lines and reason strings (2.4).
        pub const fn name(code: u8) -> &'static str {
            match code {
                $($code => $words,)*
                _ => "unknown reason code",
            }
        }
    };
}

codes! {
    SUCCESS = 0x00, "success";
    GRANTED_QOS_1 = 0x01, "granted QoS 1";
    GRANTED_QOS_2 = 0x02, "granted QoS 2";
    DISCONNECT_WITH_WILL_MESSAGE = 0x04, "disconnect with will message";
    NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
    NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
    CONTINUE_AUTHENTICATION = 0x18, "continue authentication";
    REAUTHENTICATE = 0x19, "re-authenticate";
    UNSPECIFIED_ERROR = 0x80, "unspecified error";
    MALFORMED_PACKET = 0x81, "malformed packet";
    PROTOCOL_ERROR = 0x82, "protocol error";
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "unsupported protocol version";
    CLIENT_IDENTIFIER_NOT_VALID = 0x85, "client identifier not valid";
    BAD_USER_NAME_OR_PASSWORD = 0x86, "bad user name or password";
    NOT_AUTHORIZED = 0x87, "not authorized";
    SERVER_UNAVAILABLE = 0x88, "server unavailable";
    SERVER_BUSY = 0x89, "server busy";
    BANNED = 0x8A, "banned";
    SERVER_SHUTTING_DOWN = 0x8B, "server shutting down";
    BAD_AUTHENTICATION_METHOD = 0x8C, "bad authentication method";
    KEEP_ALIVE_TIMEOUT = 0x8D, "keep alive timeout";
    SESSION_TAKEN_OVER = 0x8E, "session taken over";
    TOPIC_FILTER_INVALID = 0x8F, "topic filter invalid";
    TOPIC_NAME_INVALID = 0x90, "topic name invalid";
    PACKET_IDENTIFIER_IN_USE = 0x91, "packet identifier in use";
    PACKET_IDENTIFIER_NOT_FOUND = 0x92, "packet identifier not found";
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
    TOPIC_ALIAS_INVALID = 0x94, "topic alias invalid";
    PACKET_TOO_LARGE = 0x95, "packet too large";
    MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
    QUOTA_EXCEEDED = 0x97, "quota exceeded";
    ADMINISTRATIVE_ACTION = 0x98, "administrative action";
    PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
    RETAIN_NOT_SUPPORTED = 0x9A, "retain not supported";
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported";
    USE_ANOTHER_SERVER = 0x9C, "use another server";
    SERVER_MOVED = 0x9D, "server moved";
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E, "shared subscriptions not supported";
    CONNECTION_RATE_EXCEEDED = 0x9F, "connection rate exceeded";
    MAXIMUM_CONNECT_TIME = 0xA0, "maximum connect time";
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1, "subscription identifiers not supported";
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2, "wildcard subscriptions not supported";
}

/// 0 is the normal disconnection in DISCONNECT.
pub const NORMAL_DISCONNECTION: u8 = SUCCESS;
/// 0 is granted QoS 0 in SUBACK.
pub const GRANTED_QOS_0: u8 = SUCCESS;

/// Whether the code says that something was refused or failed (2.4: 0x80 and above).
pub const fn is_failure(code: u8) -> bool {
    code >= 0x80
}

/// Table 3-1.
pub(crate) const IN_CONNACK: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];
/// Tables 3-4 and 3-5: PUBACK and PUBREC.
pub(crate) const IN_PUBACK: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
/// Tables 3-6 and 3-7: PUBREL and PUBCOMP.
pub(super) const IN_PUBREL: &[u8] = &[0x00, 0x92];
/// Table 3-8.
pub(crate) const IN_SUBACK: &[u8] =
    &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
/// Table 3-9.
pub(super) const IN_UNSUBACK: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
/// Table 3-10, and 0x8C, which table 2-6 grants DISCONNECT too.
pub(crate) const IN_DISCONNECT: &[u8] = &[
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];
/// Table 3-11.
pub(super) const IN_AUTH: &[u8] = &[0x00, 0x18, 0x19];

/// The return codes of MQTT 3.1.1 (table 3.1 and 3.9.3).
pub mod v311 {
    pub const ACCEPTED: u8 = 0;
    pub const UNACCEPTABLE_PROTOCOL_VERSION: u8 = 1;
    pub const IDENTIFIER_REJECTED: u8 = 2;
    pub const SERVER_UNAVAILABLE: u8 = 3;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 4;
    pub const NOT_AUTHORIZED: u8 = 5;
    /// The one failure a 3.1.1 SUBACK knows.
    pub const SUBSCRIPTION_FAILURE: u8 = 0x80;

    /// The CONNACK return code in words.
    pub const fn name(code: u8) -> &'static str {
        match code {
            ACCEPTED => "accepted",
            UNACCEPTABLE_PROTOCOL_VERSION => "unacceptable protocol version",
            IDENTIFIER_REJECTED => "identifier rejected",
            SERVER_UNAVAILABLE => "server unavailable",
            BAD_USER_NAME_OR_PASSWORD => "bad user name or password",
            NOT_AUTHORIZED => "not authorized",
            _ => "unknown return code",
        }
    }

    pub(in crate::mqtt) const IN_CONNACK: &[u8] = &[0, 1, 2, 3, 4, 5];
    pub(in crate::mqtt) const IN_SUBACK: &[u8] = &[0, 1, 2, SUBSCRIPTION_FAILURE];
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [&[u8]; 7] =
        [IN_CONNACK, IN_PUBACK, IN_PUBREL, IN_SUBACK, IN_UNSUBACK, IN_DISCONNECT, IN_AUTH];

    #[test]
    fn every_code_that_may_be_sent_has_a_name() {
        for code in TABLES.concat() {
            assert_ne!(name(code), name(0xFF), "{code:02x}");
        }
        v311::IN_CONNACK.iter().for_each(|code| assert_ne!(v311::name(*code), v311::name(0xFF)));
    }

    #[test]
    fn every_name_may_be_sent_somewhere() {
        let named = (0..=u8::MAX).filter(|code| name(*code) != name(0xFF));
        assert!(named.clone().all(|code| TABLES.concat().contains(&code)));
        assert_eq!(named.count(), 43);
    }
}

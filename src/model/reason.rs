//! The one closed table of reasons: why something was refused, closed, dropped or removed, in the
//! words and codes of every protocol that homing speaks.

/// What the client should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same will be refused again.
    Never,
    /// The same may succeed later.
    Later,
    /// Connect again and send again.
    Reconnect,
}

/// Every reason there is. Names follow MQTT 5 (section 2.4) where it has one. `Internal` stays the
/// last: [`Reason::ALL`] takes its length from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Malformed,
    ProtocolError,
    UnsupportedVersion,
    ClientIdInvalid,
    BadLogin,
    BadAuthenticationMethod,
    NotAuthorized,
    Unavailable,
    Busy,
    ShuttingDown,
    UseAnotherServer,
    KeepAlive,
    TakenOver,
    TopicInvalid,
    FilterInvalid,
    PacketIdUnknown,
    ReceiveMaximum,
    TopicAliasInvalid,
    PacketTooLarge,
    QuotaExceeded,
    StoreFull,
    StoreFailed,
    NothingWaits,
    OnItsWay,
    PayloadInvalid,
    NotServed,
    Removed,
    RightsChanged,
    Banned,
    LoginExpired,
    TooManyAttempts,
    SlowReader,
    TooSlowToConnect,
    Internal,
}

/// One row of the table.
pub struct Row {
    /// Stable name: metric label, log field, HTTP problem code.
    pub name: &'static str,
    /// MQTT 5 reason code.
    pub mqtt5: u8,
    /// HTTP status.
    pub http: u16,
    /// Stanza error condition (RFC 6120, section 8.3.3).
    pub xmpp: &'static str,
    pub retry: Retry,
    pub words: &'static str,
}

const fn row(
    name: &'static str,
    mqtt5: u8,
    http: u16,
    xmpp: &'static str,
    retry: Retry,
    words: &'static str,
) -> Row {
    Row { name, mqtt5, http, xmpp, retry, words }
}

impl Reason {
    /// In the order of the enum, so that `reason as usize` is an index.
    pub const ALL: [Reason; Reason::Internal as usize + 1] = [
        Reason::Malformed,
        Reason::ProtocolError,
        Reason::UnsupportedVersion,
        Reason::ClientIdInvalid,
        Reason::BadLogin,
        Reason::BadAuthenticationMethod,
        Reason::NotAuthorized,
        Reason::Unavailable,
        Reason::Busy,
        Reason::ShuttingDown,
        Reason::UseAnotherServer,
        Reason::KeepAlive,
        Reason::TakenOver,
        Reason::TopicInvalid,
        Reason::FilterInvalid,
        Reason::PacketIdUnknown,
        Reason::ReceiveMaximum,
        Reason::TopicAliasInvalid,
        Reason::PacketTooLarge,
        Reason::QuotaExceeded,
        Reason::StoreFull,
        Reason::StoreFailed,
        Reason::NothingWaits,
        Reason::OnItsWay,
        Reason::PayloadInvalid,
        Reason::NotServed,
        Reason::Removed,
        Reason::RightsChanged,
        Reason::Banned,
        Reason::LoginExpired,
        Reason::TooManyAttempts,
        Reason::SlowReader,
        Reason::TooSlowToConnect,
        Reason::Internal,
    ];

    #[rustfmt::skip]
    pub const fn row(self) -> Row {
        use Retry::*;
        match self {
            Reason::Malformed => row("malformed", 0x81, 400, "bad-request", Never, "the packet is malformed"),
            Reason::ProtocolError => row("protocol_error", 0x82, 400, "unexpected-request", Never, "the packet breaks the protocol"),
            Reason::UnsupportedVersion => row("unsupported_version", 0x84, 505, "feature-not-implemented", Never, "this protocol version is not served: use MQTT 3.1.1 or 5"),
            Reason::ClientIdInvalid => row("client_id_invalid", 0x85, 400, "jid-malformed", Never, "the client id is not valid"),
            Reason::BadLogin => row("bad_login", 0x86, 401, "not-authorized", Never, "user name or password is wrong"),
            Reason::BadAuthenticationMethod => row("bad_authentication_method", 0x8C, 401, "not-authorized", Never, "this authentication method is not served"),
            Reason::NotAuthorized => row("not_authorized", 0x87, 403, "forbidden", Never, "not allowed"),
            Reason::Unavailable => row("unavailable", 0x88, 503, "service-unavailable", Later, "the server cannot do this now"),
            Reason::Busy => row("busy", 0x89, 503, "resource-constraint", Later, "the server is busy"),
            Reason::ShuttingDown => row("shutting_down", 0x8B, 503, "service-unavailable", Reconnect, "the server is shutting down"),
            Reason::UseAnotherServer => row("use_another_server", 0x9C, 503, "redirect", Reconnect, "the server is shutting down: use another one"),
            Reason::KeepAlive => row("keep_alive", 0x8D, 408, "remote-server-timeout", Reconnect, "nothing was heard for one and a half times the keep alive"),
            Reason::TakenOver => row("taken_over", 0x8E, 409, "conflict", Never, "taken over by another connection with the same client id"),
            Reason::FilterInvalid => row("filter_invalid", 0x8F, 400, "bad-request", Never, "the topic filter is not valid here"),
            Reason::TopicInvalid => row("topic_invalid", 0x90, 400, "bad-request", Never, "the topic is not valid here"),
            Reason::PacketIdUnknown => row("packet_id_unknown", 0x92, 400, "item-not-found", Never, "the packet identifier is not in use"),
            Reason::ReceiveMaximum => row("receive_maximum", 0x93, 429, "resource-constraint", Reconnect, "more messages are in flight than the server allowed"),
            Reason::TopicAliasInvalid => row("topic_alias_invalid", 0x94, 400, "bad-request", Never, "the topic alias is not valid"),
            Reason::PacketTooLarge => row("packet_too_large", 0x95, 413, "policy-violation", Never, "the packet is larger than its receiver accepts"),
            Reason::QuotaExceeded => row("quota_exceeded", 0x97, 429, "resource-constraint", Later, "a quota is used up"),
            Reason::StoreFull => row("store_full", 0x97, 507, "resource-constraint", Later, "the disk is nearly full: nothing new is stored until there is space"),
            Reason::StoreFailed => row("store_failed", 0x83, 500, "internal-server-error", Later, "the message could not be stored"),
            Reason::NothingWaits => row("nothing_waits", 0x83, 404, "item-not-found", Never, "nothing waits under this key: it has gone out, or never was"),
            Reason::OnItsWay => row("on_its_way", 0x83, 409, "conflict", Never, "what waited under this key is going out already"),
            Reason::PayloadInvalid => row("payload_invalid", 0x99, 400, "bad-request", Never, "the payload is not what its format indicator says"),
            Reason::NotServed => row("not_served", 0x83, 501, "feature-not-implemented", Never, "this version does not have this feature"),
            Reason::Removed => row("removed", 0x98, 410, "gone", Never, "removed by an administrator"),
            Reason::RightsChanged => row("rights_changed", 0x98, 409, "conflict", Reconnect, "the rights of the user have changed: connect again"),
            Reason::Banned => row("banned", 0x8A, 403, "forbidden", Later, "banned for a while"),
            Reason::LoginExpired => row("login_expired", 0x87, 401, "not-authorized", Reconnect, "the login has expired: connect again with a new one"),
            Reason::TooManyAttempts => row("too_many_attempts", 0x9F, 429, "policy-violation", Later, "too many wrong passwords"),
            Reason::SlowReader => row("slow_reader", 0x97, 408, "resource-constraint", Reconnect, "the connection does not take what is sent to it"),
            Reason::TooSlowToConnect => row("too_slow_to_connect", 0x80, 408, "remote-server-timeout", Reconnect, "no whole CONNECT arrived in time"),
            Reason::Internal => row("internal", 0x83, 500, "internal-server-error", Later, "a fault of the server"),
        }
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub fn words(self) -> &'static str {
        self.row().words
    }

    /// The client no longer has the rights it came with, not even to its will.
    pub fn ends_rights(self) -> bool {
        use Reason::{Banned, LoginExpired, Removed, RightsChanged};
        matches!(self, Removed | RightsChanged | Banned | LoginExpired)
    }

    /// MQTT 5 reason code.
    pub fn mqtt5(self) -> u8 {
        self.row().mqtt5
    }

    /// The return code of a refusing MQTT 3.1.1 CONNACK (section 3.2.2.3).
    pub fn connack311(self) -> u8 {
        match self {
            Reason::UnsupportedVersion => 1,
            Reason::ClientIdInvalid => 2,
            Reason::BadLogin => 4,
            Reason::NotAuthorized | Reason::Banned | Reason::LoginExpired => 5,
            _ => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_reason_is_its_place_and_names_differ() {
        let mut names = std::collections::HashSet::new();
        for (i, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            assert!(names.insert(reason.name()));
        }
    }
}

//! Where the oracles differ from us, and why we stay with what we do. The list may only shrink.

/// What an oracle has no words for, so that it cannot be compared there.
pub const LIMITS: &[(&str, &str)] = &[
    ("mqttbytes", "no empty user name or password"),
    ("mqttbytes", "no password that is not text"),
    ("mqttbytes 5", "no AUTH"),
    ("mqttbytes 5", "no DISCONNECT in its short forms"),
    ("mqttbytes 5", "no such reason code"),
    ("rmqtt", "an empty client id with a durable session is the session's to refuse"),
    ("rmqtt 5", "no message expiry of 0"),
];

/// One difference: our verdict contains these words, theirs begins with those.
#[derive(Debug)]
pub struct Divergence {
    /// Each of them must show it on the hand-made frames.
    pub oracles: &'static [&'static str],
    pub ours: &'static str,
    pub theirs: &'static str,
    /// The rule of the standard that makes us right, or the defect that makes them wrong.
    #[expect(dead_code, reason = "for the reader")]
    pub why: &'static str,
}

impl Divergence {
    pub fn explains(&self, oracle: &str, ours: &str, theirs: &str) -> bool {
        self.oracles.contains(&oracle)
            && ours.contains(self.ours)
            && theirs.starts_with(self.theirs)
    }
}

const ALL: &[&str] = &["mqttbytes 3.1.1", "mqttbytes 5", "rmqtt 3.1.1", "rmqtt 5"];
const OLD: &[&str] = &["mqttbytes 3.1.1", "rmqtt 3.1.1"];
const NEW: &[&str] = &["mqttbytes 5", "rmqtt 5"];
const MQTTBYTES: &[&str] = &["mqttbytes 3.1.1", "mqttbytes 5"];
const MQTTBYTES_311: &[&str] = &["mqttbytes 3.1.1"];
const MQTTBYTES_5: &[&str] = &["mqttbytes 5"];
const RMQTT: &[&str] = &["rmqtt 3.1.1", "rmqtt 5"];
const RMQTT_311: &[&str] = &["rmqtt 3.1.1"];
const RMQTT_5: &[&str] = &["rmqtt 5"];

const fn they_read(
    oracles: &'static [&'static str],
    ours: &'static str,
    why: &'static str,
) -> Divergence {
    Divergence { oracles, ours, theirs: "reads", why }
}

const fn they_wait(
    oracles: &'static [&'static str],
    ours: &'static str,
    why: &'static str,
) -> Divergence {
    Divergence { oracles, ours, theirs: "waits", why }
}

const fn they_refuse(
    oracles: &'static [&'static str],
    ours: &'static str,
    theirs: &'static str,
    why: &'static str,
) -> Divergence {
    Divergence { oracles, ours, theirs, why }
}

pub static DIVERGENCES: &[Divergence] = &[
    they_wait(ALL, "packet type 0 does not exist", "no body can make it valid"),
    they_wait(ALL, "PUBLISH with QoS 3", "no body can make it valid"),
    they_wait(ALL, "DUP on a PUBLISH with QoS 0", "no body can make it valid"),
    they_wait(ALL, "reserved flags in the first byte", "no body can make it valid"),
    they_wait(ALL, "a length is written longer than needed", "no body can make it valid"),
    they_read(ALL, "a length is written longer than needed", "[MQTT-1.5.5-1]"),
    they_read(ALL, "DUP on a PUBLISH with QoS 0", "[MQTT-3.3.1-2]"),
    they_read(MQTTBYTES, "reserved flags in the first byte", "[MQTT-2.1.3-1]"),
    they_read(ALL, "bytes are left behind the last field", "a body ends with its last field"),
    they_read(MQTTBYTES, "the packet id is 0", "[MQTT-2.2.1-3]"),
    they_read(ALL, "not valid UTF-8 text or contains U+0000", "[MQTT-1.5.4-2]"),
    they_read(ALL, "the topic has a wildcard", "[MQTT-3.3.2-2]"),
    they_read(ALL, "the will topic has a wildcard", "a will is a PUBLISH: [MQTT-3.3.2-2]"),
    they_read(ALL, "the will topic is empty", "[MQTT-4.7.3-1]"),
    they_read(
        &["mqttbytes 3.1.1", "mqttbytes 5", "rmqtt 5"],
        "PUBLISH without a topic or an alias for one",
        "[MQTT-4.7.3-1], and 3.3.2.1 of MQTT 5",
    ),
    they_read(ALL, "`#` in a topic filter", "[MQTT-4.7.1-1]"),
    they_read(ALL, "`+` in a topic filter", "[MQTT-4.7.1-2]"),
    they_read(&["mqttbytes 3.1.1", "mqttbytes 5", "rmqtt 5"], "filter is empty", "[MQTT-4.7.3-1]"),
    they_read(NEW, "a shared subscription is", "[MQTT-4.8.2-1], [MQTT-4.8.2-2]"),
    they_read(NEW, "no local on a shared subscription", "[MQTT-3.8.3-4]"),
    they_read(
        &["mqttbytes 3.1.1", "mqttbytes 5", "rmqtt 3.1.1"],
        "reserved bits are set in the subscribe options",
        "[MQTT-3.8.3-5], [MQTT-3-8.3-4] of 3.1.1",
    ),
    they_read(MQTTBYTES, "SUBSCRIBE without a filter", "[MQTT-3.8.3-2], [MQTT-3.10.3-2]"),
    they_read(MQTTBYTES, "the reserved connect flag is set", "[MQTT-3.1.2-3]"),
    they_read(OLD, "a password without a user name", "[MQTT-3.1.2-22] of 3.1.1"),
    they_read(
        RMQTT_5,
        "will QoS or will retain without a will",
        "[MQTT-3.1.2-11], [MQTT-3.1.2-13]",
    ),
    they_read(RMQTT_311, "protocol level 3", "it serves MQTT 3.1, homing does not"),
    they_read(MQTTBYTES, "reserved connect acknowledge flags are set", "[MQTT-3.2.2-1]"),
    they_read(ALL, "session present on a refused connection", "[MQTT-3.2.2-6]"),
    they_read(RMQTT_311, "a reason code that this packet may not carry", "3.2.2.3: 6 is reserved"),
    they_read(RMQTT, "an acknowledgement without a reason code", "[MQTT-3.9.3-1]: one per filter"),
    they_read(NEW, "a property that must be 0 or 1 is neither", "3.1.2.11.6, 3.2.2.3.4"),
    they_read(NEW, "authentication data without a method", "3.1.2.11.10"),
    they_read(NEW, "the response topic has a wildcard", "[MQTT-3.3.2-14]"),
    they_read(NEW, "the response topic is empty", "[MQTT-4.7.3-1]"),
    they_read(RMQTT_5, "AUTH without an authentication method", "3.15.2.2.2"),
    they_read(RMQTT_5, "it ends inside the property length", "3.15.2.1: AUTH omits both or none"),
    they_read(MQTTBYTES_5, "the same property twice", "2.2.2.2"),
    they_read(MQTTBYTES_5, "the receive maximum is 0", "3.1.2.11.3"),
    they_read(MQTTBYTES_5, "the maximum packet size is 0", "3.1.2.11.4"),
    they_read(MQTTBYTES_5, "the subscription identifier is 0", "3.8.2.1.2"),
    they_read(MQTTBYTES_5, "topic alias 0", "[MQTT-3.3.2-8]"),
    they_read(MQTTBYTES_5, "it ends inside the", "it reads properties beyond their block"),
    they_read(
        MQTTBYTES_5,
        "an unknown property",
        "it counts a subscription identifier one byte too long and leaves the block early",
    ),
    they_refuse(
        MQTTBYTES_5,
        "reads PUBLISH",
        "reads otherwise",
        "it counts a subscription identifier one byte too long and leaves the block early",
    ),
    they_refuse(MQTTBYTES_311, "reads CONNECT", "InvalidProtocol", "it knows no MQTT 3.1 (MQIsdp)"),
    they_refuse(RMQTT_311, "reads CONNECT", "reads otherwise", "it tells 3.1 from 3.1.1"),
    they_refuse(MQTTBYTES, "reads CONNECT", "TopicNotUtf8", "a password is binary (3.1.3.6)"),
    they_refuse(MQTTBYTES_5, "reads AUTH", "InvalidPacketType(15)", "it has no AUTH"),
    they_refuse(MQTTBYTES_5, "reads DISCONNECT", "PayloadRequired", "3.14.2.1: length 0 is fine"),
    they_refuse(MQTTBYTES_5, "reads DISCONNECT", "InsufficientBytes(1)", "3.14.2.2.1: so is 1"),
    they_refuse(
        MQTTBYTES_5,
        "reads DISCONNECT",
        "InvalidConnectReturnCode(140)",
        "table 2-6 grants it 0x8C",
    ),
    they_refuse(
        RMQTT,
        "reads CONNECT",
        "InvalidClientId",
        "an empty client id with a durable session is answered, not cut off ([MQTT-3.1.3-8])",
    ),
];

//! Reading single properties out of a block; what an absent one means stands beside each.

use super::{Properties, Property, id};

/// Looks one property up, after the bit set says that it is there.
macro_rules! find {
    ($self:ident, $id:ident, $variant:ident) => {
        if !$self.has(id::$id) {
            None
        } else {
            $self.iter().find_map(|property| match property {
                Property::$variant(value) => Some(value),
                _ => None,
            })
        }
    };
}

impl<'a> Properties<'a> {
    /// Seconds the session outlives the connection; `u32::MAX` is for ever, absent is 0.
    pub fn session_expiry_secs(&self) -> Option<u32> {
        find!(self, SESSION_EXPIRY, SessionExpiryInterval)
    }

    /// How many QoS 1 and 2 messages the peer takes unacknowledged; never 0, absent is 65,535.
    pub fn receive_maximum(&self) -> Option<u16> {
        find!(self, RECEIVE_MAXIMUM, ReceiveMaximum)
    }

    /// The longest packet the peer takes, in bytes; never 0, absent is no limit.
    pub fn maximum_packet_size(&self) -> Option<u32> {
        find!(self, MAXIMUM_PACKET_SIZE, MaximumPacketSize)
    }

    /// The highest topic alias the peer takes; absent is 0, none.
    pub fn topic_alias_maximum(&self) -> Option<u16> {
        find!(self, TOPIC_ALIAS_MAXIMUM, TopicAliasMaximum)
    }

    /// The number that stands for the topic of this PUBLISH; never 0.
    pub fn topic_alias(&self) -> Option<u16> {
        find!(self, TOPIC_ALIAS, TopicAlias)
    }

    pub fn message_expiry_secs(&self) -> Option<u32> {
        find!(self, MESSAGE_EXPIRY, MessageExpiryInterval)
    }

    /// Whether the sender declares the payload to be UTF-8 text.
    pub fn payload_is_text(&self) -> bool {
        find!(self, PAYLOAD_FORMAT_INDICATOR, PayloadFormatIndicator) == Some(1)
    }

    pub fn content_type(&self) -> Option<&'a str> {
        find!(self, CONTENT_TYPE, ContentType)
    }

    pub fn response_topic(&self) -> Option<&'a str> {
        find!(self, RESPONSE_TOPIC, ResponseTopic)
    }

    pub fn correlation_data(&self) -> Option<&'a [u8]> {
        find!(self, CORRELATION_DATA, CorrelationData)
    }

    /// Seconds between a bad end of the connection and the will; absent is 0.
    pub fn will_delay_secs(&self) -> Option<u32> {
        find!(self, WILL_DELAY, WillDelayInterval)
    }

    /// The subscription identifier, or the first of several in a PUBLISH.
    pub fn subscription_id(&self) -> Option<u32> {
        find!(self, SUBSCRIPTION_ID, SubscriptionIdentifier)
    }

    /// Every subscription identifier of a PUBLISH.
    pub fn subscription_ids(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(value) => Some(value),
            _ => None,
        })
    }

    /// Every user property, in order; names may repeat.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let block = if self.has(id::USER_PROPERTY) { *self } else { Properties::default() };
        block.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The value of the first user property with this name.
    pub fn user_property(&self, name: &str) -> Option<&'a str> {
        self.user_properties().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Whether the client wants reason strings and user properties with failures; absent is yes.
    pub fn request_problem_information(&self) -> Option<bool> {
        find!(self, REQUEST_PROBLEM_INFORMATION, RequestProblemInformation)
    }

    /// Whether the client wants response information in CONNACK; absent is no.
    pub fn request_response_information(&self) -> Option<bool> {
        find!(self, REQUEST_RESPONSE_INFORMATION, RequestResponseInformation)
    }

    pub fn response_information(&self) -> Option<&'a str> {
        find!(self, RESPONSE_INFORMATION, ResponseInformation)
    }

    pub fn authentication_method(&self) -> Option<&'a str> {
        find!(self, AUTHENTICATION_METHOD, AuthenticationMethod)
    }

    pub fn authentication_data(&self) -> Option<&'a [u8]> {
        find!(self, AUTHENTICATION_DATA, AuthenticationData)
    }

    pub fn reason_string(&self) -> Option<&'a str> {
        find!(self, REASON_STRING, ReasonString)
    }

    pub fn server_reference(&self) -> Option<&'a str> {
        find!(self, SERVER_REFERENCE, ServerReference)
    }

    /// The client id the server chose for a client that gave none.
    pub fn assigned_client_id(&self) -> Option<&'a str> {
        find!(self, ASSIGNED_CLIENT_ID, AssignedClientIdentifier)
    }

    /// The keep alive that replaces the one the client asked for.
    pub fn server_keep_alive_secs(&self) -> Option<u16> {
        find!(self, SERVER_KEEP_ALIVE, ServerKeepAlive)
    }

    /// The highest QoS the server takes, 0 or 1; absent is 2.
    pub fn maximum_qos(&self) -> Option<u8> {
        find!(self, MAXIMUM_QOS, MaximumQoS)
    }

    /// Whether the server keeps retained messages; absent is yes.
    pub fn retain_available(&self) -> Option<bool> {
        find!(self, RETAIN_AVAILABLE, RetainAvailable)
    }

    /// Whether the server takes filters with wildcards; absent is yes.
    pub fn wildcard_subscription_available(&self) -> Option<bool> {
        find!(self, WILDCARD_SUBSCRIPTION_AVAILABLE, WildcardSubscriptionAvailable)
    }

    /// Whether the server takes subscription identifiers; absent is yes.
    pub fn subscription_id_available(&self) -> Option<bool> {
        find!(self, SUBSCRIPTION_ID_AVAILABLE, SubscriptionIdentifierAvailable)
    }

    /// Whether the server takes shared subscriptions; absent is yes.
    pub fn shared_subscription_available(&self) -> Option<bool> {
        find!(self, SHARED_SUBSCRIPTION_AVAILABLE, SharedSubscriptionAvailable)
    }
}

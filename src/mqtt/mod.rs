//! Bytes to packets and back, MQTT 3.1.1 and 5. Pure: no socket, no clock, no allocation on decode.
//!
//! - `packet`: the borrowed packets, the same for decoding and encoding.
//! - `property`: the MQTT 5 property block, validated once, read without copying.
//! - `decode` and `encode`: frames to packets and back.
//! - [`reason`]: every reason code by name. [`topic`]: what a topic name and a filter may be.

mod decode;
mod encode;
mod packet;
mod property;
pub mod reason;
mod scan;
pub mod topic;
mod types;
mod wire;

pub use decode::{DecodeError, decode, decode_connect, frame_bytes, is_connect_v31};
pub use encode::{encode, encode_publish_within, encode_within, encoded_bytes};
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterBuffer, FilterNameBuffer, FilterNames, Filters,
    Packet, Publish, RetainHandling, SubAck, Subscribe, SubscribeOptions, Unsubscribe, Will,
};
pub use property::{Properties, Property, PropertyBuffer, Scope};
pub use topic::FilterFault;
pub use types::{PacketId, QoS, Version};

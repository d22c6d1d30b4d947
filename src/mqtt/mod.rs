//! Bytes to packets and back, MQTT 3.1.1 and 5. Pure, strict and without allocation: packets
//! borrow from the bytes they were read from, and a declared length is checked before it is
//! waited for.

mod cursor;
mod decode;
mod encode;
mod filters;
mod packet;
mod property;
pub mod reason;

pub use decode::{DecodeError, decode, decode_connect, frame_bytes};
pub use encode::{encode, encoded_bytes};
pub use filters::{FilterNames, Filters, SubscribeOptions};
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketId, Publish, QoS, SubAck, Subscribe,
    Unsubscribe, Version, Will,
};
pub use property::{Properties, Property, PropertyBuffer};

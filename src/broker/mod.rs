//! What sessions share: who may do what, who subscribed to what, which recipients a message has,
//! how much of something may pass. Pure, and without a word of MQTT packets: HTTP and the bridge
//! submit the same thing.

pub mod bounded;
pub mod bucket;
pub mod policy;
pub mod submit;
pub mod subscriptions;

pub use bounded::Bounded;
pub use bucket::Bucket;
pub use policy::{Access, Action, Policy};
pub use submit::{Plan, address, plan};
pub use subscriptions::{Subscriber, Subscriptions};

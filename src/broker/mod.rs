//! What sessions share: who may do what, who subscribed to what, which recipients a message has.
//! Pure, and without a word of MQTT packets: HTTP and the bridge submit the same thing.

mod group;
pub mod policy;
pub mod retained;
mod routes;
mod shared;
pub mod submit;
pub mod subscriptions;

pub use policy::{Access, Action, Policy};
pub use retained::RetainedLevels;
pub use routes::Routes;
pub use shared::SharedSubscriptions;
pub use submit::{CopyTo, LiveCopy, Plan, Way, address, plan, tell};
pub use subscriptions::{Subscriber, Subscriptions};

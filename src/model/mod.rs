//! The nouns of homing, valid by construction. No behaviour beyond their invariants; depends on
//! std, `bytes`, `ipnet` and a hash alone, so that every other part may use it.

pub mod attributes;
pub mod ban;
pub mod certificate;
pub mod due;
pub mod id;
pub mod identity;
pub mod limit;
pub mod message;
pub mod network;
pub mod noise;
pub mod rate;
pub mod reason;
pub mod record;
pub mod sender_state;
pub mod share;
pub mod submission;
pub mod target;
pub mod time;
pub mod topic;

pub use attributes::{Attribute, Attributes};
pub use ban::{Ban, BanReason, BanTarget};
pub use certificate::{Field, IdentityTemplate};
pub use due::{DelayedTopic, Due, DueKey, DueName};
pub use id::{ClientId, IdError, MessageId, Seq, SessionKey, Uid};
pub use identity::{Attrs, Identity, Role, RoleError, Roles};
pub use message::{Kind, Message, QoS, Sender};
pub use network::{NetworkError, parse_network};
pub use noise::Noise;
pub use rate::Rate;
pub use reason::Reason;
pub use record::{Delivery, Entry, Recipient};
pub use sender_state::{Published, SenderState, Step};
pub use share::{Selector, Share, ShareId};
pub use submission::{DedupeKey, Later, Submission, Timing};
pub use target::{InboxPattern, Target};
pub use time::{Moment, Stamp};
pub use topic::{Filter, TopicName};

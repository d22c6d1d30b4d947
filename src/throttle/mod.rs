//! How much of something may pass, and how often it happened: a token bucket, a count in a window
//! of time, and a map of bounded size to keep them in. Pure: time is an argument.

mod bounded;
mod bucket;
mod window;

pub use bounded::Bounded;
pub use bucket::Bucket;
pub use window::Windows;

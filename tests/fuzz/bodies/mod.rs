//! What must hold for any bytes whatever, one body per fuzz target. The stable tests replay them
//! over the committed corpus; cargo-fuzz feeds them new inputs.

pub mod decode;
pub mod session;
mod source;
pub mod topic;
pub mod websocket;

/// A target: its name, as that of its corpus, and its body. It panics where something is wrong.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
#[allow(dead_code)]
pub const TARGETS: [Target; 4] = [
    ("decode", decode::fuzz_decode),
    ("session", session::fuzz_session),
    ("topic", topic::fuzz_topic),
    ("websocket", websocket::fuzz_websocket),
];

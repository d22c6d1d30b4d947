//! Where the oracles differ from us, and why we stay with what we do. The list may only shrink.

/// What an oracle has no words for: it cannot be compared there.
pub const LIMITS: &[(&str, &str)] = &[
    ("mqttbytes", "no empty user name or password"),
    ("mqttbytes", "no password that is not text"),
    ("mqttbytes 5", "no AUTH"),
    ("mqttbytes 5", "no DISCONNECT in its short forms"),
    ("mqttbytes 5", "no such reason code"),
    ("rmqtt", "an empty client id with a durable session is the session's to refuse"),
    ("rmqtt 5", "no message expiry of 0"),
];

/// One difference, by oracle, our verdict and theirs (both by how they begin).
#[derive(Debug)]
pub struct Divergence {
    oracle: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// Which rule of the standard, or which defect of the oracle.
    pub why: &'static str,
}

impl Divergence {
    pub fn explains(&self, oracle: &str, ours: &str, theirs: &str) -> bool {
        oracle.starts_with(self.oracle)
            && ours.contains(self.ours)
            && theirs.starts_with(self.theirs)
    }
}

pub const DIVERGENCES: &[Divergence] = &[];

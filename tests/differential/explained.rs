//! Differences from mosquitto that are known, each with its reason. Neither side may depend on them,
//! and one that shows no more has to go.

use crate::step::Step;

/// What one client heard in one step.
pub struct Difference<'a> {
    pub step: &'a Step,
    pub homing: Vec<String>,
    pub mosquitto: Vec<String>,
}

/// Whether this explains a difference, and why it is one.
pub type Explanation = (fn(&Difference<'_>) -> bool, &'static str);

pub const EXPLAINED: &[Explanation] = &[];

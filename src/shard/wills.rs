//! Wills that wait for the directory to say whether their user exists. In memory, within a bound of
//! bytes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::limit::ASKING_WILLS_BYTES_MAX;
use crate::model::{Identity, Moment, SessionKey};
use crate::session::Will;

/// What a waiting will costs beside its topic and body.
const WILL_OVERHEAD_BYTES: usize = 512;

/// The will of a connection that has ended.
pub struct LeftWill {
    pub key: SessionKey,
    pub who: Arc<Identity>,
    /// When its login ends, if it does.
    pub login_expires: Option<Moment>,
    pub will: Will,
}

impl LeftWill {
    fn bytes(&self) -> usize {
        WILL_OVERHEAD_BYTES + self.will.bytes()
    }
}

/// Wills whose addressee the directory is asked about.
#[derive(Default)]
pub struct AskingWills {
    waiting: HashMap<u64, LeftWill>,
    bytes: usize,
    count: u64,
}

impl AskingWills {
    /// Its number, or the will again if too much waits.
    pub fn push(&mut self, will: LeftWill) -> Result<u64, Box<LeftWill>> {
        let bytes = self.bytes + will.bytes();
        if bytes > ASKING_WILLS_BYTES_MAX {
            return Err(Box::new(will));
        }
        self.bytes = bytes;
        self.count += 1;
        self.waiting.insert(self.count, will);
        Ok(self.count)
    }

    /// `None` if it was dropped meanwhile.
    pub fn take(&mut self, number: u64) -> Option<LeftWill> {
        let will = self.waiting.remove(&number)?;
        self.bytes -= will.bytes();
        Some(will)
    }

    pub fn take_where(&mut self, is: impl Fn(&SessionKey) -> bool) -> Vec<LeftWill> {
        let hit = self.waiting.iter().filter(|(_, will)| is(&will.key));
        let numbers: Vec<u64> = hit.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

//! Wills that wait: for their delay (MQTT 5, section 3.1.3.2.2), or for the directory to say
//! whether their user exists. In memory, within bounds of bytes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::limit::{ASKING_WILLS_BYTES_MAX, DELAYED_WILLS_BYTES_MAX};
use crate::model::{Identity, Moment, SessionKey};
use crate::session::Will;

/// What a waiting will costs beside its topic and body.
const WILL_OVERHEAD_BYTES: usize = 512;

pub struct DelayedWill {
    pub at: Moment,
    pub key: SessionKey,
    pub who: Arc<Identity>,
    /// When its login ends, if it does.
    pub login_expires: Option<Moment>,
    pub will: Will,
}

impl DelayedWill {
    fn bytes(&self) -> usize {
        WILL_OVERHEAD_BYTES + self.will.bytes()
    }
}

#[derive(Default)]
pub struct DelayedWills {
    waiting: HashMap<SessionKey, DelayedWill>,
    bytes: usize,
}

impl DelayedWills {
    pub fn push(&mut self, will: DelayedWill) {
        self.bytes += will.bytes();
        let older = self.waiting.insert(will.key.clone(), will);
        self.bytes -= older.map_or(0, |older| older.bytes());
    }

    pub fn take(&mut self, key: &SessionKey) -> Option<DelayedWill> {
        let will = self.waiting.remove(key)?;
        self.bytes -= will.bytes();
        Some(will)
    }

    pub fn take_due(&mut self, now: Moment) -> Vec<DelayedWill> {
        let due: Vec<_> = self.waiting.extract_if(|_, will| will.at <= now).collect();
        self.bytes -= due.iter().map(|(_, will)| will.bytes()).sum::<usize>();
        due.into_iter().map(|(_, will)| will).collect()
    }

    pub fn take_where(&mut self, is: impl Fn(&SessionKey) -> bool) -> Vec<DelayedWill> {
        let keys: Vec<_> = self.waiting.keys().filter(|key| is(key)).cloned().collect();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    pub fn take_all(&mut self) -> Vec<DelayedWill> {
        self.bytes = 0;
        self.waiting.drain().map(|(_, will)| will).collect()
    }

    /// The one that is due first, while there are more than the bound allows.
    pub fn take_excess(&mut self) -> Option<DelayedWill> {
        if self.bytes <= DELAYED_WILLS_BYTES_MAX {
            return None;
        }
        let first = self.waiting.values().min_by_key(|will| will.at)?.key.clone();
        self.take(&first)
    }

    pub fn deadline(&self) -> Option<Moment> {
        self.waiting.values().map(|will| will.at).min()
    }
}

/// Wills whose addressee the directory is asked about.
#[derive(Default)]
pub struct AskingWills {
    waiting: HashMap<u64, DelayedWill>,
    bytes: usize,
    count: u64,
}

impl AskingWills {
    /// Its number, or the will again if too much waits.
    pub fn push(&mut self, will: DelayedWill) -> Result<u64, Box<DelayedWill>> {
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
    pub fn take(&mut self, number: u64) -> Option<DelayedWill> {
        let will = self.waiting.remove(&number)?;
        self.bytes -= will.bytes();
        Some(will)
    }

    pub fn take_where(&mut self, is: impl Fn(&SessionKey) -> bool) -> Vec<DelayedWill> {
        let hit = self.waiting.iter().filter(|(_, will)| is(&will.key));
        let numbers: Vec<u64> = hit.map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

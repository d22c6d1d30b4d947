//! Wills that wait: for their delay (MQTT 5, section 3.1.3.2.2), or for the directory to say
//! whether their user exists. In memory, within bounds of bytes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::limit::{ASKING_WILLS_BYTES_MAX, DELAYED_WILLS_BYTES_MAX};
use crate::model::{Identity, Moment, SessionKey, Uid};
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
    due: BTreeSet<(Moment, SessionKey)>,
    bytes: usize,
    /// Bytes of each user.
    users: HashMap<Uid, usize>,
}

impl DelayedWills {
    pub fn push(&mut self, will: DelayedWill) {
        self.take(&will.key);
        self.bytes += will.bytes();
        *self.users.entry(will.key.uid.clone()).or_default() += will.bytes();
        self.due.insert((will.at, will.key.clone()));
        self.waiting.insert(will.key.clone(), will);
    }

    pub fn take(&mut self, key: &SessionKey) -> Option<DelayedWill> {
        let will = self.waiting.remove(key)?;
        self.due.remove(&(will.at, key.clone()));
        self.bytes -= will.bytes();
        if let Some(bytes) = self.users.get_mut(&key.uid) {
            *bytes -= will.bytes();
            if *bytes == 0 {
                self.users.remove(&key.uid);
            }
        }
        Some(will)
    }

    pub fn take_due(&mut self, now: Moment) -> Vec<DelayedWill> {
        let due: Vec<_> = self.due.iter().take_while(|(at, _)| *at <= now).cloned().collect();
        due.iter().filter_map(|(_, key)| self.take(key)).collect()
    }

    pub fn take_where(&mut self, is: impl Fn(&SessionKey) -> bool) -> Vec<DelayedWill> {
        let keys: Vec<_> = self.waiting.keys().filter(|key| is(key)).cloned().collect();
        keys.iter().filter_map(|key| self.take(key)).collect()
    }

    pub fn take_all(&mut self) -> Vec<DelayedWill> {
        self.take_where(|_| true)
    }

    /// While there are more than the bound allows: of the user who leaves most, so that nobody can
    /// hurry the wills of others, the one that is due first.
    pub fn take_excess(&mut self) -> Option<DelayedWill> {
        if self.bytes <= DELAYED_WILLS_BYTES_MAX {
            return None;
        }
        let most = self.users.iter().max_by_key(|(_, bytes)| **bytes)?.0;
        let key = self.due.iter().find(|(_, key)| key.uid == *most)?.1.clone();
        self.take(&key)
    }

    pub fn deadline(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, InboxPattern, Sender};
    use crate::mqtt::{self, Properties, QoS};

    fn will(uid: &str, client_id: &str, at: u64, body: &[u8]) -> DelayedWill {
        let key = SessionKey {
            uid: Uid::parse(uid).unwrap(),
            client_id: ClientId::parse(client_id).unwrap(),
        };
        let from = Sender { uid: key.uid.clone(), client_id: key.client_id.clone() };
        let properties = Properties::default();
        let (topic, qos) = ("alice", QoS::AtMostOnce);
        let will = mqtt::Will { topic, payload: body, qos, retain: false, properties };
        let will = Will::new(&will, InboxPattern::default().target(topic).unwrap(), from);
        let who = Arc::new(Identity::user(key.uid.clone()));
        DelayedWill { at: Moment(at), key, who, login_expires: None, will }
    }

    /// Threat M8.
    #[test]
    fn who_leaves_most_hurries_only_the_own_wills() {
        let (mut wills, body) = (DelayedWills::default(), vec![0; 60_000]);
        wills.push(will("bob", "phone", 30, b"gone"));
        let mut early = Vec::new();
        for n in 0..100 {
            wills.push(will("eve", &n.to_string(), 3000, &body));
            early.extend(std::iter::from_fn(|| wills.take_excess()));
        }
        assert!(wills.bytes <= DELAYED_WILLS_BYTES_MAX && early.len() > 20);
        assert!(early.iter().all(|will| will.key.uid.as_str() == "eve"));
        assert_eq!(wills.deadline(), Some(Moment(30)));
        assert_eq!(wills.take_due(Moment(30)).len(), 1);
        let left = wills.take_all().len();
        assert_eq!((left + early.len(), wills.bytes, wills.users.len()), (100, 0, 0));
        assert_eq!(wills.deadline(), None);
    }
}

//! How many connections are here from each place that limits tell apart.

use std::collections::HashMap;

use ipnet::IpNet;

/// Connections by source. As bounded as the connections are.
#[derive(Default)]
pub struct Sources(HashMap<IpNet, usize>);

impl Sources {
    /// False if there are as many as may be.
    pub fn enter(&mut self, source: IpNet, max: Option<usize>) -> bool {
        let count = self.0.entry(source).or_default();
        let room = max.is_none_or(|max| *count < max);
        match room {
            true => *count += 1,
            false if *count == 0 => _ = self.0.remove(&source),
            false => {}
        }
        room
    }

    pub fn leave(&mut self, source: IpNet) {
        if let Some(count) = self.0.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::source_of;

    fn source(ip: &str) -> IpNet {
        source_of(ip.parse().unwrap())
    }

    #[test]
    fn who_leaves_makes_room_and_leaves_no_trace() {
        let mut sources = Sources::default();
        let (one, other) = (source("127.0.0.1"), source("127.0.0.2"));
        assert!(sources.enter(one, Some(2)) && sources.enter(one, Some(2)));
        assert!(!sources.enter(one, Some(2)) && sources.enter(other, Some(2)));
        sources.leave(one);
        assert!(sources.enter(one, Some(2)) && sources.enter(one, None));
        (0..3).for_each(|_| sources.leave(one));
        sources.leave(other);
        assert!(sources.0.is_empty());
    }
}

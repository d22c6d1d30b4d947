//! Where a connection comes from, as limits see it, and how many are here from each such place.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A customer has at least so much of IPv6: addresses in it are had for nothing.
const IPV6_PREFIX: u8 = 64;
const IPV4_PREFIX: u8 = 32;

/// One IPv4 address, or the /64 around an IPv6 address.
pub fn source_of(ip: IpAddr) -> IpNet {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpNet::V4(Ipv4Net::new_assert(ip, IPV4_PREFIX)),
        IpAddr::V6(ip) => IpNet::V6(Ipv6Net::new_assert(ip, IPV6_PREFIX).trunc()),
    }
}

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

    fn source(ip: &str) -> IpNet {
        source_of(ip.parse().unwrap())
    }

    #[test]
    fn ipv6_counts_by_its_64_and_ipv4_by_its_address() {
        assert_eq!(source("2001:db8::1"), source("2001:db8:0:0:ffff::2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:127.0.0.1"), source("127.0.0.1"));
        assert_ne!(source("127.0.0.1"), source("127.0.0.2"));
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

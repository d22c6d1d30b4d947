//! Where a login or connection comes from, as limits see it.

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
}

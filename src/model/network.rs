//! Networks as people write them: the one way in which they are read.

use ipnet::{IpNet, Ipv4Net};

/// Bits of an IPv6 address before the IPv4 address that it maps (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write it as 10.0.0.0/8, or an address as 10.1.2.3")]
pub struct NetworkError(String);

/// A network, or an address as the network of it alone. Those inside `::ffff:0:0/96` are the IPv4
/// ones that they map, since addresses are compared as such.
///
/// # Errors
/// [`NetworkError`]
pub fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    let network = text.parse().or_else(|_| text.parse().map(single));
    network.map(unmapped).map_err(|_| NetworkError(text.into()))
}

fn single(ip: core::net::IpAddr) -> IpNet {
    IpNet::from(ip)
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().filter(|_| v6.prefix_len() >= MAPPED_BITS);
    let v4 = v4.and_then(|ip| Ipv4Net::new(ip, v6.prefix_len() - MAPPED_BITS).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_with_and_without_their_length_and_mapped_ones_as_ipv4() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::ffff:0:0/95", "::ffff:0:0/95"),
        ] {
            assert_eq!(parse_network(text).unwrap(), network.parse().unwrap(), "{text}");
        }
        for bad in ["10.0.0.0/33", "10.0.0", "lb.example.org", ""] {
            let words = parse_network(bad).unwrap_err().to_string();
            assert!(words.contains("10.0.0.0/8") && words.contains(bad), "{words}");
        }
    }
}

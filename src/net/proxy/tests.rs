//! Headers of the PROXY protocol: written by the tests, split anywhere, and noise.

use proptest::prelude::*;

use super::*;

fn line(text: &str) -> Result<Header, ProxyError> {
    parse(format!("{text}\r\n").as_bytes())
}

fn client(text: &str) -> Result<Header, ProxyError> {
    Ok(Header::Whole(Caller::Client(text.parse().unwrap())))
}

const BALANCER: Result<Header, ProxyError> = Ok(Header::Whole(Caller::Balancer));

/// A header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
}

/// Source, destination, ports: 192.0.2.7:40000 to 198.51.100.1:1883.
fn v4() -> Vec<u8> {
    [&[192, 0, 2, 7, 198, 51, 100, 1][..], &40000u16.to_be_bytes(), &1883u16.to_be_bytes()].concat()
}

fn with_checksum() -> Vec<u8> {
    let body = [v4(), tlv(0x04, &[0; 9]), tlv(TYPE_CRC32C, &[0; 4])].concat();
    let mut header = v2(0x21, 0x11, &body);
    let sum = crc32c(header.iter().copied()).to_be_bytes();
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum);
    header
}

#[test]
fn a_line_names_the_caller() {
    let good = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883";
    assert_eq!(line(good), client("192.0.2.7:40000"));
    assert_eq!(line("PROXY TCP6 2001:db8::7 ::1 65535 0"), client("[2001:db8::7]:65535"));
    assert_eq!(line("PROXY TCP6 ::ffff:192.0.2.7 ::1 5 6"), client("192.0.2.7:5"));
    assert_eq!(line("PROXY UNKNOWN"), BALANCER);
    assert_eq!(line("PROXY UNKNOWN whatever it may be"), BALANCER);
}

#[test]
fn a_malformed_line_is_an_error() {
    for bad in [
        "PROXY",
        "PROXY TCP4",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40000",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40000 1883 ",
        "PROXY TCP4  192.0.2.7 198.51.100.1 40000 1883",
        "PROXY TCP4 192.0.2.256 198.51.100.1 40000 1883",
        "PROXY TCP4 ::1 ::1 40000 1883",
        "PROXY TCP6 192.0.2.7 ::1 40000 1883",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +4000 1883",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 1883",
        "PROXY TCP4 192.0.2.7 198.51.100.1 -1 1883",
        "PROXY UDP4 192.0.2.7 198.51.100.1 40000 1883",
        "PROXY tcp4 192.0.2.7 198.51.100.1 40000 1883",
    ] {
        assert!(matches!(line(bad), Err(ProxyError::Line | ProxyError::Missing)), "{bad}");
    }
    assert_eq!(parse(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n"), Err(ProxyError::Line));
    let long = format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(line(&long), Err(ProxyError::Line));
    assert_eq!(parse(&long.as_bytes()[..LINE_BYTES_MAX]), Err(ProxyError::Line));
    let longest = format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES_MAX - 16));
    assert_eq!(line(&longest), BALANCER);
}

#[test]
fn what_is_no_header_is_seen_at_its_first_bytes() {
    for other in [&b"\x10\x0c\0\x04MQTT"[..], b"\x16\x03\x01", b"GET / HTTP/1.1", b"PROXIED "] {
        assert_eq!(parse(other), Err(ProxyError::Missing));
    }
}

#[test]
fn version_2_names_the_caller() {
    assert_eq!(parse(&v2(0x21, 0x11, &v4())), client("192.0.2.7:40000"));
    let mut body = [[0; 32], [0; 32]].concat()[..36].to_vec();
    body[15] = 1;
    body[32..34].copy_from_slice(&7u16.to_be_bytes());
    assert_eq!(parse(&v2(0x21, 0x21, &body)), client("[::1]:7"));
    // LOCAL: whatever else it says is not looked at.
    assert_eq!(parse(&v2(0x20, 0x00, &[])), BALANCER);
    assert_eq!(parse(&v2(0x20, 0xFF, b"noise")), BALANCER);
    assert_eq!(parse(&v2(0x21, 0x00, &[])), BALANCER);
    assert_eq!(parse(&v2(0x21, 0x31, &[0; 216])), BALANCER);
}

#[test]
fn version_2_is_checked() {
    for (command, family, body, error) in [
        (0x11, 0x11, v4(), ProxyError::Command),
        (0x31, 0x11, v4(), ProxyError::Command),
        (0x22, 0x11, v4(), ProxyError::Command),
        (0x21, 0x12, v4(), ProxyError::Family),
        (0x21, 0x41, v4(), ProxyError::Family),
        (0x21, 0x11, vec![0; 11], ProxyError::Field),
        (0x21, 0x21, vec![0; 35], ProxyError::Field),
        (0x21, 0x31, vec![0; 215], ProxyError::Field),
        (0x21, 0x11, [v4(), vec![1, 0]].concat(), ProxyError::Field),
        (0x21, 0x11, [v4(), vec![1, 0, 9, 0]].concat(), ProxyError::Field),
        (0x21, 0x11, vec![0; BODY_BYTES_MAX + 1], ProxyError::TooLong),
    ] {
        assert_eq!(parse(&v2(command, family, &body)), Err(error), "{command:#x} {family:#x}");
    }
    let most = [v4(), tlv(0x04, &[0; BODY_BYTES_MAX - 15])].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &most)), client("192.0.2.7:40000"));
}

#[test]
fn a_checksum_is_checked() {
    // RFC 3720, appendix B.4.
    assert_eq!(crc32c([0; 32].into_iter()), 0x8A91_36AA);
    assert_eq!(crc32c(0..32), 0x46DD_794E);
    let good = with_checksum();
    assert_eq!(parse(&good), client("192.0.2.7:40000"));
    let kind = good.len() - 4 - TLV_HEAD_BYTES;
    for at in (FIXED_BYTES..good.len()).filter(|at| *at != kind) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(parse(&bad).is_err(), "byte {at}");
    }
    let short = [v4(), tlv(TYPE_CRC32C, &[0; 3])].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &short)), Err(ProxyError::Field));
}

fn header() -> impl Strategy<Value = (Vec<u8>, SocketAddr)> {
    let from = (any::<IpAddr>(), any::<u16>());
    (from, any::<bool>(), prop::collection::vec(any::<u8>(), 0..100)).prop_map(
        |((ip, port), is_line, noise)| {
            let to = match ip {
                IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(_) => IpAddr::from([7; 16]),
            };
            let bytes = if is_line {
                let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
                format!("PROXY {family} {ip} {to} {port} 1883\r\n").into_bytes()
            } else {
                let octets = |ip| match ip {
                    IpAddr::V4(ip) => Ipv4Addr::octets(&ip).to_vec(),
                    IpAddr::V6(ip) => Ipv6Addr::octets(&ip).to_vec(),
                };
                let addresses = [octets(ip), octets(to)].concat();
                let ports = [port.to_be_bytes(), 1883u16.to_be_bytes()].concat();
                let body = [addresses, ports, tlv(0xEE, &noise)].concat();
                v2(0x21, if ip.is_ipv4() { 0x11 } else { 0x21 }, &body)
            };
            (bytes, SocketAddr::new(ip.to_canonical(), port))
        },
    )
}

proptest! {
    /// Read as a socket gives it: never a byte more than is asked for.
    #[test]
    fn a_header_is_read_from_any_pieces_and_nothing_behind_it(
        (bytes, from) in header(),
        behind in prop::collection::vec(any::<u8>(), 0..20),
        pieces in prop::collection::vec(1usize..50, 1..50),
    ) {
        let stream = [&bytes[..], &behind[..]].concat();
        let mut read = 0;
        let mut pieces = pieces.into_iter().cycle();
        loop {
            match parse(&stream[..read]) {
                Ok(Header::Needs(more)) => {
                    prop_assert!(more > 0 && read + more <= bytes.len());
                    read += more.min(pieces.next().unwrap());
                }
                Ok(Header::Whole(caller)) => {
                    prop_assert_eq!(caller, Caller::Client(from));
                    prop_assert_eq!(read, bytes.len());
                    break;
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    /// Threat I10.
    #[test]
    fn noise_never_panics_and_never_asks_for_more_than_the_bound(
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE]),
        noise in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let bytes = [start, &noise[..]].concat();
        for end in 0..bytes.len().min(300) {
            if let Ok(Header::Needs(more)) = parse(&bytes[..end]) {
                prop_assert!(more > 0 && end + more <= FIXED_BYTES + BODY_BYTES_MAX);
            }
        }
        _ = parse(&bytes);
    }

    #[test]
    fn a_header_with_one_wrong_byte_never_panics((bytes, _) in header(), at: usize, byte: u8) {
        let mut bytes = bytes;
        let at = at % bytes.len();
        bytes[at] = byte;
        _ = parse(&bytes);
    }
}

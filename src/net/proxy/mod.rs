//! The PROXY protocol, versions 1 and 2 (HAProxy's specification of 2020): a load balancer says in
//! front of a connection's bytes who is calling. The parser is pure; its header is bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What stands in a header of version 2 behind its fixed part: addresses and TLVs.
const BODY_BYTES_MAX: usize = 2048;
/// The longest line of version 1, with its CR and LF (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// `PROXY UNKNOWN` with CR and LF.
const LINE_BYTES_MIN: usize = 15;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family, length (section 2.2).
const FIXED_BYTES: usize = 16;
const TYPE_CRC32C: u8 = 0x03;
const TLV_HEAD_BYTES: usize = 3;

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody behind the load balancer.
    Client(SocketAddr),
    /// The load balancer itself, as for a health check, or somebody it cannot name.
    Balancer,
}

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// So many more bytes belong to the header for certain.
    Needs(usize),
    Whole(Caller),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("there is none: the load balancer has to send one (send-proxy, send-proxy-v2)")]
    Missing,
    #[error("its line is malformed or longer than {LINE_BYTES_MAX} bytes")]
    Line,
    #[error("its version or command is not known")]
    Command,
    #[error("its addresses are not those of a TCP connection")]
    Family,
    #[error("it is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    #[error("its fields do not fit its length")]
    Field,
    #[error("its checksum is wrong")]
    Checksum,
}

/// Reads the bytes of a header and nothing of what stands behind it: whoever adds no more bytes
/// than are needed takes none from TLS or MQTT.
///
/// # Errors
/// [`ProxyError`]; the connection is over then.
pub fn parse(bytes: &[u8]) -> Result<Header, ProxyError> {
    let same = |start: &[u8]| bytes.iter().zip(start).all(|(a, b)| a == b);
    if same(SIGNATURE) && (!bytes.is_empty()) {
        return parse_v2(bytes);
    }
    if !same(b"PROXY ") {
        return Err(ProxyError::Missing);
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if end >= LINE_BYTES_MAX => Err(ProxyError::Line),
        Some(end) => parse_line(&bytes[..=end]).map(Header::Whole),
        None if bytes.len() >= LINE_BYTES_MAX => Err(ProxyError::Line),
        // Both versions are at least this long.
        None if bytes.is_empty() => Ok(Header::Needs(LINE_BYTES_MIN)),
        None => Ok(Header::Needs(LINE_BYTES_MIN.saturating_sub(bytes.len()).max(1))),
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 40000 1883`.
fn parse_line(line: &[u8]) -> Result<Caller, ProxyError> {
    let line = line.strip_suffix(b"\r\n").ok_or(ProxyError::Line)?;
    let line = str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    let words: Vec<&str> = line.split(' ').collect();
    match words[1..] {
        ["UNKNOWN", ..] => Ok(Caller::Balancer),
        ["TCP4", from, to, from_port, to_port] => {
            let ips: (Option<Ipv4Addr>, Option<Ipv4Addr>) = (from.parse().ok(), to.parse().ok());
            client(ips.0.zip(ips.1).map(|(ip, _)| ip.into()), from_port, to_port)
        }
        ["TCP6", from, to, from_port, to_port] => {
            let ips: (Option<Ipv6Addr>, Option<Ipv6Addr>) = (from.parse().ok(), to.parse().ok());
            client(ips.0.zip(ips.1).map(|(ip, _)| ip.into()), from_port, to_port)
        }
        _ => Err(ProxyError::Line),
    }
}

fn client(ip: Option<IpAddr>, from_port: &str, to_port: &str) -> Result<Caller, ProxyError> {
    let port = |text: &str| -> Option<u16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let ports = port(from_port).zip(port(to_port)).ok_or(ProxyError::Line)?;
    Ok(Caller::Client(SocketAddr::new(ip.ok_or(ProxyError::Line)?.to_canonical(), ports.0)))
}

fn parse_v2(bytes: &[u8]) -> Result<Header, ProxyError> {
    let Some((fixed, body)) = bytes.split_at_checked(FIXED_BYTES) else {
        return Ok(Header::Needs(FIXED_BYTES - bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > BODY_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    let is_local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Command),
    };
    if body.len() < length {
        return Ok(Header::Needs(length - body.len()));
    }
    if is_local {
        return Ok(Header::Whole(Caller::Balancer));
    }
    let body = &body[..length];
    let (caller, addresses) = addresses(fixed[13], body)?;
    check_tlvs(&bytes[..FIXED_BYTES + length], FIXED_BYTES + addresses)?;
    Ok(Header::Whole(caller))
}

/// Who is calling, and the length of the addresses.
fn addresses(family: u8, body: &[u8]) -> Result<(Caller, usize), ProxyError> {
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let client = |ip: IpAddr, port| Caller::Client(SocketAddr::new(ip.to_canonical(), port));
    match (family, body.len()) {
        (0x11, 12..) => {
            let ip: [u8; 4] = body[..4].try_into().map_err(|_| ProxyError::Field)?;
            Ok((client(ip.into(), port(8)), 12))
        }
        (0x21, 36..) => {
            let ip: [u8; 16] = body[..16].try_into().map_err(|_| ProxyError::Field)?;
            Ok((client(ip.into(), port(32)), 36))
        }
        // A connection that the balancer cannot name, or that came to it by a UNIX socket.
        (0x00, _) => Ok((Caller::Balancer, 0)),
        (0x31, 216..) => Ok((Caller::Balancer, 216)),
        (0x11 | 0x21 | 0x31, _) => Err(ProxyError::Field),
        _ => Err(ProxyError::Family),
    }
}

/// Each has a type, two bytes of length and a value. Only the checksum means something here.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), ProxyError> {
    while at < header.len() {
        let head = header.get(at..at + TLV_HEAD_BYTES).ok_or(ProxyError::Field)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let start = at + TLV_HEAD_BYTES;
        let value = header.get(start..start + length).ok_or(ProxyError::Field)?;
        if head[0] == TYPE_CRC32C {
            check_checksum(header, start, value)?;
        }
        at = start + length;
    }
    Ok(())
}

/// Taken over the whole header with zeros in its own place (section 2.2.3).
fn check_checksum(header: &[u8], at: usize, value: &[u8]) -> Result<(), ProxyError> {
    let told: [u8; 4] = value.try_into().map_err(|_| ProxyError::Field)?;
    let rest = &header[at + told.len()..];
    let bytes = header[..at].iter().chain(&[0; 4]).chain(rest);
    let right = crc32c(bytes.copied()) == u32::from_be_bytes(told);
    if right { Ok(()) } else { Err(ProxyError::Checksum) }
}

/// RFC 4960, appendix B, bit by bit: a header is short.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests;

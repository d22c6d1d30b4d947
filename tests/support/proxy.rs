//! Headers of the PROXY protocol as a load balancer writes them.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 1.
pub fn line(from: &str) -> Vec<u8> {
    let from: SocketAddr = from.parse().expect("an address");
    let (family, to) = if from.is_ipv4() { ("TCP4", "127.0.0.1") } else { ("TCP6", "::1") };
    format!("PROXY {family} {} {to} {} 1883\r\n", from.ip(), from.port()).into_bytes()
}

/// Version 2 with this command, family and body.
pub fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

/// Version 2 for an IPv4 client, with these TLVs.
pub fn v4(from: &str, tlvs: &[u8]) -> Vec<u8> {
    let SocketAddr::V4(from) = from.parse().expect("an address") else { panic!("IPv4") };
    let ports = [from.port().to_be_bytes(), 1883u16.to_be_bytes()].concat();
    let addresses = [from.ip().octets(), [127, 0, 0, 1]].concat();
    binary(0x21, 0x11, &[&addresses[..], &ports, tlvs].concat())
}

pub fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short").to_be_bytes();
    [&[kind][..], &length, value].concat()
}

/// A connection that begins with this header.
pub fn behind(addr: SocketAddr, header: &[u8]) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).expect("connect");
    // It may be closed before all of it is sent.
    let _ = tcp.write_all(header);
    tcp
}

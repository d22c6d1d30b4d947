//! The filters of SUBSCRIBE and UNSUBSCRIBE, checked once when decoded (MQTT 5, sections 3.8.3,
//! 3.10.3, 4.7).

use super::cursor::Cursor;
use super::packet::Version;
use super::{DecodeError, QoS};

/// The byte behind each filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    /// 0, 1 or 2.
    pub retain_handling: u8,
}

impl SubscribeOptions {
    /// Reserved bits must be zero [MQTT-3.8.3-5]; 3.1.1 has the QoS only.
    pub fn from_byte(byte: u8, version: Version) -> Result<SubscribeOptions, DecodeError> {
        let reserved = match version {
            Version::V311 => byte & !0b11,
            Version::V5 => byte & 0b1100_0000,
        };
        if reserved != 0 {
            return Err(DecodeError::Malformed("reserved bits of subscription options are set"));
        }
        let retain_handling = byte >> 4 & 0b11;
        if retain_handling == 3 {
            return Err(DecodeError::Protocol("retain handling 3"));
        }
        let qos = QoS::from_bits(byte & 0b11).ok_or(DecodeError::Malformed("QoS 3"))?;
        let (no_local, retain_as_published) = (byte & 0b100 != 0, byte & 0b1000 != 0);
        Ok(SubscribeOptions { qos, no_local, retain_as_published, retain_handling })
    }

    pub fn to_byte(self) -> u8 {
        self.qos as u8
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | self.retain_handling << 4
    }
}

/// Filters with options, at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filters<'a> {
    bytes: &'a [u8],
    version: Version,
}

/// Filters without options, at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterNames<'a>(&'a [u8]);

impl<'a> Filters<'a> {
    /// Checks the rest of a SUBSCRIBE; the bytes are as on the wire.
    pub fn new(bytes: &'a [u8], version: Version) -> Result<Filters<'a>, DecodeError> {
        let mut cursor = Cursor(bytes);
        not_empty(&cursor)?;
        while !cursor.is_empty() {
            let filter = cursor.text()?;
            check_filter(filter)?;
            let options = SubscribeOptions::from_byte(cursor.u8()?, version)?;
            if options.no_local && filter.starts_with("$share/") {
                return Err(DecodeError::Protocol("no local on a shared subscription"));
            }
        }
        Ok(Filters { bytes, version })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, SubscribeOptions)> + use<'a> {
        let (mut cursor, version) = (Cursor(self.bytes), self.version);
        std::iter::from_fn(move || {
            let filter = cursor.text().ok()?;
            Some((filter, SubscribeOptions::from_byte(cursor.u8().ok()?, version).ok()?))
        })
    }

    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> FilterNames<'a> {
    /// Checks the rest of an UNSUBSCRIBE; the bytes are as on the wire.
    pub fn new(bytes: &'a [u8]) -> Result<FilterNames<'a>, DecodeError> {
        let mut cursor = Cursor(bytes);
        not_empty(&cursor)?;
        while !cursor.is_empty() {
            check_filter(cursor.text()?)?;
        }
        Ok(FilterNames(bytes))
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut cursor = Cursor(self.0);
        std::iter::from_fn(move || cursor.text().ok())
    }

    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

fn not_empty(cursor: &Cursor<'_>) -> Result<(), DecodeError> {
    match cursor.is_empty() {
        true => Err(DecodeError::Protocol("no topic filter [MQTT-3.8.3-2]")),
        false => Ok(()),
    }
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1]: wildcards fill whole levels, `#` is the last.
fn check_filter(filter: &str) -> Result<(), DecodeError> {
    let filter = match filter.strip_prefix("$share/") {
        Some(shared) => match shared.split_once('/') {
            Some((group, rest)) if !group.is_empty() && !group.contains(['+', '#']) => rest,
            _ => return Err(DecodeError::Malformed("a shared subscription without group")),
        },
        None => filter,
    };
    if filter.is_empty() {
        return Err(DecodeError::Malformed("an empty topic filter"));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
            return Err(DecodeError::Malformed("a wildcard that does not fill its level"));
        }
    }
    Ok(())
}

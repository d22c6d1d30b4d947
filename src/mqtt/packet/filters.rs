//! The lists of topic filters in SUBSCRIBE and UNSUBSCRIBE: validated once, read in place.

use std::fmt;

use super::SubscribeOptions;
use crate::mqtt::topic::{FilterFault, check_filter, shared};
use crate::mqtt::wire::{Reader, put_text};
use crate::mqtt::{DecodeError, Version};

/// The filters of a SUBSCRIBE with their options, in encoded form and already validated.
#[derive(Clone, Copy, PartialEq)]
pub struct Filters<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Filters<'a> {
    /// Validates the payload of a SUBSCRIBE.
    pub(in crate::mqtt) fn parse(bytes: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut count = 0;
        while !reader.is_empty() {
            let filter = read_filter(&mut reader, version)?;
            let options = SubscribeOptions::parse(reader.u8("subscribe options")?, version)?;
            if options.no_local && shared(filter).is_some() {
                return Err(DecodeError::ProtocolError("no local on a shared subscription"));
            }
            count += 1;
        }
        at_least_one(count, "SUBSCRIBE without a filter")?;
        Ok(Filters { bytes, count })
    }

    /// Each filter with its options, in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, SubscribeOptions)> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let filter = reader.text("topic filter").ok()?;
            let options = reader.u8("subscribe options").ok()?;
            Some((filter, SubscribeOptions::parse(options, Version::V5).ok()?))
        })
    }

    /// How many filters there are: never 0 in a decoded packet.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded form, with MQTT 5 option bytes.
    pub(in crate::mqtt) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The filters of an UNSUBSCRIBE, in encoded form and already validated.
#[derive(Clone, Copy, PartialEq)]
pub struct FilterNames<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> FilterNames<'a> {
    /// Validates the payload of an UNSUBSCRIBE.
    pub(in crate::mqtt) fn parse(bytes: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut count = 0;
        while !reader.is_empty() {
            read_filter(&mut reader, version)?;
            count += 1;
        }
        at_least_one(count, "UNSUBSCRIBE without a filter")?;
        Ok(FilterNames { bytes, count })
    }

    /// Each filter, in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || reader.text("topic filter").ok())
    }

    /// How many filters there are: never 0 in a decoded packet.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(in crate::mqtt) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for FilterNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Builds the filters of a SUBSCRIBE. Reusable: `clear` keeps the memory.
#[derive(Debug, Clone, Default)]
pub struct FilterBuffer {
    bytes: Vec<u8>,
    count: usize,
}

impl FilterBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a filter by MQTT 5 rules; an invalid one is refused and leaves the list as it was.
    pub fn push(&mut self, filter: &str, options: SubscribeOptions) -> Result<(), FilterFault> {
        check_filter(filter, Version::V5)?;
        if options.no_local && shared(filter).is_some() {
            return Err(FilterFault::NoLocalOnShare);
        }
        put_text(&mut self.bytes, filter);
        self.bytes.push(options.to_byte());
        self.count += 1;
        Ok(())
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    pub fn as_filters(&self) -> Filters<'_> {
        Filters { bytes: &self.bytes, count: self.count }
    }
}

/// Builds the filters of an UNSUBSCRIBE. Reusable: `clear` keeps the memory.
#[derive(Debug, Clone, Default)]
pub struct FilterNameBuffer {
    bytes: Vec<u8>,
    count: usize,
}

impl FilterNameBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a filter by MQTT 5 rules; an invalid one is refused and leaves the list as it was.
    pub fn push(&mut self, filter: &str) -> Result<(), FilterFault> {
        check_filter(filter, Version::V5)?;
        put_text(&mut self.bytes, filter);
        self.count += 1;
        Ok(())
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    pub fn as_filters(&self) -> FilterNames<'_> {
        FilterNames { bytes: &self.bytes, count: self.count }
    }
}

fn read_filter<'a>(reader: &mut Reader<'a>, version: Version) -> Result<&'a str, DecodeError> {
    let filter = reader.text("topic filter")?;
    check_filter(filter, version).map_err(DecodeError::InvalidFilter)?;
    Ok(filter)
}

fn at_least_one(count: usize, none: &'static str) -> Result<(), DecodeError> {
    if count == 0 { Err(DecodeError::ProtocolError(none)) } else { Ok(()) }
}

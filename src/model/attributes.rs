//! The MQTT 5 properties that travel with a message (section 3.3.2.3), in homing's own versioned
//! encoding: what the store keeps, HTTP can fill and MQTT 3.1.1 never sees.

use bytes::Bytes;

/// First byte of every non-empty block; a later layout gets another number.
const VERSION: u8 = 1;

/// One property of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// Payload Format Indicator 1: the body is UTF-8.
    BodyIsText,
    /// Payload Format Indicator 0: the publisher says that it says nothing of the body.
    BodyIsBytes,
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    User(&'a str, &'a str),
}

/// Attributes in the order the publisher gave them. Empty for most messages: no bytes at all.
///
/// Layout: version, then for each attribute a tag and its values, each with a two-byte length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Bytes);

impl Attributes {
    pub fn collect<'a>(all: impl IntoIterator<Item = Attribute<'a>>) -> Attributes {
        let mut out = Vec::new();
        for attribute in all {
            if out.is_empty() {
                out.push(VERSION);
            }
            write(&mut out, attribute);
        }
        Attributes(out.into())
    }

    /// Takes bytes from the store; `None` if they are not a whole block of a known version.
    pub fn from_bytes(bytes: Bytes) -> Option<Attributes> {
        let mut rest = match bytes.first() {
            None => return Some(Attributes(bytes)),
            Some(&VERSION) => &bytes[1..],
            Some(_) => return None,
        };
        while !rest.is_empty() {
            read(&mut rest)?;
        }
        Some(Attributes(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Attribute<'_>> {
        let mut rest = self.0.get(1..).unwrap_or_default();
        std::iter::from_fn(move || read(&mut rest))
    }
}

fn write(out: &mut Vec<u8>, attribute: Attribute<'_>) {
    let (tag, values): (u8, [&[u8]; 2]) = match attribute {
        Attribute::BodyIsText => (1, [&[], &[]]),
        Attribute::BodyIsBytes => (6, [&[], &[]]),
        Attribute::ContentType(text) => (2, [text.as_bytes(), &[]]),
        Attribute::ResponseTopic(text) => (3, [text.as_bytes(), &[]]),
        Attribute::CorrelationData(data) => (4, [data, &[]]),
        Attribute::User(name, value) => (5, [name.as_bytes(), value.as_bytes()]),
    };
    out.push(tag);
    for value in &values[..value_count(tag)] {
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
}

fn value_count(tag: u8) -> usize {
    match tag {
        1 | 6 => 0,
        5 => 2,
        _ => 1,
    }
}

fn read<'a>(rest: &mut &'a [u8]) -> Option<Attribute<'a>> {
    let (&tag, tail) = rest.split_first()?;
    *rest = tail;
    match tag {
        1 => Some(Attribute::BodyIsText),
        2 => text(rest).map(Attribute::ContentType),
        3 => text(rest).map(Attribute::ResponseTopic),
        4 => data(rest).map(Attribute::CorrelationData),
        5 => Some(Attribute::User(text(rest)?, text(rest)?)),
        6 => Some(Attribute::BodyIsBytes),
        _ => None,
    }
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(data(rest)?).ok()
}

fn data<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (value, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = tail;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let all = [
            Attribute::User("a", "1"),
            Attribute::BodyIsText,
            Attribute::BodyIsBytes,
            Attribute::ContentType("text/plain"),
            Attribute::ResponseTopic("r/t"),
            Attribute::CorrelationData(&[0, 255]),
            Attribute::User("a", "2"),
        ];
        let block = Attributes::collect(all);
        assert_eq!(block.iter().collect::<Vec<_>>(), all);
        assert_eq!(Attributes::from_bytes(block.0.clone()), Some(block));
        assert!(Attributes::collect([]).as_bytes().is_empty());
    }

    proptest! {
        #[test]
        fn stored_bytes_are_a_whole_block_or_nothing(bytes: Vec<u8>) {
            if let Some(block) = Attributes::from_bytes(bytes.into()) {
                let again = Attributes::collect(block.iter());
                prop_assert_eq!(again.iter().count(), block.iter().count());
            }
        }
    }
}

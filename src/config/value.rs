//! Durations and sizes as people write them: `250ms`, `2s`, `30d`; `64KiB`, `1MiB`. Secrets, which
//! are read and never shown.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A duration: a whole number and `ms s m h d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in bytes: a whole number and `B KiB MiB GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A password or key: used by [`Secret::expose`] alone, shown as `***`, wiped when it goes.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { "***" }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

const SPAN_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn write(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |factor: u64| value >= factor && value.is_multiple_of(factor);
    let (unit, factor) =
        units.iter().find(|(_, factor)| fits(*factor)).unwrap_or(&units[units.len() - 1]);
    write!(f, "{}{unit}", value / factor)
}

impl Span {
    pub fn parse(text: &str) -> Option<Span> {
        parse(text, &SPAN_UNITS).map(|millis| Span(Duration::from_millis(millis)))
    }
}

impl Size {
    pub fn parse(text: &str) -> Option<Size> {
        parse(text, &SIZE_UNITS).map(Size)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0.as_millis() as u64, &SPAN_UNITS, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, &SIZE_UNITS, f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || format!("{text:?} is no duration: write a number and ms, s, m, h or d");
        Span::parse(&text).ok_or_else(|| serde::de::Error::custom(problem()))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || format!("{text:?} is no size: write a number and B, KiB, MiB or GiB");
        Size::parse(&text).ok_or_else(|| serde::de::Error::custom(problem()))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["250ms", "2s", "30d", "90m", "1h", "0ms"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for text in ["64KiB", "1MiB", "3GiB", "17B", "0B"] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "5", "s", "5 s", "-1s", "1.5s", "1w", "99999999999999999999d"] {
            assert_eq!(Span::parse(bad), None, "{bad:?}");
        }
    }
}

//! Rates as people write them: `off`, `100/s burst 1000`, `256KiB/s burst 1MiB`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Size;
use crate::model::Rate;

/// So many of something per second, or as many as come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountRate(pub Option<Rate>);

/// So many bytes per second, or as many as come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesRate(pub Option<Rate>);

const OFF: &str = "off";
const PER_SEC: &str = "/s";
const BURST: &str = " burst ";

/// `None` if it is no rate; without a burst, one second's worth may come at once.
fn parse(text: &str, number: impl Fn(&str) -> Option<u64>) -> Option<Option<Rate>> {
    if text == OFF {
        return Some(None);
    }
    let (per_sec, burst) = text.split_once(BURST).map_or((text, None), |(a, b)| (a, Some(b)));
    let per_sec = number(per_sec.strip_suffix(PER_SEC)?)?;
    let burst = burst.map_or(Some(per_sec), number)?;
    Rate::new(per_sec, burst).map(Some)
}

fn write<N: fmt::Display>(
    rate: Option<Rate>,
    number: impl Fn(u64) -> N,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match rate {
        None => f.write_str(OFF),
        Some(rate) => {
            write!(f, "{}{PER_SEC}{BURST}{}", number(rate.per_sec()), number(rate.burst()))
        }
    }
}

impl CountRate {
    pub fn parse(text: &str) -> Option<CountRate> {
        parse(text, |number| number.parse().ok()).map(CountRate)
    }
}

impl BytesRate {
    pub fn parse(text: &str) -> Option<BytesRate> {
        parse(text, |size| Size::parse(size).map(|size| size.0)).map(BytesRate)
    }
}

impl fmt::Display for CountRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, |number| number, f)
    }
}

impl fmt::Display for BytesRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, Size, f)
    }
}

fn wrong(text: &str, example: &str) -> String {
    format!(
        "{text:?} is no rate: write \"{OFF}\", or as in \"{example}\", \
         with a burst of at least a tenth of a second's"
    )
}

impl<'de> Deserialize<'de> for CountRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || serde::de::Error::custom(wrong(&text, "100/s burst 1000"));
        CountRate::parse(&text).ok_or_else(problem)
    }
}

impl<'de> Deserialize<'de> for BytesRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || serde::de::Error::custom(wrong(&text, "256KiB/s burst 1MiB"));
        BytesRate::parse(&text).ok_or_else(problem)
    }
}

impl Serialize for CountRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for BytesRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_they_are_read() {
        for text in ["off", "100/s burst 1000", "1/s burst 1"] {
            assert_eq!(CountRate::parse(text).unwrap().to_string(), text);
        }
        for text in ["off", "256KiB/s burst 1MiB", "17B/s burst 20B"] {
            assert_eq!(BytesRate::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(CountRate::parse("5/s").unwrap().to_string(), "5/s burst 5");
        for bad in ["", "5", "0/s", "5/m", "5/s burst", "5/s burst 0", "100/s burst 9", "-1/s"] {
            assert_eq!(CountRate::parse(bad), None, "{bad:?}");
        }
        assert_eq!(BytesRate::parse("5/s"), None);
    }
}

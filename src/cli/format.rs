//! How `sub` prints a message: `-F` with the codes of `mosquitto_sub`, and JSON.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::model::Stamp;
use crate::mqtt::Publish;

/// A part of a format.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// `%t`: one of [`CODES`].
    Code(char),
    /// `%{from}`: the value of this user property.
    Property(String),
}

/// A parsed `-F`.
#[derive(Clone, Debug, PartialEq)]
pub struct Format(Vec<Piece>);

/// Every code with what it prints.
pub const CODES: &str = "\
%t topic, %p payload, %x payload in hexadecimal, %l length of the payload in bytes, %q QoS, \
%r retained (0 or 1), %m packet id, %I time of arrival (ISO 8601), %U the same as seconds since \
1970, %j JSON, %P user properties, %C content type, %R response topic, %D correlation data, \
%E expiry in seconds, %F payload format, %S subscription ids, %{NAME} a user property, such as \
%{from} %{id} %{seq} %{ts} of mail, %% a percent sign; \\n \\t \\e \\0 \\\\ as usual";

const SINGLE: &str = "tpxlqrmIUjPCRDEFS";

impl Format {
    /// What `sub` prints without `-F`: the payload, with `-v` the topic in front.
    pub fn plain(verbose: bool) -> Format {
        let mut pieces = vec![Piece::Code('p')];
        if verbose {
            pieces.splice(0..0, [Piece::Code('t'), Piece::Text(" ".into())]);
        }
        Format(pieces)
    }

    pub fn json() -> Format {
        Format(vec![Piece::Code('j')])
    }

    /// Reads a format; words for a code that does not exist.
    pub fn parse(text: &str) -> Result<Format, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '%' => match code(&mut rest)? {
                    Piece::Text(text) => plain.push_str(&text),
                    piece => {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        pieces.push(piece);
                    }
                },
                '\\' => plain.push(escaped(rest.next())?),
                other => plain.push(other),
            }
        }
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Format(pieces))
    }

    /// Prints one message and the end of the line.
    pub fn print(&self, message: &Publish<'_>, at: Stamp, out: &mut impl Write) -> io::Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text.as_bytes())?,
                Piece::Code(code) => print_code(*code, message, at, out)?,
                Piece::Property(name) => {
                    let value = message.properties.user_property(name).unwrap_or_default();
                    out.write_all(value.as_bytes())?;
                }
            }
        }
        out.write_all(b"\n")
    }
}

fn code(rest: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    match rest.next() {
        Some('%') => Ok(Piece::Text("%".into())),
        Some('{') => {
            let (name, after) = rest.as_str().split_once('}').ok_or("%{ without }")?;
            let piece = Piece::Property(name.into());
            *rest = after.chars();
            Ok(piece)
        }
        Some(c) if SINGLE.contains(c) => Ok(Piece::Code(c)),
        Some(c) => Err(format!("%{c} does not exist; the codes are: {CODES}")),
        None => Err("a single % at the end: write %%".into()),
    }
}

fn escaped(c: Option<char>) -> Result<char, String> {
    match c {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some('e') => Ok('\u{1b}'),
        Some('0') => Ok('\0'),
        Some('\\') => Ok('\\'),
        other => Err(format!("\\{} does not exist", other.map(String::from).unwrap_or_default())),
    }
}

fn print_code(
    code: char,
    message: &Publish<'_>,
    at: Stamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let properties = &message.properties;
    match code {
        't' => out.write_all(message.topic.as_bytes()),
        'p' => out.write_all(message.payload),
        'x' => message.payload.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
        'l' => write!(out, "{}", message.payload.len()),
        'q' => write!(out, "{}", message.qos as u8),
        'r' => write!(out, "{}", u8::from(message.retain)),
        'm' => write!(out, "{}", message.packet_id.map_or(0, |id| id.get())),
        'I' => out.write_all(at.to_string().as_bytes()),
        'U' => write!(out, "{}.{:03}", at.0 / 1000, at.0 % 1000),
        'j' => write!(out, "{}", as_json(message, at)),
        'P' => {
            let all: Vec<_> = properties.user_properties().collect();
            let words: Vec<String> = all.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            out.write_all(words.join(" ").as_bytes())
        }
        'C' => out.write_all(properties.content_type().unwrap_or_default().as_bytes()),
        'R' => out.write_all(properties.response_topic().unwrap_or_default().as_bytes()),
        'D' => out.write_all(properties.correlation_data().unwrap_or_default()),
        'E' => properties.message_expiry_secs().map_or(Ok(()), |secs| write!(out, "{secs}")),
        'F' => write!(out, "{}", u8::from(properties.payload_is_text())),
        _ => {
            let ids: Vec<String> = properties.subscription_ids().map(|id| id.to_string()).collect();
            out.write_all(ids.join(",").as_bytes())
        }
    }
}

/// `payload` is text; what is not UTF-8 is in `payload_base64` instead.
fn as_json(message: &Publish<'_>, at: Stamp) -> Value {
    let mut object = json!({
        "time": at.to_string(),
        "topic": message.topic,
        "qos": message.qos as u8,
        "retain": message.retain,
    });
    match std::str::from_utf8(message.payload) {
        Ok(text) => object["payload"] = text.into(),
        Err(_) => object["payload_base64"] = BASE64_STANDARD.encode(message.payload).into(),
    }
    if let Some(packet_id) = message.packet_id {
        object["packet_id"] = packet_id.get().into();
    }
    let named: Map<String, Value> = message
        .properties
        .user_properties()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !named.is_empty() {
        object["properties"] = named.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{PacketId, Property, PropertyBuffer, QoS};

    const AT: Stamp = Stamp(1_700_000_000_042);

    fn printed(format: &Format, payload: &[u8], named: &[(&str, &str)]) -> String {
        let mut properties = PropertyBuffer::new();
        named.iter().for_each(|(k, v)| properties.push(Property::UserProperty(k, v)));
        let message = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "bob",
            packet_id: PacketId::new(7),
            properties: properties.as_properties(),
            payload,
        };
        let mut out = Vec::new();
        format.print(&message, AT, &mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    fn formatted(format: &str) -> String {
        let named = [("from", "alice"), ("seq", "3")];
        printed(&Format::parse(format).unwrap(), b"hi", &named)
    }

    #[test]
    fn codes_print_what_they_say() {
        assert_eq!(formatted("%t/%p q%q r%r m%m l%l %x"), "bob/hi q1 r1 m7 l2 6869\n");
        assert_eq!(formatted("%{from}#%{seq}%{none}"), "alice#3\n");
        assert_eq!(formatted("%P|%C|%E|%S|%F"), "from:alice seq:3||||0\n");
        assert_eq!(formatted("100%%\\t%I %U"), "100%\t2023-11-14T22:13:20.042Z 1700000000.042\n");
        assert_eq!(formatted(""), "\n");
    }

    #[test]
    fn every_single_code_is_documented_and_printed() {
        for code in SINGLE.chars() {
            assert!(CODES.contains(&format!("%{code} ")), "{code}");
            formatted(&format!("%{code}"));
        }
    }

    #[test]
    fn a_wrong_format_is_told() {
        for (bad, word) in [("%z", "%z"), ("x%", "%%"), ("%{from", "without }"), ("\\y", "\\y")] {
            let words = Format::parse(bad).unwrap_err();
            assert!(words.contains(word), "{words}");
        }
    }

    #[test]
    fn plain_and_verbose() {
        assert_eq!(printed(&Format::plain(false), b"hi", &[]), "hi\n");
        assert_eq!(printed(&Format::plain(true), b"hi", &[]), "bob hi\n");
    }

    #[test]
    fn json_tells_text_and_bytes_apart() {
        let read = |line: String| serde_json::from_str::<Value>(&line).unwrap();
        let text = read(printed(&Format::json(), "žluť".as_bytes(), &[("from", "alice")]));
        assert_eq!(
            (&text["payload"], &text["properties"]["from"]),
            (&"žluť".into(), &"alice".into())
        );
        assert_eq!((&text["topic"], &text["qos"]), (&"bob".into(), &1.into()));
        let bytes = read(printed(&Format::json(), &[0xFF, 0], &[]));
        assert_eq!(bytes["payload_base64"], "/wA=");
        assert_eq!(bytes.get("payload"), None);
    }
}

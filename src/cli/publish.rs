//! `homing pub`: publishes one message, a file, or a message per line of standard input.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::client::{Client, ClientError, Login, Welcome, with_reason};
use super::connection::Connection;
use super::exit::{FAILURE, Failure, REFUSED};
use crate::mqtt::topic::topic_name_ok;
use crate::mqtt::{Ack, Packet, PacketId, Property, PropertyBuffer, Publish, QoS, reason};

/// Messages under way at a time, if the broker takes as many.
const WINDOW_COUNT_MAX: usize = 64;

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Pub {
    #[command(flatten)]
    connection: Connection,
    /// Where to: a uid is the inbox of that user
    #[arg(short, long)]
    topic: String,
    #[command(flatten)]
    body: Body,
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Ask the broker to retain the message
    #[arg(short, long)]
    retain: bool,
    /// Set a property, as in -D PUBLISH user-property NAME VALUE; may be repeated
    #[arg(short = 'D', long, num_args = 3..=4, action = clap::ArgAction::Append,
          value_names = ["PUBLISH", "PROPERTY", "VALUE", "VALUE2"])]
    property: Vec<String>,
    /// Print a JSON object for each message that the broker has answered
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Body {
    /// The message
    #[arg(short, long)]
    message: Option<String>,
    /// The message is what this file holds
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Each line of standard input is a message
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// The message is all of standard input
    #[arg(short, long)]
    stdin_file: bool,
    /// The message is empty
    #[arg(short, long)]
    null_message: bool,
}

pub async fn run(args: Pub) -> Result<(), Failure> {
    let Pub { connection, topic, body, qos, retain, property, json } = args;
    if !topic_name_ok(&topic) {
        let words = format!("{topic:?} is no topic: not empty, without + and #");
        return Err(Failure::usage(words));
    }
    let properties = properties(&property)?;
    let qos = QoS::try_from(qos).map_err(Failure::usage)?;
    let login: Login = connection.login()?;
    let whole = body.whole().await?;
    let (client, welcome) = Client::connect(&login).await?;
    let shape = Shape { topic, qos, retain, properties };
    let mut publisher = Publisher::new(client, welcome, shape, json);
    match whole {
        Some(message) => publisher.publish(&message).await?,
        None => publisher.lines().await?,
    }
    while !publisher.waiting.is_empty() {
        publisher.take_answer().await?;
    }
    publisher.client.disconnect().await?;
    match publisher.refused {
        None => Ok(()),
        Some(words) => Err(Failure::new(REFUSED, words)),
    }
}

impl Body {
    /// The one message, if it is one.
    async fn whole(self) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(path) = self.file {
            let unreadable = |error| Failure::new(FAILURE, format!("{}: {error}", path.display()));
            return tokio::fs::read(&path).await.map(Some).map_err(unreadable);
        }
        if self.stdin_file {
            let mut all = Vec::new();
            tokio::io::stdin().read_to_end(&mut all).await.map_err(no_input)?;
            return Ok(Some(all));
        }
        Ok((!self.stdin_line).then(|| self.message.unwrap_or_default().into_bytes()))
    }
}

fn no_input(error: std::io::Error) -> Failure {
    Failure::new(FAILURE, format!("standard input cannot be read: {error}"))
}

/// What all messages have in common.
struct Shape {
    topic: String,
    qos: QoS,
    retain: bool,
    properties: PropertyBuffer,
}

struct Publisher {
    client: Client,
    shape: Shape,
    /// Messages the broker has not answered, by packet id, with their number.
    waiting: BTreeMap<PacketId, u64>,
    window: usize,
    count: u64,
    /// The words of the last refusal.
    refused: Option<String>,
    json: bool,
}

impl Publisher {
    fn new(client: Client, welcome: Welcome, shape: Shape, json: bool) -> Publisher {
        let window = WINDOW_COUNT_MAX.min(welcome.receive_maximum.into());
        Publisher { client, shape, waiting: BTreeMap::new(), window, count: 0, refused: None, json }
    }

    async fn publish(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.count += 1;
        let Shape { topic, qos, retain, properties } = &self.shape;
        let packet_id = (*qos > QoS::AtMostOnce).then(|| self.client.packet_id());
        self.client.send(&Packet::Publish(Publish {
            dup: false,
            qos: *qos,
            retain: *retain,
            topic,
            packet_id,
            properties: properties.as_properties(),
            payload,
        }))?;
        match packet_id {
            Some(packet_id) => _ = self.waiting.insert(packet_id, self.count),
            None => self.tell(self.count, reason::SUCCESS)?,
        }
        Ok(self.client.flush().await?)
    }

    /// Publishes line after line; takes answers meanwhile.
    async fn lines(&mut self) -> Result<(), Failure> {
        let mut lines = BufReader::new(tokio::io::stdin()).split(b'\n');
        loop {
            let full = self.waiting.len() >= self.window;
            tokio::select! {
                line = lines.next_segment(), if !full => match line.map_err(no_input)? {
                    None => return Ok(()),
                    Some(line) => self.publish(line.strip_suffix(b"\r").unwrap_or(&line)).await?,
                },
                packet = self.client.next() => {
                    let answer = Answer::of(&packet?);
                    self.answered(answer)?;
                }
            }
        }
    }

    async fn take_answer(&mut self) -> Result<(), Failure> {
        let closed = |error: ClientError| match error {
            ClientError::Lost(words) => {
                let hint = "a broker closes an MQTT 3.1.1 connection to refuse a message";
                Failure::new(REFUSED, format!("the message was not accepted: {words}; {hint}"))
            }
            other => other.into(),
        };
        let answer = Answer::of(&self.client.next().await.map_err(closed)?);
        self.answered(answer)
    }

    fn answered(&mut self, answer: Answer) -> Result<(), Failure> {
        match answer {
            Answer::Other => {}
            Answer::Received(packet_id) => {
                self.client.send(&Packet::PubRel(Ack::ok(packet_id)))?;
            }
            Answer::Done { packet_id, code, words } => {
                let Some(number) = self.waiting.remove(&packet_id) else { return Ok(()) };
                if reason::is_failure(code) {
                    self.refused = Some(format!("'{}' is refused: {words}", self.shape.topic));
                }
                self.tell(number, code)?;
            }
        }
        Ok(())
    }

    fn tell(&self, number: u64, code: u8) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let qos = self.shape.qos as u8;
        let answer = json!({
            "message": number,
            "topic": self.shape.topic,
            "qos": qos,
            "accepted": (qos > 0).then_some(!reason::is_failure(code)),
            "reason": (qos > 0).then(|| reason::name(code)),
        });
        Ok(writeln!(std::io::stdout(), "{answer}")?)
    }
}

/// What a packet means for the messages under way.
#[derive(Debug, PartialEq)]
enum Answer {
    Received(PacketId),
    Done {
        packet_id: PacketId,
        code: u8,
        words: String,
    },
    /// Mail of the sender's own is not taken: it is left for a device.
    Other,
}

impl Answer {
    fn of(packet: &Packet<'_>) -> Answer {
        match packet {
            Packet::PubRec(ack) if !reason::is_failure(ack.reason) => {
                Answer::Received(ack.packet_id)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => Answer::Done {
                packet_id: ack.packet_id,
                code: ack.reason,
                words: with_reason(reason::name(ack.reason), &ack.properties),
            },
            _ => Answer::Other,
        }
    }
}

/// `-D PUBLISH NAME VALUE [VALUE]`, one after the other.
fn properties(words: &[String]) -> Result<PropertyBuffer, Failure> {
    let mut buffer = PropertyBuffer::new();
    let mut rest = words;
    while let [packet, name, tail @ ..] = rest {
        if !packet.eq_ignore_ascii_case("publish") {
            return Err(Failure::usage(format!("-D {packet}: only PUBLISH has properties here")));
        }
        let taken = property(name, tail, &mut buffer).map_err(Failure::usage)?;
        rest = &tail[taken..];
    }
    Ok(buffer)
}

/// Adds one property; how many values it took.
fn property(name: &str, values: &[String], buffer: &mut PropertyBuffer) -> Result<usize, String> {
    let missing = || format!("-D PUBLISH {name}: a value is missing");
    let value = values.first().ok_or_else(missing)?;
    let number = || value.parse().map_err(|_| format!("-D PUBLISH {name}: {value:?} is no number"));
    buffer.push(match name {
        "user-property" => {
            buffer.push(Property::UserProperty(value, values.get(1).ok_or_else(missing)?));
            return Ok(2);
        }
        "message-expiry-interval" => Property::MessageExpiryInterval(number()?),
        "payload-format-indicator" => Property::PayloadFormatIndicator(u8::from(number()? != 0)),
        "content-type" => Property::ContentType(value),
        "response-topic" => Property::ResponseTopic(value),
        "correlation-data" => Property::CorrelationData(value.as_bytes()),
        _ => {
            return Err(format!(
                "-D PUBLISH {name}: one of user-property, message-expiry-interval, content-type, \
                 response-topic, correlation-data, payload-format-indicator"
            ));
        }
    });
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn properties_are_read_as_mosquitto_pub_reads_them() {
        let line = "PUBLISH user-property a b publish content-type text/plain \
                    PUBLISH message-expiry-interval 60 PUBLISH user-property c d";
        let buffer = properties(&words(line)).unwrap();
        let block = buffer.as_properties();
        assert_eq!(block.content_type(), Some("text/plain"));
        assert_eq!(block.message_expiry_secs(), Some(60));
        assert_eq!(block.user_properties().collect::<Vec<_>>(), [("a", "b"), ("c", "d")]);
    }

    #[test]
    fn wrong_properties_are_told() {
        for (line, word) in [
            ("CONNECT user-property a b", "only PUBLISH"),
            ("PUBLISH user-property a", "a value is missing"),
            ("PUBLISH message-expiry-interval soon", "\"soon\" is no number"),
            ("PUBLISH colour red", "one of user-property"),
        ] {
            let failure = properties(&words(line)).unwrap_err();
            assert!(failure.words.contains(word), "{line}: {failure:?}");
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let id = PacketId::MIN;
        let ack = |reason| Ack { packet_id: id, reason, properties: Default::default() };
        assert_eq!(Answer::of(&Packet::PubRec(ack(0))), Answer::Received(id));
        let done = |code, words: &str| Answer::Done { packet_id: id, code, words: words.into() };
        assert_eq!(Answer::of(&Packet::PubRec(ack(0x87))), done(0x87, "not authorized"));
        assert_eq!(Answer::of(&Packet::PubAck(ack(0))), done(0, "success"));
        assert_eq!(Answer::of(&Packet::PingResp), Answer::Other);
    }
}

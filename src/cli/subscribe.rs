//! `homing sub`: receives the own mail, or what is published to topics.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::client::{Client, ClientError, Login, with_reason, within};
use super::connection::Connection;
use super::exit::{FAILURE, Failure, REFUSED, TIMEOUT};
use super::format::{CODES, Format};
use crate::clock::{Clock, SystemClock};
use crate::mqtt::topic::check_filter;
use crate::mqtt::{
    Ack, FilterBuffer, Packet, PacketId, Properties, Publish, QoS, SubAck, Subscribe,
    SubscribeOptions, Version, reason,
};

const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted as long was a good one: the next backoff is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = format!("Codes of --format: {CODES}"))]
pub struct Sub {
    #[command(flatten)]
    connection: Connection,
    /// Subscribe to this topic filter; may be repeated. Without one: the own mail, which needs no
    /// subscription
    #[arg(short, long, value_name = "FILTER")]
    topic: Vec<String>,
    /// The highest QoS of the subscriptions
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Print the topic in front of the payload
    #[arg(short, long)]
    verbose: bool,
    /// End after so many messages
    #[arg(short = 'C', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End with code 27 after so many seconds
    #[arg(short = 'W', long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// How to print a message; overrules --verbose
    #[arg(short = 'F', long)]
    format: Option<String>,
    /// Print a JSON object for each message
    #[arg(long, conflicts_with_all = ["verbose", "format"])]
    json: bool,
}

pub async fn run(args: Sub) -> Result<(), Failure> {
    let format = match &args.format {
        _ if args.json => Format::json(),
        Some(text) => Format::parse(text).map_err(Failure::usage)?,
        None => Format::plain(args.verbose),
    };
    let login = args.connection.login()?;
    let qos = QoS::try_from(args.qos).map_err(Failure::usage)?;
    let filters = filters(&args.topic, qos, login.version)?;
    if args.topic.is_empty() && login.client_id.is_empty() {
        eprintln!("homing sub: without --id only mail that comes from now on is shown");
    }
    let limit = args.timeout.map(|secs| Duration::from_secs(secs.into()));
    let clock = SystemClock::default();
    let printer = Printer { format, clock, unreleased: HashSet::new(), left: args.count };
    let mut subscriber = Subscriber { login, filters, subscribes: !args.topic.is_empty(), printer };
    match within(limit, subscriber.stay()).await {
        Some(result) => result,
        None => Err(Failure::new(TIMEOUT, "the time is over")),
    }
}

fn filters(topics: &[String], qos: QoS, version: Version) -> Result<FilterBuffer, Failure> {
    let mut filters = FilterBuffer::new();
    for topic in topics {
        let wrong = |fault| Failure::usage(format!("{topic:?}: {fault}"));
        check_filter(topic, version).map_err(wrong)?;
        filters.push(topic, SubscribeOptions::plain(qos)).map_err(wrong)?;
    }
    Ok(filters)
}

struct Subscriber {
    login: Login,
    filters: FilterBuffer,
    subscribes: bool,
    printer: Printer,
}

/// What is printed and what that means for the broker.
struct Printer {
    format: Format,
    clock: SystemClock,
    /// QoS 2 messages that are printed and not released: their resends are not printed.
    unreleased: HashSet<PacketId>,
    left: Option<u64>,
}

/// Why a connection ended.
enum End {
    /// Everything that was asked for is printed.
    Enough,
    Lost(ClientError),
}

impl Subscriber {
    /// Connects, and after a lost connection again. The first time has to work.
    async fn stay(&mut self) -> Result<(), Failure> {
        let mut connected = Some(Client::connect(&self.login).await?);
        let mut backoff = BACKOFF_FIRST;
        loop {
            let begin = self.printer.clock.moment();
            if let Some((client, welcome)) = connected.take() {
                if !welcome.session_present {
                    self.printer.unreleased.clear();
                }
                match self.receive(client).await? {
                    End::Enough => return Ok(()),
                    End::Lost(error) => again(&error, backoff)?,
                }
            }
            if self.printer.clock.moment().since(begin) >= GOOD_CONNECTION {
                backoff = BACKOFF_FIRST;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            match Client::connect(&self.login).await {
                Ok(client) => connected = Some(client),
                Err(error) => again(&error, backoff)?,
            }
        }
    }

    async fn receive(&mut self, mut client: Client) -> Result<End, Failure> {
        match self.receive_from(&mut client).await {
            Ok(()) => {}
            Err(Trouble::Connection(error)) => return Ok(End::Lost(error)),
            Err(Trouble::Other(failure)) => return Err(failure),
        }
        client.disconnect().await?;
        Ok(End::Enough)
    }

    async fn receive_from(&mut self, client: &mut Client) -> Result<(), Trouble> {
        self.ask(client)?;
        let version = client.version();
        loop {
            let answer = match client.next().await? {
                Packet::Publish(message) => self.printer.publish(&message)?,
                Packet::PubRel(ack) => self.printer.release(ack.packet_id),
                Packet::SubAck(suback) => {
                    self.check(&suback, version)?;
                    None
                }
                _ => None,
            };
            answer.map_or(Ok(()), |answer| client.send(&answer))?;
            if self.printer.left == Some(0) {
                return Ok(client.flush().await?);
            }
        }
    }

    /// Subscribes; or shows by a ping that a receiver is here, so that the mail comes at once.
    fn ask(&self, client: &mut Client) -> Result<(), ClientError> {
        if !self.subscribes {
            return client.send(&Packet::PingReq);
        }
        let packet_id = client.packet_id();
        let (properties, filters) = (Properties::default(), self.filters.as_filters());
        client.send(&Packet::Subscribe(Subscribe { packet_id, properties, filters }))
    }

    fn check(&self, suback: &SubAck<'_>, version: Version) -> Result<(), Trouble> {
        let mut answers = self.filters.as_filters().iter().zip(suback.codes);
        let Some(((filter, _), code)) = answers.find(|(_, code)| reason::is_failure(**code)) else {
            return Ok(());
        };
        let name = if version.has_properties() { reason::name(*code) } else { "not allowed" };
        let words = with_reason(name, &suback.properties);
        let words = format!("the broker refuses the subscription to '{filter}': {words}");
        Err(Trouble::Other(Failure::new(REFUSED, words)))
    }
}

impl Printer {
    /// Prints a message; then, and only then, it may be acknowledged.
    fn publish(&mut self, message: &Publish<'_>) -> Result<Option<Packet<'static>>, Failure> {
        let Some(packet_id) = message.packet_id else {
            self.print(message)?;
            return Ok(None);
        };
        let ack = Ack::ok(packet_id);
        if message.qos == QoS::AtLeastOnce {
            self.print(message)?;
            return Ok(Some(Packet::PubAck(ack)));
        }
        if self.unreleased.insert(packet_id) {
            self.print(message)?;
        }
        Ok(Some(Packet::PubRec(ack)))
    }

    fn release(&mut self, packet_id: PacketId) -> Option<Packet<'static>> {
        self.unreleased.remove(&packet_id);
        Some(Packet::PubComp(Ack::ok(packet_id)))
    }

    fn print(&mut self, message: &Publish<'_>) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        self.format.print(message, self.clock.stamp(), &mut out)?;
        out.flush()?;
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }
}

/// What can go wrong with a connection, or beside it.
enum Trouble {
    Connection(ClientError),
    Other(Failure),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        Trouble::Connection(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Other(failure)
    }
}

/// Whether to connect again after this error; tells it.
fn again(error: &ClientError, backoff: Duration) -> Result<(), Failure> {
    match error {
        ClientError::Lost(_) | ClientError::Unreachable { .. } => {}
        ClientError::Refused { login: false, .. } => {}
        ClientError::Ended { reason, .. } if may_return(*reason) => {}
        ClientError::Ended { .. } => return Err(Failure::new(FAILURE, error)),
        other => return Err(other.clone().into()),
    }
    eprintln!("homing sub: {error}; connecting again in {} s", backoff.as_secs());
    Ok(())
}

/// After a takeover or a removal, coming back would only be a quarrel.
fn may_return(code: u8) -> bool {
    matches!(
        code,
        reason::UNSPECIFIED_ERROR
            | reason::SERVER_BUSY
            | reason::SERVER_SHUTTING_DOWN
            | reason::KEEP_ALIVE_TIMEOUT
            | reason::QUOTA_EXCEEDED
            | reason::MESSAGE_RATE_TOO_HIGH
            | reason::CONNECTION_RATE_EXCEEDED
            | reason::MAXIMUM_CONNECT_TIME
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::{LOGIN, UNREACHABLE};

    #[test]
    fn it_comes_back_after_an_outage_but_not_after_a_refusal() {
        let lost = ClientError::Lost("the broker closed it".into());
        assert_eq!(again(&lost, BACKOFF_FIRST), Ok(()));
        let ended = |reason| ClientError::Ended { reason, words: "x".into() };
        assert_eq!(again(&ended(reason::SERVER_SHUTTING_DOWN), BACKOFF_FIRST), Ok(()));
        let code = |error| again(&error, BACKOFF_FIRST).unwrap_err().code;
        assert_eq!(code(ended(reason::SESSION_TAKEN_OVER)), FAILURE);
        assert_eq!(code(ClientError::Refused { login: true, words: "x".into() }), LOGIN);
        let busy = ClientError::Refused { login: false, words: "x".into() };
        assert_eq!(again(&busy, BACKOFF_FIRST), Ok(()));
        assert_eq!(Failure::from(busy).code, UNREACHABLE);
    }

    #[test]
    fn filters_are_checked_before_anything_is_sent() {
        let wrong = filters(&["a/#/b".into()], QoS::AtMostOnce, Version::V5).unwrap_err();
        assert!(wrong.words.contains("a/#/b"), "{wrong:?}");
        let right = filters(&["a/#".into(), "b".into()], QoS::AtLeastOnce, Version::V5).unwrap();
        assert_eq!(right.as_filters().len(), 2);
    }
}

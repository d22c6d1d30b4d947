//! The command's side of the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::{ANSWER_BYTES_MAX, Answer, Answered, Line, Request, VERSION, socket_path};

/// For the broker to answer: a password may wait for others to be hashed.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No broker runs on this data directory.
    #[error("no broker runs on this data directory")]
    NoBroker,
    #[error(
        "the broker's control socket cannot be opened: {0}: run the command as the system user \
         of the broker"
    )]
    NotAllowed(io::Error),
    #[error("the broker did not answer: {0}; whether it did what was asked is not known")]
    NoAnswer(io::Error),
    #[error(
        "the answer of the broker is not understood ({0}): use the command that belongs to the \
         running broker"
    )]
    NotUnderstood(String),
}

/// Asks the broker that runs on this data directory.
///
/// # Errors
/// [`AskError`]; [`AskError::NoBroker`] is the one after which the store may be opened.
pub async fn ask(data_dir: &Path, request: &Request) -> Result<Answer, AskError> {
    let stream = UnixStream::connect(socket_path(data_dir)).await.map_err(no_connection)?;
    let exchange = tokio::time::timeout(ANSWER_WAIT, exchange(stream, request));
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    let line = exchange.await.unwrap_or_else(late).map_err(AskError::NoAnswer)?;
    let answer: Line<Answer> = serde_json::from_slice(&line)
        .map_err(|error| AskError::NotUnderstood(error.to_string()))?;
    match answer.version {
        VERSION => Ok(Answered { answer: answer.body, warning: answer.warning }.tell()),
        other => Err(AskError::NotUnderstood(format!("it has version {other}, not {VERSION}"))),
    }
}

/// A path that is too long for a socket has no broker behind it either.
fn no_connection(error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoBroker,
        io::ErrorKind::InvalidInput => AskError::NoBroker,
        io::ErrorKind::PermissionDenied => AskError::NotAllowed(error),
        _ => AskError::NoAnswer(error),
    }
}

async fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    let mut line = Zeroizing::new(serde_json::to_vec(&Line::of(request))?);
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer).await?;
    match answer.last() {
        Some(b'\n') => Ok(answer),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

//! The opening handshake of one connection on its socket, within its time; what comes of it in
//! words and figures.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::WebSocket;
use super::handshake::{self, Accepted, Refusal, Refused, Rules};
use crate::metrics::{Metrics, Upgraded};
use crate::net::stream::Stream;

/// A refusal that the client does not take in this time is not heard.
const TELL_WAIT: Duration = Duration::from_secs(5);

/// Makes WebSockets of connections; shared by all of a listener.
pub struct Upgrade {
    pub rules: Rules,
    pub metrics: Arc<Metrics>,
}

/// Why there is no WebSocket.
enum Failed {
    Closed,
    Refused(Refused),
}

impl Upgrade {
    /// `None` if the handshake failed: then the log says why. `mqtt` gets the MQTT bytes that came
    /// behind the request already; `left` is what is left of the time to connect.
    pub async fn accept(
        &self,
        mut stream: Stream,
        mqtt: &mut Vec<u8>,
        peer: SocketAddr,
        left: Duration,
    ) -> Option<Stream> {
        let late = |_| {
            let words = "the request for a WebSocket took too long";
            Err(Failed::Refused(Refusal::Late.with(words)))
        };
        let shaking = tokio::time::timeout(left, self.shake(&mut stream, mqtt));
        match shaking.await.unwrap_or_else(late) {
            Ok(web) => {
                self.metrics.doors.websocket_handshakes(Upgraded::Accepted).inc();
                stream.speak_websocket(web);
                Some(stream)
            }
            // Somebody who only looks whether the port is open is not worth a line.
            Err(Failed::Closed) => {
                self.metrics.doors.websocket_handshakes(Upgraded::Closed).inc();
                None
            }
            Err(Failed::Refused(refused)) => {
                self.refuse(stream, peer, refused).await;
                None
            }
        }
    }

    async fn shake(
        &self,
        stream: &mut Stream,
        mqtt: &mut Vec<u8>,
    ) -> Result<Box<WebSocket>, Failed> {
        let gone = |_: io::Error| Failed::Closed;
        let Accepted { request_bytes, answer } = loop {
            if stream.read_buf(mqtt).await.map_err(gone)? == 0 {
                return Err(Failed::Closed);
            }
            if let Some(accepted) = handshake::answer(mqtt, &self.rules).map_err(Failed::Refused)? {
                break accepted;
            }
        };
        stream.write_all(answer.as_bytes()).await.map_err(gone)?;
        stream.flush().await.map_err(gone)?;
        mqtt.drain(..request_bytes);
        let mut web = Box::new(WebSocket::default());
        let count = web.open(mqtt);
        mqtt.truncate(count);
        Ok(web)
    }

    async fn refuse(&self, mut stream: Stream, peer: SocketAddr, refused: Refused) {
        let result = match refused.status {
            Refusal::Late => Upgraded::Timeout,
            _ => Upgraded::Refused,
        };
        self.metrics.doors.websocket_handshakes(result).inc();
        let result = result.name();
        tracing::warn!(%peer, result, "no WebSocket: {}", refused.words);
        let answer = refused.answer();
        let telling = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await
        };
        // The peer may be gone already; then there is nobody to tell.
        if let Ok(Ok(())) = tokio::time::timeout(TELL_WAIT, telling).await {
            stream.finish().await;
        }
    }
}

//! `{uid}/envelope`: inbox mail as JSON for 3.1.1 clients that want the sender.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::model::{Message, Seq};

use super::deliver::INBOX;
use super::{Ctx, Session};

/// `{id, seq, from, client, to, ts, kind, body or body_base64}`; `ts` in milliseconds.
#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    seq: u64,
    from: &'a str,
    client: &'a str,
    to: &'a str,
    ts: i64,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl Session {
    /// False if it is larger than the client accepts.
    pub(super) fn write_envelope(
        &mut self,
        message: &Message,
        seq: Seq,
        packet_id: Option<u16>,
        dup: bool,
        ctx: &mut Ctx<'_>,
    ) -> bool {
        let json = self.envelope_json(message, seq);
        let topic = ctx.settings.topics.envelope_topic(&self.key.uid);
        ctx.properties.clear();
        self.push_subscription_ids(&topic, None, ctx);
        self.write_packet(&topic, json.as_bytes(), INBOX, packet_id, dup, ctx)
    }

    fn envelope_json(&self, message: &Message, seq: Seq) -> String {
        let text = std::str::from_utf8(&message.body).ok();
        let envelope = Envelope {
            id: message.id.to_string(),
            seq: seq.0,
            from: message.from.uid.as_str(),
            client: message.from.client_id.as_str(),
            to: self.key.uid.as_str(),
            ts: message.ts.0,
            kind: message.kind.name(),
            body: text,
            body_base64: text.is_none().then(|| STANDARD.encode(&message.body)),
        };
        // Text, numbers and no maps: this cannot fail, and an empty payload would show if it did.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

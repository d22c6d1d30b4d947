//! rumqttc with MQTT 3.1.1.

use rumqttc::Outgoing;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop};
use rumqttc::{ConnectReturnCode, LastWill, Publish};
use rumqttc::{Incoming, MqttOptions};
use rumqttc::{QoS, qos};

use super::{Library, Seen};
use crate::program::{Job, Message};

/// Requests that wait for the event loop.
const REQUESTS_COUNT: usize = 10;

pub struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    pub fn new(job: &Job) -> Device {
        let host = job.addr.ip().to_string();
        let mut options = MqttOptions::new(job.client_id, host, job.addr.port());
        options.set_credentials(job.uid, job.password);
        options.set_clean_session(!job.durable);
        if let Some(topic) = job.will {
            options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false));
        }
        let (client, events) = AsyncClient::new(options, REQUESTS_COUNT);
        Device { client, events }
    }
}

impl Library for Device {
    async fn poll(&mut self) -> Seen {
        match self.events.poll().await {
            Ok(Event::Incoming(packet)) => incoming(packet),
            Ok(Event::Outgoing(Outgoing::Publish(0))) => Seen::Published,
            Ok(Event::Outgoing(Outgoing::Disconnect)) => Seen::Left,
            Ok(Event::Outgoing(_)) => Seen::Other,
            Err(ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword)) => {
                Seen::Refused { code: 4 }
            }
            Err(_) => Seen::Lost,
        }
    }

    async fn subscribe(&self, filter: &str) {
        self.client.subscribe(filter, QoS::ExactlyOnce).await.expect("the event loop");
    }

    async fn publish(&self, message: &Message) {
        let Message { topic, payload, .. } = message.clone();
        let qos = qos(message.qos).expect("a QoS");
        self.client.publish(topic, qos, message.retain, payload).await.expect("the event loop");
    }

    async fn disconnect(&self) {
        self.client.disconnect().await.expect("the event loop");
    }
}

fn incoming(packet: Incoming) -> Seen {
    match packet {
        Incoming::ConnAck(ack) => Seen::Connected { resumed: ack.session_present },
        Incoming::SubAck(_) => Seen::Subscribed,
        Incoming::PubAck(_) | Incoming::PubComp(_) => Seen::Published,
        Incoming::Publish(publish) => Seen::Message(message(&publish)),
        _ => Seen::Other,
    }
}

fn message(publish: &Publish) -> Message {
    let payload = String::from_utf8_lossy(&publish.payload).into_owned();
    let topic = publish.topic.clone();
    Message { topic, qos: publish.qos as u8, retain: publish.retain, payload }
}

//! What happened in a campaign, as the clients saw it. [`super::check`] judges it.

/// Names a message: unique in a history, growing in the order in which its sender submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub sender: u32,
    pub number: u32,
}

/// One thing that one client saw. The order of events counts per sender and per device only.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A recipient's device, known to the broker before the first message to that recipient.
    Device {
        device: u32,
        recipient: u32,
    },
    /// The sender is about to send it for the first time.
    Submit {
        key: Key,
        recipient: u32,
    },
    /// The broker took it: PUBACK or PUBREC with success.
    Acked {
        key: Key,
    },
    /// The broker refused it in words; it may not appear anywhere.
    Refused {
        key: Key,
    },
    /// The device got it. MQTT 5 devices know the message id and its place in the inbox.
    Received {
        device: u32,
        key: Key,
        stamp: Option<Stamp>,
    },
    /// The device got a message that nobody in the campaign sent.
    Foreign {
        device: u32,
        what: String,
    },
    Connect {
        device: u32,
    },
    Kill,
}

/// What the broker stamps on an inbox message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub id: String,
    pub seq: u64,
}

/// Events of all clients; those of one client are in its order.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub events: Vec<Event>,
}

impl History {
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Adds what one client recorded.
    pub fn extend(&mut self, events: Vec<Event>) {
        self.events.extend(events);
    }
}

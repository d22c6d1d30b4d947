//! MQTT.js 5 in Node, over WebSocket. In a browser: `behaviour/websocket_mqtt_js.rs`.

use crate::mqtt_js;
use crate::rig::{Client, Transport};

pub const CLIENT: Client = Client {
    over: Transport::WebSocket,
    start: |job| mqtt_js::start(job, &["--websocket"]),
    ..mqtt_js::CLIENT
};

speaks!(v31: V31, v311: V311, v5: V5);

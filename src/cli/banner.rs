//! What `homing dev` prints when it serves: lines to copy into another terminal.

use std::net::SocketAddr;

use crate::node::Serving;

/// The banner; `program` is how this command was called.
pub fn banner(serving: &Serving, program: &str) -> String {
    let mut text = String::from(
        "\nThis broker is for trying things out. Only this machine can connect.\n\
         Its users are alice, bob and carol, and the password of each is dev.\n",
    );
    if let Some(mqtt) = serving.mqtt.first() {
        text.push_str(&mqtt_lines(mqtt, program));
    }
    for mqtts in &serving.mqtts {
        text.push_str(&format!("\nMQTT over TLS is on {mqtts}.\n"));
    }
    for (ws, how) in web(serving) {
        text.push_str(&format!("\nMQTT over WebSocket{how} is on {ws}.\n"));
    }
    if let Some(http) = serving.http.first() {
        text.push_str(&format!("\nIs it well?\n  curl http://{http}/health\n"));
    }
    text.push('\n');
    text
}

fn web(serving: &Serving) -> impl Iterator<Item = (&SocketAddr, &'static str)> {
    let secure = serving.wss.iter().map(|address| (address, " and TLS"));
    serving.ws.iter().map(|address| (address, "")).chain(secure)
}

fn mqtt_lines(mqtt: &SocketAddr, program: &str) -> String {
    let (host, port) = (mqtt.ip(), mqtt.port());
    format!(
        "\nbob waits for mail; he subscribes to nothing:\n  \
         {program} sub -h {host} -p {port} -u bob -P dev -i phone\n\
         \nalice sends him some:\n  \
         {program} pub -h {host} -p {port} -u alice -P dev -t bob -m 'Hi, bob' -q 1\n\
         \nThe same in Python (pip install paho-mqtt), receiver and sender:\n  \
         {receiver}\n  {sender}\n",
        receiver = receiver(mqtt),
        sender = sender(mqtt),
    )
}

/// paho 2 wants to be told which callbacks it gets; paho 1 does not know the question.
fn receiver(mqtt: &SocketAddr) -> String {
    let (host, port) = (mqtt.ip(), mqtt.port());
    format!(
        "python3 -c \"import paho.mqtt.client as m; \
         v=getattr(m,'CallbackAPIVersion',None); \
         c=m.Client(*([v.VERSION2] if v else []),client_id='laptop'); \
         c.username_pw_set('bob','dev'); \
         c.on_message=lambda c,u,m: print(m.topic,m.payload.decode(),flush=True); \
         c.connect('{host}',{port}); c.loop_forever()\""
    )
}

fn sender(mqtt: &SocketAddr) -> String {
    let (host, port) = (mqtt.ip(), mqtt.port());
    format!(
        "python3 -c \"import paho.mqtt.publish as p; \
         p.single('bob','Hi, bob',qos=1,hostname='{host}',port={port},client_id='script',\
         auth={{'username':'alice','password':'dev'}})\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(mqtt: &str, http: &[&str]) -> Serving {
        let http = http.iter().map(|text| text.parse().unwrap()).collect();
        let mqtt = vec![mqtt.parse().unwrap()];
        let (mqtts, https, ws, wss) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Serving { mqtt, mqtts, ws, wss, http, https, data: "d".into() }
    }

    #[test]
    fn every_line_has_the_address_that_is_served() {
        let text = banner(&serving("127.0.0.1:4242", &["127.0.0.1:4343"]), "target/debug/homing");
        assert_eq!(text.matches("4242").count(), 4, "{text}");
        assert!(text.contains("target/debug/homing sub -h 127.0.0.1 -p 4242 -u bob -P dev"));
        assert!(text.contains("c.connect('127.0.0.1',4242)"), "{text}");
        assert!(text.contains("hostname='127.0.0.1',port=4242"), "{text}");
        assert!(text.contains("curl http://127.0.0.1:4343/health"), "{text}");
        assert!(text.contains("auth={'username':'alice','password':'dev'}"), "{text}");
    }

    #[test]
    fn tls_is_named_where_it_is_served() {
        let mut serving = serving("127.0.0.1:1", &[]);
        assert!(!banner(&serving, "homing").contains("TLS"));
        serving.mqtts = vec!["127.0.0.1:8883".parse().unwrap()];
        assert!(banner(&serving, "homing").contains("over TLS is on 127.0.0.1:8883."));
    }

    #[test]
    fn websocket_is_named_where_it_is_served() {
        let mut serving = serving("127.0.0.1:1", &[]);
        assert!(!banner(&serving, "homing").contains("WebSocket"));
        serving.ws = vec!["127.0.0.1:8083".parse().unwrap()];
        serving.wss = vec!["127.0.0.1:8084".parse().unwrap()];
        let text = banner(&serving, "homing");
        assert!(text.contains("over WebSocket is on 127.0.0.1:8083."), "{text}");
        assert!(text.contains("over WebSocket and TLS is on 127.0.0.1:8084."), "{text}");
    }

    #[test]
    fn without_http_nothing_is_said_of_it() {
        let text = banner(&serving("[::1]:1", &[]), "homing");
        assert!(!text.contains("curl") && text.contains("-h ::1 -p 1 "), "{text}");
    }
}

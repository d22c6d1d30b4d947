//! Installed push apps connect unchanged: client id = udid, user name = uid, password = sessionid.

use super::support::broker::Start;
use super::support::member_api::{MemberApi, Mood};
use super::support::python::Paho;
use super::support::{Broker, Connect};

const UDID: &str = "6F1C0A3E-94B2-4E57-8D10-A1B2C3D4E5F6";

fn broker(api: &MemberApi) -> Broker {
    let start = Start::dev().env("HOMING__AUTH__PROVIDER", "http");
    let start = start.env("HOMING__AUTH__HTTP__PRESET", "session");
    start.env("HOMING__AUTH__HTTP__URL", &api.url()).start()
}

/// The app: nobody subscribes, a push arrives, again after the app was away.
fn app(paho: Paho, broker: &Broker) -> String {
    let (host, port, api) = (broker.mqtt.ip(), broker.mqtt.port(), paho.api());
    format!(
        "import paho.mqtt.client as mqtt

def on_message(client, userdata, msg):
    print(msg.topic + ' ' + msg.payload.decode())

client = mqtt.Client({api}'{UDID}')
client.username_pw_set('ut001', 'session=1&admin=1')
client.on_message = on_message
client.connect('{host}', {port}, 60)
client.loop_forever()
"
    )
}

fn an_installed_app(paho: Paho) {
    let api = MemberApi::says(200, "OK");
    let broker = broker(&api);
    let running = paho.start(&app(paho, &broker));
    api.wait_for_calls(1);
    let call = api.only_call();
    assert_eq!(call.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(call.body, format!("uid=ut001&udid={UDID}&sessionid=session%3D1%26admin%3D1"));
    let mut service = Connect::v311("shop", "").password("S").open(broker.mqtt);
    service.publish_acked("ut001", "coupon", 1);
    running.expect_line(&["ut001 coupon"]);
    drop(running);
    service.publish_acked("ut001", "while away", 1);
    let again = paho.start(&app(paho, &broker));
    again.expect_line(&["ut001 while away"]);
    let ours = api.calls().iter().filter(|call| call.body.contains(UDID)).count();
    assert_eq!(ours, 1, "the second connection is answered from memory");
}

#[test]
fn with_paho_1() {
    an_installed_app(Paho::V1);
}

#[test]
fn with_paho_2() {
    an_installed_app(Paho::V2);
}

#[test]
fn a_session_that_the_api_does_not_know_is_refused() {
    let api = MemberApi::says(401, "");
    let broker = broker(&api);
    assert_eq!(Connect::v311("ut001", UDID).password("old").refused(broker.mqtt), 4);
    // The same session on another device is another question.
    api.mood(Mood::Says(200, String::new()));
    assert_eq!(Connect::v311("ut001", UDID).password("old").refused(broker.mqtt), 4);
    Connect::v311("ut001", "another udid").password("old").open(broker.mqtt);
}

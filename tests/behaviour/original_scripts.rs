//! The scripts this project started from, unmodified but for host, port and names: nobody
//! subscribes, and the message arrives. On paho-mqtt 1.6.1 and on 2.x.

use std::net::SocketAddr;

use super::support::Broker;
use super::support::python::Paho;

fn sender(addr: SocketAddr) -> String {
    let (host, port) = (addr.ip(), addr.port());
    format!(
        "import paho.mqtt.publish as publish

publish.single('ut001', 'Hi, ut001', hostname='{host}', port={port}, client_id='laptop',
               auth={{'username': 'ut003', 'password': 'token3'}})
"
    )
}

fn receiver(paho: Paho, addr: SocketAddr) -> String {
    let (host, port, api) = (addr.ip(), addr.port(), paho.api());
    format!(
        "import paho.mqtt.client as mqtt

def on_message(client, userdata, msg):
    print(msg.topic + ' ' + msg.payload.decode())

client = mqtt.Client({api}'phone')
client.username_pw_set('ut001', 'token1')
client.on_message = on_message
client.connect('{host}', {port}, 60)
client.loop_forever()
"
    )
}

fn broker() -> Broker {
    let broker = Broker::dev();
    broker.add_user("ut001", "token1");
    broker.add_user("ut003", "token3");
    broker
}

/// The receiver is there, or comes later: the same scripts, the same line.
fn sent_while_the_receiver_is_away(paho: Paho) {
    let broker = broker();
    paho.run(&sender(broker.mqtt));
    let phone = paho.start(&receiver(paho, broker.mqtt));
    assert_eq!(phone.expect_line(&["Hi"]), "ut001 Hi, ut001");
}

fn sent_while_the_receiver_listens(paho: Paho) {
    let broker = broker();
    let phone = paho.start(&receiver(paho, broker.mqtt));
    paho.run(&sender(broker.mqtt));
    assert_eq!(phone.expect_line(&["Hi"]), "ut001 Hi, ut001");
    paho.run(&sender(broker.mqtt));
    let twice = || phone.stdout.matching(&["ut001 Hi, ut001"]).len() == 2;
    super::support::wait_until("the second message", || twice().then_some(()));
}

#[test]
fn paho_1_receiver_comes_later() {
    sent_while_the_receiver_is_away(Paho::V1);
}

#[test]
fn paho_2_receiver_comes_later() {
    sent_while_the_receiver_is_away(Paho::V2);
}

#[test]
fn paho_1_receiver_listens() {
    sent_while_the_receiver_listens(Paho::V1);
}

#[test]
fn paho_2_receiver_listens() {
    sent_while_the_receiver_listens(Paho::V2);
}

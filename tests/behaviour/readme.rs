//! The README's scripts are run as they stand there, but for the port.

use super::support::Broker;
use super::support::python::Paho;

/// The Python blocks of the README, in order.
fn scripts(port: u16) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```python\n").skip(1);
    let script = |block: &str| block.split("```").next().unwrap_or_default().to_owned();
    blocks.map(|block| script(block).replace("1883", &port.to_string())).collect()
}

#[test]
fn its_scripts_send_and_receive() {
    let broker = Broker::dev();
    let scripts = scripts(broker.mqtt.port());
    let [receiver, sender] = &scripts[..] else { panic!("two scripts: {scripts:?}") };
    let phone = Paho::V2.start(receiver);
    Paho::V2.run(sender);
    assert_eq!(phone.expect_line(&["Hi"]), "b'Hi, alice'");
}

/// As the README says it for paho 1.6.
#[test]
fn its_receiver_reads_otherwise_in_paho_1_6() {
    let broker = Broker::dev();
    let scripts = scripts(broker.mqtt.port());
    let new = "client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, \"phone\")";
    let old = "client = mqtt.Client(\"phone\")";
    assert!(include_str!("../../README.md").contains(&format!("`{old}`")));
    assert_eq!(scripts[0].lines().nth(1), Some(new));
    let phone = Paho::V1.start(&scripts[0].replace(new, old));
    Paho::V1.run(&scripts[1]);
    assert_eq!(phone.expect_line(&["Hi"]), "b'Hi, alice'");
}

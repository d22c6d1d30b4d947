//! PINGREQ and PINGRESP (MQTT 5, sections 3.12 and 3.13).

use crate::rig::{self, BOTH};
use crate::support::Packet;

#[test]
fn each_is_answered() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        client.send_raw(&[0xC0, 0, 0xC0, 0, 0xC0, 0]);
        for _ in 0..3 {
            assert_eq!(client.recv(), Packet::PingResp);
        }
    }
}

//! Real MQTT clients at the real broker: for each library, each version of MQTT that it speaks and
//! each behaviour one test, as in `paho_2::v5::will`. `matrix.rs` watches that none is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

/// One test for each behaviour and each of these versions, for the `CLIENT` of the module.
macro_rules! speaks {
    ($($module:ident: $version:ident),+) => {
        $(mod $module {
            use crate::behaviours;
            use crate::rig::{Rig, Version};

            fn rig() -> Rig {
                Rig::new(&super::CLIENT, Version::$version)
            }

            #[test]
            fn login() {
                behaviours::login(&rig());
            }

            #[test]
            fn qos_0_1_2() {
                behaviours::qos_0_1_2(&rig());
            }

            #[test]
            fn retained() {
                behaviours::retained(&rig());
            }

            #[test]
            fn will() {
                behaviours::will(&rig());
            }

            #[test]
            fn session() {
                behaviours::session(&rig());
            }

            #[test]
            fn reconnect() {
                behaviours::reconnect(&mut rig());
            }

            #[test]
            fn inbox() {
                behaviours::inbox(&rig());
            }
        })+
    };
}

mod aiomqtt;
mod behaviours;
mod gmqtt;
mod matrix;
mod mosquitto;
mod mqtt_js;
mod mqtt_js_websocket;
mod paho_1;
mod paho_2;
mod paho_c;
mod program;
mod rig;
mod rumqttc;
#[path = "../support/mod.rs"]
mod support;

//! What MQTT 3.1.1 alone demands: its return codes, clean session, RETAIN.

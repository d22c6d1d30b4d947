//! What homing does, seen from outside: the real binary, real sockets. One file per behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod accounts_cli;
mod acl_rules;
mod auth;
mod auth_test_command;
mod bad_input;
mod bans;
mod checktoken;
mod client_certificate;
mod command;
mod device_kick;
mod devices;
mod disconnect_reasons;
mod disk_full;
mod durable_session;
mod empty_client_id;
mod envelope;
mod flapping;
mod jwt_login;
mod keepalive;
mod member_api;
mod member_api_outage;
mod modes;
mod offline;
mod order;
mod original_scripts;
mod postgres;
mod publish_ack_after_commit;
mod push_app_login;
mod qos;
mod qos2_crash;
mod readme;
mod redis_login;
mod resend;
mod retention;
mod route;
mod settle;
mod shutdown;
mod stamped_properties;
#[path = "../support/mod.rs"]
mod support;
mod takeover;
mod tls;
mod wal_prefix;
mod will;
mod wrong_passwords;

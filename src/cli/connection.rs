//! The flags that say where and as whom to connect; mosquitto's letters.

use clap::{ArgAction, Args, ValueEnum};

use super::client::Login;
use super::exit::Failure;
use crate::mqtt::Version;
use crate::mqtt::topic::TEXT_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    #[value(name = "mqttv311", aliases = ["311", "3.1.1", "4"])]
    V311,
    #[value(name = "mqttv5", aliases = ["5"])]
    V5,
}

impl From<Protocol> for Version {
    fn from(protocol: Protocol) -> Version {
        match protocol {
            Protocol::V311 => Version::V311,
            Protocol::V5 => Version::V5,
        }
    }
}

/// Where the broker is and who one is there; for every verb that is a client.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// The broker's host
    #[arg(short = 'h', long, default_value = "127.0.0.1", value_name = "HOST")]
    pub host: String,
    /// The broker's port
    #[arg(short = 'p', long, default_value_t = 1883)]
    pub port: u16,
    /// The password; a command line is seen by others: prefer the variable
    #[arg(short = 'P', long, env = "HOMING_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
}

/// How `pub` and `sub` connect.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    #[command(flatten)]
    pub server: Server,
    /// The user
    #[arg(short, long, value_name = "UID")]
    username: Option<String>,
    /// The device (MQTT client id); without it the connection is no device: live mail only
    #[arg(short, long, default_value = "", value_name = "DEVICE")]
    id: String,
    /// The protocol version
    #[arg(short = 'V', long, value_enum, default_value = "mqttv5")]
    protocol_version: Protocol,
    /// Seconds; 0 sends no pings
    #[arg(short, long, default_value_t = 60)]
    keepalive: u16,
    /// Keep the session when disconnected (needs --id)
    #[arg(short = 'c', long)]
    disable_clean_session: bool,
    /// Keep the session for so many seconds (MQTT 5; needs --id)
    #[arg(short = 'x', long, value_name = "SECONDS")]
    session_expiry_interval: Option<u32>,
}

impl Connection {
    /// # Errors
    /// A combination of flags that no broker could serve.
    pub fn login(self) -> Result<Login, Failure> {
        let Server { host, port, password, .. } = self.server;
        let version = Version::from(self.protocol_version);
        let keeps = self.disable_clean_session || self.session_expiry_interval.unwrap_or(0) > 0;
        if keeps && self.id.is_empty() {
            return Err(Failure::usage("a session is kept for a device: name it with --id"));
        }
        if version == Version::V311 && self.session_expiry_interval.is_some() {
            return Err(Failure::usage("--session-expiry-interval needs -V mqttv5"));
        }
        if version == Version::V311 && password.is_some() && self.username.is_none() {
            return Err(Failure::usage("MQTT 3.1.1 has no password without --username"));
        }
        let texts = [Some(&self.id), self.username.as_ref(), password.as_ref()];
        if texts.into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Failure::usage("user, password and device have at most 65535 bytes each"));
        }
        // A session that is kept without a stated end is kept for as long as the broker allows.
        let endless = (self.disable_clean_session && version == Version::V5).then_some(u32::MAX);
        Ok(Login {
            host,
            port,
            version,
            client_id: self.id,
            username: self.username,
            password,
            clean_start: !self.disable_clean_session,
            keep_alive_secs: self.keepalive,
            session_expiry_secs: self.session_expiry_interval.or(endless),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};

    fn login(line: &str) -> Result<Login, Failure> {
        let command = Connection::augment_args(Command::new("x")).disable_help_flag(true);
        let words = std::iter::once("x").chain(line.split_whitespace());
        let matches = command.try_get_matches_from(words).unwrap();
        Connection::from_arg_matches(&matches).unwrap().login()
    }

    #[test]
    fn without_flags_it_is_a_clean_connection_to_this_machine() {
        let plain = login("").unwrap();
        assert_eq!(plain.server(), "127.0.0.1:1883");
        assert!(plain.clean_start && plain.client_id.is_empty());
        assert_eq!((plain.version, plain.keep_alive_secs), (Version::V5, 60));
        assert_eq!(plain.session_expiry_secs, None);
    }

    #[test]
    fn a_kept_session_needs_a_device() {
        assert_eq!(login("-c").unwrap_err().code, super::super::exit::USAGE);
        assert!(login("-x 60").is_err());
        let kept = login("-c -i phone").unwrap();
        assert_eq!((kept.clean_start, kept.session_expiry_secs), (false, Some(u32::MAX)));
        assert_eq!(login("-x 60 -i phone").unwrap().session_expiry_secs, Some(60));
        assert_eq!(login("-c -i phone -V mqttv311").unwrap().session_expiry_secs, None);
        assert!(login("-x 60 -i phone -V mqttv311").is_err());
    }

    #[test]
    fn a_password_alone_is_for_mqtt_5() {
        assert!(login("-P x -V mqttv311").is_err());
        assert!(login("-P x").is_ok());
    }
}

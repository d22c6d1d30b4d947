//! The command, one file per verb.

mod admin;
mod auth;
mod ban;
mod banner;
mod bench;
mod client;
mod config;
mod connection;
mod dev;
mod device;
mod doctor;
mod exit;
mod format;
mod password;
mod place;
mod publish;
mod reload;
mod serve;
mod subscribe;
mod user;

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{FAILURE, Failure, finish};

/// An MQTT-first push and chat broker: publish to a uid, and every device of that user gets it
#[derive(Debug, Parser)]
#[command(name = "homing", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 failure, 2 wrong use or setting, 3 broker not \
                        reachable, 4 login refused, 5 message or subscription refused, 27 timeout")]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a broker to try things out: this machine only, users alice, bob and carol
    Dev(place::Place),
    /// Run a broker: closed until you add users
    Serve(place::Place),
    /// Publish messages
    Pub(publish::Pub),
    /// Receive the own mail, or what is published to topics
    Sub(subscribe::Sub),
    /// Add, change, list and remove users
    User(user::UserArgs),
    /// Show the devices of a user, and send them away
    Device(device::DeviceArgs),
    /// Keep users, devices and addresses out for a while
    Ban(ban::BanArgs),
    /// Try a login at the member API
    Auth(auth::AuthArgs),
    /// Have the running broker load its settings again
    Reload(reload::ReloadArgs),
    /// Look at everything a broker stands on, and change nothing
    Doctor(doctor::DoctorArgs),
    /// Check settings and show them
    Config(config::ConfigArgs),
    /// Measure a broker: any MQTT broker
    Bench(bench::Bench),
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    match Command::parse().verb {
        Verb::Dev(place) => dev::run(place),
        Verb::Serve(place) => serve::run(place),
        Verb::Pub(args) => finish("pub", block_on(publish::run(args))),
        Verb::Sub(args) => finish("sub", block_on(subscribe::run(args))),
        Verb::User(args) => finish("user", block_on(user::run(args))),
        Verb::Device(args) => finish("device", block_on(device::run(args))),
        Verb::Ban(args) => finish("ban", block_on(ban::run(args))),
        Verb::Auth(args) => finish("auth", block_on(auth::run(args))),
        Verb::Reload(args) => finish("reload", block_on(reload::run(args))),
        Verb::Doctor(args) => finish("doctor", block_on(doctor::run(args))),
        Verb::Config(args) => finish("config", block_on(config::run(args))),
        Verb::Bench(args) => finish("bench", bench::run(args)),
    }
}

/// Runs a verb that is a client on one thread.
fn block_on(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FAILURE, format!("no runtime: {error}")))?;
    let result = runtime.block_on(verb);
    // A thread that still waits for standard input must not keep the process.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::command().debug_assert();
    }

    /// The words of a line of a shell, as far as the documentation needs it.
    fn words(line: &str) -> Vec<String> {
        let line = line.replace("$(pidof homing)", "1");
        let parts = line.split('\'').enumerate();
        parts.fold(Vec::new(), |mut words: Vec<String>, (n, part)| {
            match n % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
            words
        })
    }

    #[test]
    fn the_documented_lines_are_taken() {
        let docs = [
            include_str!("../../docs/accounts.md"),
            include_str!("../../docs/authentication.md"),
            include_str!("../../docs/cli.md"),
            include_str!("../../docs/configuration.md"),
            include_str!("../../docs/operations.md"),
        ];
        let lines = docs
            .iter()
            .flat_map(|doc| doc.lines())
            .filter(|line| line.starts_with("homing ") || line.starts_with("seq 1 1000 | homing "));
        let mut count = 0;
        for line in lines {
            let line = line.split('#').next().unwrap().replace("'news/", "'news/#'");
            let command = &line[line.find("homing ").unwrap()..];
            let parsed = Command::try_parse_from(words(command));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
            count += 1;
        }
        assert!(count >= 12, "{count}");
    }

    #[test]
    fn mosquittos_letters_are_taken() {
        for line in [
            "homing pub -h localhost -p 1883 -u a -P b -i c -q 1 -r -t bob -m hi -V mqttv311 -k 9",
            "homing pub -t bob -l -D PUBLISH user-property name value -x 60 -c -i phone",
            "homing sub -t a/# -t b -v -C 3 -W 10 -F %t:%p -q 2 -i phone -c",
            "homing bench pairs -h localhost -p 1883 -u a -P b",
            "homing user list --json --data d",
        ] {
            let parsed = Command::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
        }
    }
}

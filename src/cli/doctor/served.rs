//! Whether a running broker shows the certificates that are in the files: one that was renewed
//! and not loaded again expires all the same.

use std::net::ToSocketAddrs;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::aside;
use super::broker::reachable;
use super::check::Check;
use super::scene::Scene;
use crate::config::CertificateFiles;
use crate::net::tls::look::{Served, served};
use crate::net::tls::shown::shown;

/// For the connection, and for each step of the handshake.
const STEP_WAIT: Duration = Duration::from_secs(2);

/// What a TLS listener shows.
pub struct Facts {
    listener: String,
    shows: Shows,
}

#[derive(Clone, Debug, PartialEq)]
enum Shows {
    TheFiles,
    /// Another one, to who asks for this name.
    Other(String),
    Nothing(String),
}

/// Listeners of a running broker that speak TLS at once, on a port that is known.
pub async fn look(scene: &Scene) -> Vec<Facts> {
    if !scene.broker.runs() {
        return Vec::new();
    }
    let known = |address: &str| !address.ends_with(":0");
    let listeners = scene.config.listen.tls().filter(|(_, one)| !one.proxy && known(&one.address));
    let listeners: Vec<_> =
        listeners.map(|(key, one)| (format!("{key} {one}"), one.address.clone())).collect();
    let files = scene.config.tls.certificates.clone();
    let ask_all = move || {
        let certificates = readable(&files);
        let ask = |(listener, address): (String, String)| {
            let shows = ask(&address, &certificates);
            Facts { listener, shows }
        };
        listeners.into_iter().map(ask).collect()
    };
    aside(ask_all).await.unwrap_or_default()
}

/// The others are told where files are.
fn readable(files: &[CertificateFiles]) -> Vec<Served> {
    files.iter().filter_map(|files| served(files).ok()).collect()
}

/// Asks for each certificate by a name of its own.
fn ask(address: &str, certificates: &[Served]) -> Shows {
    let address = match address.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(address)) => reachable(address),
        Ok(None) => return Shows::Nothing("it names no address".into()),
        Err(error) => return Shows::Nothing(error.to_string()),
    };
    for one in certificates {
        let Some((text, name)) = one.names.iter().find_map(|name| asked(name)) else { continue };
        match shown(address, name, STEP_WAIT) {
            Err(words) => return Shows::Nothing(words),
            Ok(der) if certificates.iter().any(|one| one.is(&der)) => {}
            Ok(_) => return Shows::Other(text),
        }
    }
    Shows::TheFiles
}

/// A name that can be asked for: any one of those that a wildcard means.
fn asked(name: &str) -> Option<(String, ServerName<'static>)> {
    let text = name.strip_prefix("*.").map_or_else(|| name.into(), |rest| format!("any.{rest}"));
    let name = ServerName::try_from(text.clone()).ok()?;
    Some((text, name))
}

pub fn judge(all: &[Facts]) -> Vec<Check> {
    all.iter().map(judge_one).collect()
}

fn judge_one(Facts { listener, shows }: &Facts) -> Check {
    let name = format!("served {listener}");
    match shows {
        Shows::TheFiles => {
            Check::ok(name, "the running broker shows the certificates of the files")
        }
        Shows::Other(asked) => Check::warning(
            name,
            format!(
                "asked for {asked}, the running broker shows another certificate than the files"
            ),
            "homing reload",
        ),
        Shows::Nothing(words) => Check::error(
            name,
            format!("there is no TLS connection: {words}"),
            "look into the log of the broker, and at what listens there",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_certificate_that_is_not_in_the_files_is_warned_of() {
        let judged = |shows| judge(&[Facts { listener: "x".into(), shows }]).remove(0);
        assert_eq!(judged(Shows::TheFiles).status, Status::Ok);
        assert_eq!(judged(Shows::Other("a.example.org".into())).next.unwrap(), "homing reload");
        assert_eq!(judged(Shows::Nothing("refused".into())).status, Status::Error);
    }

    #[test]
    fn a_wildcard_is_asked_for_by_a_name_that_it_means() {
        let asked = |name| asked(name).map(|(text, _)| text);
        assert_eq!(asked("*.example.org").as_deref(), Some("any.example.org"));
        assert_eq!(asked("127.0.0.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(asked("no name"), None);
    }
}

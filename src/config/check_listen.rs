//! Contradictions in `[listen]`, `[tls]`, `[proxy]` and `[websocket]`.

use std::net::IpAddr;

use super::{ClientCertificate, Config, Listener, Provider};
use crate::model::IdentityTemplate;

const WORKERS_COUNT_MAX: usize = 1024;
/// It goes into a DISCONNECT to every client.
const SERVER_REFERENCE_BYTES_MAX: usize = 256;

pub fn listeners(config: &Config, wrong: &mut Vec<String>) {
    let listen = &config.listen;
    if listen.clients().next().is_none() {
        let words = "listen.mqtt, mqtts, ws and wss: all are empty, so that nobody could connect";
        wrong.push(words.into());
    }
    let path = &config.websocket.path;
    let plain = |c: char| c.is_ascii_graphic() && !"?#".contains(c);
    if !path.starts_with('/') || !path.chars().all(plain) {
        wrong.push(format!("websocket.path: {path:?} is no path, as /mqtt"));
    }
    let reference = &config.advertise.server_reference;
    if reference.len() > SERVER_REFERENCE_BYTES_MAX || reference.contains(char::is_control) {
        wrong.push(format!(
            "advertise.server_reference: a host and port, as b.example.org:8883, of at most \
             {SERVER_REFERENCE_BYTES_MAX} bytes; several with a blank between them"
        ));
    }
    if listen.workers > WORKERS_COUNT_MAX {
        wrong.push(format!("listen.workers: at most {WORKERS_COUNT_MAX}; 0 is one per core"));
    }
    for (key, Listener { address, .. }) in listen.all() {
        if split(address).is_none() {
            wrong.push(format!("{key}: {address:?} is no ADDR:PORT, as 127.0.0.1:1883"));
        }
    }
    if config.auth.provider.has(Provider::Open) {
        wrong.extend(not_loopback(config).into_iter().map(|(key, address)| {
            format!(
                "auth.provider = \"open\" lets anyone in, so it serves loopback alone: change \
                 {key} = {address:?} to 127.0.0.1, or auth.provider to \"accounts\""
            )
        }));
    }
    anonymous(config, wrong);
    given_twice(config, wrong);
    certificates(config, wrong);
    client_certificates(config, wrong);
    if listen.all().any(|(_, one)| one.proxy) && config.proxy.trusted.is_empty() {
        wrong.push(
            "proxy.trusted: a listener has proxy = true and nobody is trusted, so that nobody \
             could connect: name your load balancers"
                .into(),
        );
    }
}

/// HTTP has no logins without a name.
fn anonymous(config: &Config, wrong: &mut Vec<String>) {
    let mqtt = |key: &str| !key.starts_with("listen.http");
    let reachable = not_loopback(config).into_iter().filter(|(key, _)| mqtt(key));
    if config.auth.anonymous {
        wrong.extend(reachable.map(|(key, address)| {
            format!(
                "auth.anonymous = true lets in anyone without a login, so it serves loopback \
                 alone: change {key} = {address:?} to 127.0.0.1, or auth.anonymous to false"
            )
        }));
    }
}

fn given_twice(config: &Config, wrong: &mut Vec<String>) {
    let all: Vec<_> = config.listen.all().collect();
    for (at, (key, one)) in all.iter().enumerate() {
        let earlier = all[..at].iter().find(|(_, other)| other.address == one.address);
        if let Some((first, _)) = earlier.filter(|_| !one.address.ends_with(":0")) {
            wrong.push(format!("{key}: {:?} is in {first} already", one.address));
        }
    }
}

fn certificates(config: &Config, wrong: &mut Vec<String>) {
    if let Some((key, _)) = config.listen.tls().next()
        && config.tls.certificates.is_empty()
    {
        wrong.push(format!(
            "{key} speaks TLS and tls.certificates is empty: give \
             certificates = [{{ cert = \"chain.pem\", key = \"key.pem\" }}]"
        ));
    }
}

fn client_certificates(config: &Config, wrong: &mut Vec<String>) {
    let (listen, tls) = (&config.listen, &config.tls);
    if IdentityTemplate::parse(&tls.identity).is_none() {
        wrong.push(format!(
            "tls.identity: {:?} is no template: write {{cn}}, {{san.dns}}, {{san.email}} or \
             {{san.uri}}, with text around it; {{san.email%@example.org}} removes an end",
            tls.identity
        ));
    }
    let plain = listen.mqtt.iter().chain(&listen.ws).chain(&listen.http);
    for one in plain.filter(|one| one.client_certificate.is_some()) {
        wrong.push(format!(
            "{}: client_certificate belongs to listen.mqtts, wss and https: there is no \
             certificate without TLS",
            one.address
        ));
    }
    let asked = |one: &Listener| {
        one.client_certificate.unwrap_or(tls.client_certificate) != ClientCertificate::None
    };
    let asking = listen.tls().find(|(_, one)| asked(one));
    if asking.is_some() && tls.client_ca.is_empty() {
        wrong.push("tls.client_ca: client certificates are asked for and no authority is".into());
    }
    if !tls.client_crl.is_empty() && tls.client_ca.is_empty() {
        wrong
            .push("tls.client_crl: there is no tls.client_ca whose certificates it revokes".into());
    }
    if config.auth.provider.has(Provider::Certificate)
        && !listen.mqtts.iter().chain(&listen.wss).any(asked)
    {
        wrong.push(
            "auth.provider: \"certificate\" needs a listener in listen.mqtts or wss that asks for \
             one: set tls.client_certificate to \"optional\" or \"required\""
                .into(),
        );
    }
}

/// The addresses that other machines could reach, each with its key.
pub fn not_loopback(config: &Config) -> Vec<(&'static str, &str)> {
    let reachable = |address: &str| split(address).is_some_and(|(host, _)| !loopback(host));
    let all = config.listen.all().map(|(key, one)| (key, one.address.as_str()));
    all.filter(|(_, address)| reachable(address)).collect()
}

/// Host and port.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

fn loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::config::check::contradictions;

    /// The words for settings that differ from the defaults by `text`.
    fn words(text: &str) -> String {
        contradictions(&toml::from_str(text).unwrap()).join("\n")
    }

    #[test]
    fn anyone_may_come_in_on_loopback_only() {
        let open =
            |mqtt: &str| words(&format!("auth.provider = \"open\"\nlisten.mqtt = [\"{mqtt}\"]\n"));
        for good in ["127.0.0.1:1883", "127.9.9.9:1", "[::1]:1883", "localhost:1883"] {
            assert_eq!(open(good), "", "{good}");
        }
        for bad in ["0.0.0.0:1883", "[::]:1883", "10.0.0.1:1883", "example.org:1883"] {
            assert!(open(bad).contains("auth.provider to \"accounts\""), "{bad}");
        }
    }

    #[test]
    fn nobody_comes_without_a_login_from_elsewhere() {
        let anonymous = |listen: &str| words(&format!("auth.anonymous = true\n{listen}\n"));
        assert_eq!(
            anonymous("listen.mqtt = [\"127.0.0.1:1883\"]\nlisten.http = [\"[::]:80\"]"),
            ""
        );
        for bad in ["", "listen.mqtt = [\"[::]:1883\"]", "listen.ws = [\"[::]:8083\"]"] {
            assert!(anonymous(bad).contains("auth.anonymous to false"), "{bad}");
        }
    }

    #[test]
    fn addresses_are_host_and_port() {
        for bad in ["1883", "127.0.0.1", ":1883", "::1:1883", "a:99999", "a:b"] {
            assert!(words(&format!("listen.mqtt = [\"{bad}\"]")).contains("is no ADDR:PORT"));
        }
        let other = |text: &str| words(&format!("advertise.server_reference = {text:?}"));
        assert_eq!(other("b.example.org:8883 c.example.org"), "");
        assert!(other(&"b".repeat(257)).contains("advertise.server_reference"));
        assert!(words("listen.mqtt = []").contains("nobody could connect"));
        let twice = "listen.mqtt = [\"127.0.0.1:8080\"]";
        assert!(words(twice).contains("in listen.mqtt already"));
    }

    #[test]
    fn tls_needs_what_it_is_made_of() {
        let listen = "listen.mqtts = [\"[::]:8883\"]\n";
        let files = "tls.certificates = [{ cert = \"c\", key = \"k\" }]\n";
        let all = format!("{listen}{files}");
        assert_eq!(words(&all), "");
        assert!(words(listen).contains("tls.certificates is empty"));
        assert!(words("listen.https = [\"[::]:443\"]").contains("tls.certificates is empty"));
        let required = "tls.client_certificate = \"required\"\n";
        assert!(words(&format!("{all}{required}")).contains("tls.client_ca"));
        assert_eq!(words(&format!("{all}{required}tls.client_ca = \"ca\"")), "");
        assert!(words("tls.client_crl = \"x\"").contains("tls.client_crl"));
        assert!(words("tls.identity = \"{ou}\"").contains("tls.identity"));
        assert!(words("tls.handshake_wait = \"0s\"").contains("tls.handshake_wait"));
        assert!(words("auth.provider = \"certificate\"").contains("listen.mqtts"));
        let plain = "listen.mqtt = [{ address = \"[::]:1\", client_certificate = \"none\" }]";
        assert!(words(plain).contains("no certificate without TLS"));
        assert!(words("listen.workers = 5000").contains("listen.workers"));
        assert!(words("listen.wss = [\"[::]:443\"]").contains("tls.certificates is empty"));
        let web = format!("{files}{required}tls.client_ca = \"ca\"\nlisten.wss = [\"[::]:8884\"]");
        assert_eq!(words(&format!("{web}\nauth.provider = \"certificate\"")), "");
    }

    #[test]
    fn websocket_alone_is_enough_and_has_a_path() {
        assert_eq!(words("listen.mqtt = []\nlisten.ws = [\"[::]:8083\"]"), "");
        for bad in ["mqtt", "", "/a b", "/a?b", "/ä"] {
            let text = format!("websocket.path = {bad:?}");
            assert!(words(&text).contains("websocket.path"), "{bad}");
        }
    }

    #[test]
    fn a_listener_behind_a_balancer_needs_one_that_is_trusted() {
        let listen = "listen.mqtt = [{ address = \"[::]:1\", proxy = true }]\n";
        assert!(words(listen).contains("proxy.trusted"));
        assert_eq!(words(&format!("{listen}proxy.trusted = [\"10.0.0.0/8\"]")), "");
    }
}

//! Settings of token providers, of routes and of Startalk that contradict each other.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::{
    Advertise, Config, JwtAlgorithm, JwtAuth, Provider, RedisAuth, RedisLayout, Startalk,
};

/// The keys of a hash function have at least its length (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// More would let expired tokens live on.
const LEEWAY_MAX: Duration = Duration::from_secs(30);

pub fn contradictions(config: &Config, wrong: &mut Vec<String>) {
    providers(&config.auth.provider.0, wrong);
    if config.auth.provider.has(Provider::Jwt) {
        jwt(&config.auth.jwt, wrong);
    }
    if config.auth.provider.has(Provider::Redis) {
        redis(&config.auth.redis, wrong);
    }
    advertise(&config.advertise, wrong);
    startalk(config, wrong);
}

fn providers(all: &[Provider], wrong: &mut Vec<String>) {
    if all.is_empty() {
        wrong.push("auth.provider: the list is empty, so that nobody could log in".into());
    }
    if all.len() > 1 && all.contains(&Provider::Open) {
        wrong.push(
            "auth.provider: \"open\" lets anyone in, so the others mean nothing: leave it out, \
             or the others"
                .into(),
        );
    }
    if all.iter().enumerate().any(|(at, one)| all[..at].contains(one)) {
        wrong.push("auth.provider: a provider stands there twice".into());
    }
    // The member API knows no "not mine": what it does not know may be a user who was removed. It
    // leaves alone who shows nothing but a certificate.
    let behind = all.iter().skip_while(|one| **one != Provider::Http).skip(1);
    if let Some(never) = behind.into_iter().find(|one| **one != Provider::Certificate) {
        wrong.push(format!(
            "auth.provider: \"http\" decides about all who have a user name and a token, so that \
             {:?} behind it would not be asked: put \"http\" last",
            never.name()
        ));
    }
}

fn jwt(jwt: &JwtAuth, wrong: &mut Vec<String>) {
    let shared = jwt.algorithms.contains(&JwtAlgorithm::HS256);
    if jwt.algorithms.is_empty() || (shared && jwt.algorithms.len() > 1) {
        wrong.push(
            "auth.jwt.algorithms: HS256 alone, or one or more of RS256, ES256 and EdDSA: with a \
             shared secret and public keys beside each other, one can be taken for the other"
                .into(),
        );
    } else if shared {
        secret(jwt, wrong);
    } else {
        public_keys(jwt, wrong);
    }
    if jwt.leeway.0 > LEEWAY_MAX {
        wrong.push(format!("auth.jwt.leeway: {} is more than 30s", jwt.leeway));
    }
    if jwt.uid.is_empty() {
        wrong.push("auth.jwt.uid: name the claim that has the uid, as \"sub\"".into());
    }
    if jwt.jwks_refresh.0 == Duration::ZERO {
        wrong.push("auth.jwt.jwks_refresh: 0 would ask without end: give more".into());
    }
}

fn secret(jwt: &JwtAuth, wrong: &mut Vec<String>) {
    if jwt.secret.expose().len() < SECRET_BYTES_MIN {
        wrong.push(format!("auth.jwt.secret: HS256 needs {SECRET_BYTES_MIN} bytes or more"));
    }
    if !jwt.key.is_empty() || !jwt.jwks.is_empty() {
        wrong.push("auth.jwt: HS256 has a secret alone: leave out key and jwks".into());
    }
}

fn public_keys(jwt: &JwtAuth, wrong: &mut Vec<String>) {
    if !jwt.secret.is_empty() {
        wrong.push("auth.jwt.secret: it is for HS256 alone: leave it out".into());
    }
    match (jwt.key.is_empty(), jwt.jwks.is_empty()) {
        (true, true) => wrong.push("auth.jwt: give the public key by key or jwks".into()),
        (false, false) => wrong.push("auth.jwt: give key or jwks, not both".into()),
        (false, true) if jwt.algorithms.len() > 1 => {
            wrong.push("auth.jwt.key: one key is for one of auth.jwt.algorithms".into());
        }
        _ => {}
    }
    if jwt.jwks.strip_prefix("http://").is_some_and(|rest| !on_loopback(rest)) {
        wrong.push("auth.jwt.jwks: keys that come over http could be anybody's: use https".into());
    }
}

/// The host of the rest of a URL.
fn on_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn redis(redis: &RedisAuth, wrong: &mut Vec<String>) {
    let own = RedisAuth::default();
    let changed = redis.key != own.key
        || redis.field != own.field
        || redis.value != own.value
        || redis.renew != own.renew;
    if redis.layout == RedisLayout::Startalk && changed {
        wrong.push(
            "auth.redis.layout: \"startalk\" brings key, field, value and renew: leave them out"
                .into(),
        );
    }
    if redis.wait.0 == Duration::ZERO || redis.at_once == 0 {
        wrong.push("auth.redis.wait and at_once: 0 would let nothing work: give more".into());
    }
}

fn advertise(advertise: &Advertise, wrong: &mut Vec<String>) {
    let Advertise { hosts, mqtt, mqtts, ws, wss, ttl, .. } = advertise;
    if !hosts.is_empty() && [mqtt, mqtts, ws, wss].into_iter().all(|port| *port == 0) {
        wrong.push("advertise: a host without a port: give one of mqtt, mqtts, ws and wss".into());
    }
    let bare = |host: &&String| {
        let colons = host.parse::<IpAddr>().is_err() && host.contains(':');
        host.is_empty()
            || colons
            || host.contains(['/', '[', '@'])
            || host.contains(char::is_whitespace)
    };
    if let Some(host) = hosts.iter().find(bare) {
        wrong.push(format!("advertise.hosts: {host:?} is no name or address without a port"));
    }
    if ttl.0 < Duration::from_secs(1) {
        wrong.push("advertise.ttl: at least 1s".into());
    }
}

fn startalk(config: &Config, wrong: &mut Vec<String>) {
    let Startalk { domain, checktoken_from, nav } = &config.startalk;
    if domain.is_empty() && (*nav || !checktoken_from.is_empty()) {
        wrong.push("startalk.domain: name the domain of the users".into());
    }
    if *nav && config.advertise.hosts.is_empty() {
        wrong.push("startalk.nav tells clients where to connect: set advertise.hosts".into());
    }
}

#[cfg(test)]
mod tests {
    fn words(text: &str) -> String {
        crate::config::check::contradictions(&toml::from_str(text).unwrap()).join("\n")
    }

    #[test]
    fn each_contradiction_names_the_key_to_change() {
        let jwt = |text: &str| format!("[auth]\nprovider = \"jwt\"\n[auth.jwt]\n{text}");
        let hs = "algorithms = [\"HS256\"]\n";
        let redis = |text: &str| format!("[auth]\nprovider = \"redis\"\n[auth.redis]\n{text}");
        for (text, key) in [
            ("auth.provider = []".into(), "auth.provider"),
            ("auth.provider = [\"accounts\", \"open\"]".into(), "\"open\" lets anyone in"),
            ("auth.provider = [\"accounts\", \"accounts\"]".into(), "twice"),
            ("auth.provider = [\"http\", \"accounts\"]".into(), "put \"http\" last"),
            ("auth.provider = [\"http\", \"certificate\", \"jwt\"]".into(), "\"jwt\" behind it"),
            (jwt(""), "by key or jwks"),
            (jwt("key = \"a\"\njwks = \"b\""), "not both"),
            (jwt("key = \"a\"\nsecret = \"b\""), "auth.jwt.secret"),
            (jwt("key = \"a\"\nalgorithms = []"), "auth.jwt.algorithms"),
            (jwt("key = \"a\"\nalgorithms = [\"HS256\", \"RS256\"]"), "auth.jwt.algorithms"),
            (jwt("key = \"a\"\nalgorithms = [\"ES256\", \"RS256\"]"), "auth.jwt.key"),
            (jwt(&format!("{hs}secret = \"short\"")), "auth.jwt.secret"),
            (jwt(&format!("{hs}key = \"a\"")), "leave out key"),
            (jwt("key = \"a\"\nleeway = \"31s\""), "auth.jwt.leeway"),
            (jwt("key = \"a\"\nuid = \"\""), "auth.jwt.uid"),
            (jwt("jwks = \"http://10.0.0.1/k\""), "auth.jwt.jwks"),
            (jwt("jwks = \"http://127.0.0.1.example.org/k\""), "auth.jwt.jwks"),
            (redis("layout = \"startalk\"\nkey = \"{uid}\""), "auth.redis.layout"),
            (redis("at_once = 0"), "auth.redis"),
            ("advertise.hosts = [\"h\"]".into(), "advertise"),
            ("[advertise]\nmqtt = 1\nhosts = [\"h:1\"]".into(), "advertise.hosts"),
            ("startalk.nav = true".into(), "startalk.domain"),
            ("startalk.checktoken_from = [\"::1/128\"]".into(), "startalk.domain"),
        ] {
            assert!(words(&text).contains(key), "{text}: {}", words(&text));
        }
    }

    #[test]
    fn who_shows_nothing_but_a_certificate_may_be_known_behind_the_member_api() {
        let told = words("auth.provider = [\"http\", \"certificate\"]");
        assert!(!told.contains("put \"http\" last"), "{told}");
    }

    #[test]
    fn what_fits_together_is_left_alone() {
        for text in [
            "[auth]\nprovider = [\"jwt\", \"accounts\"]\n[auth.jwt]\njwks = \"http://[::1]:8/k\"",
            "[auth]\nprovider = \"jwt\"\n[auth.jwt]\nalgorithms = [\"ES256\"]\nkey = \"k.pem\"",
            "[auth]\nprovider = \"redis\"\n[auth.redis]\nlayout = \"startalk\"",
            "[auth]\nprovider = [\"jwt\", \"accounts\", \"http\"]\n[auth.jwt]\nkey = \"k.pem\"",
            "[advertise]\nhosts = [\"chat.example.org\", \"2001:db8::1\"]\nmqtts = 8883",
        ] {
            assert_eq!(words(text), "", "{text}");
        }
    }
}

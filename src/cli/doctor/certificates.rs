//! The files of `[tls]`: whether they can be served, and for how long.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::aside;
use super::check::{Check, chmod};
use super::scene::Scene;
use crate::config::{CertificateFiles, Tls as Settings};
use crate::model::Stamp;
use crate::net::tls::Tls;
use crate::net::tls::look::{Link, Revocations, Served, authorities, revoked, served};

/// Time enough for people to renew one.
const RENEW_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const DAY_SECS: u64 = 24 * 60 * 60;
/// Rights of those that are neither owner nor of the group.
const OTHERS: u32 = 0o007;

/// What the files say.
pub struct Facts {
    now: Stamp,
    certificates: Vec<Certificate>,
    /// With their file; `None` if none is configured.
    authorities: Option<(String, Result<Vec<Link>, String>)>,
    revoked: Option<(String, Result<Vec<Revocations>, String>)>,
    /// What the start would say of all of it.
    start: Result<(), String>,
}

struct Certificate {
    files: CertificateFiles,
    served: Result<Served, String>,
    /// Of the key's file; 0 if it cannot be seen, which is told elsewhere.
    key_mode: u32,
}

pub async fn look(scene: &Scene) -> Facts {
    let (settings, now) = (scene.config.tls.clone(), scene.now());
    let interrupted = || Facts {
        now,
        certificates: Vec::new(),
        authorities: None,
        revoked: None,
        start: Err("interrupted".into()),
    };
    aside(move || read(&settings, now)).await.unwrap_or_else(interrupted)
}

fn read(settings: &Settings, now: Stamp) -> Facts {
    let certificate = |files: &CertificateFiles| Certificate {
        files: files.clone(),
        served: served(files),
        key_mode: std::fs::metadata(&files.key).map_or(0, |file| file.permissions().mode()),
    };
    let given = |file: &String| (!file.is_empty()).then(|| file.clone());
    Facts {
        now,
        certificates: settings.certificates.iter().map(certificate).collect(),
        authorities: given(&settings.client_ca).map(|file| (file.clone(), authorities(&file))),
        revoked: given(&settings.client_crl).map(|file| (file.clone(), revoked(&file))),
        start: Tls::load(settings, now).map(drop),
    }
}

pub fn judge(facts: &Facts) -> Vec<Check> {
    let Facts { now, certificates, authorities, revoked, start } = facts;
    let mut all: Vec<Check> =
        certificates.iter().flat_map(|one| judge_certificate(one, *now)).collect();
    if let Some((file, links)) = authorities {
        all.push(judge_authorities(file, links, *now));
    }
    if let Some((file, lists)) = revoked {
        all.push(judge_revoked(file, lists, *now));
    }
    let told = all.iter().any(|check| check.status == super::Status::Error);
    match start {
        Err(words) if !told => all.push(Check::error("tls", words, "mend [tls]")),
        _ if all.is_empty() => {
            all.push(Check::skipped("certificates", "tls.certificates is empty: there is no TLS"));
        }
        _ => {}
    }
    all
}

fn judge_certificate(one: &Certificate, now: Stamp) -> Vec<Check> {
    let name = format!("certificate {}", one.files.cert);
    let served = match &one.served {
        Ok(served) => served,
        Err(words) => {
            return vec![Check::error(name, words, "mend the file, or tls.certificates")];
        }
    };
    let mut found: Vec<Check> =
        served.chain.iter().filter_map(|link| judge_validity(&name, link, now)).collect();
    found.extend(judge_chain(&name, &served.chain));
    if served.names.is_empty() {
        let words = "it has no subject alternative name, and clients look at nothing else";
        found.push(Check::warning(&name, words, "have it made for the names of this server"));
    }
    if one.key_mode & OTHERS != 0 {
        let words = format!("its key {} can be read by everybody here", one.files.key);
        found.push(Check::warning(&name, words, chmod("o=", Path::new(&one.files.key))));
    }
    if found.is_empty() {
        let until = served.chain.iter().map(|link| link.valid_until).min().unwrap_or_default();
        let (names, days) = (served.names.join(", "), days(now, until));
        found.push(Check::ok(&name, format!("for {names}, valid for {days} days")));
    }
    let until = served.chain.first().map(|link| link.valid_until.to_string());
    let with =
        |check: Check| check.with("names", served.names.clone()).with("valid_until", until.clone());
    found.into_iter().map(with).collect()
}

fn days(now: Stamp, until: Stamp) -> u64 {
    now.until(until).as_secs() / DAY_SECS
}

/// `None` if it is good for a while.
fn judge_validity(name: &str, link: &Link, now: Stamp) -> Option<Check> {
    let Link { subject, valid_from, valid_until, .. } = link;
    let renew = "renew it, then: homing reload";
    if now > *valid_until {
        let words = format!("\"{subject}\" expired on {valid_until}: clients refuse it");
        return Some(Check::error(name, words, renew));
    }
    if now < *valid_from {
        let words = format!("\"{subject}\" is not valid before {valid_from}");
        return Some(Check::error(name, words, "is the clock right? else wait"));
    }
    let soon = now.until(*valid_until) < RENEW_BEFORE;
    let words =
        || format!("\"{subject}\" expires in {} days, on {valid_until}", days(now, *valid_until));
    soon.then(|| Check::warning(name, words(), renew))
}

/// Each has to be signed by the next.
fn judge_chain(name: &str, chain: &[Link]) -> Option<Check> {
    let (one, next) =
        chain.iter().zip(chain.iter().skip(1)).find(|(one, next)| one.issuer != next.subject)?;
    let words = format!(
        "the chain breaks: \"{}\" is signed by \"{}\", but \"{}\" follows",
        one.subject, one.issuer, next.subject
    );
    let order = "put the server's certificate first, behind each the one that signed it";
    Some(Check::warning(name, words, order))
}

fn judge_authorities(file: &str, links: &Result<Vec<Link>, String>, now: Stamp) -> Check {
    let name = format!("client authorities {file}");
    let links = match links {
        Ok(links) => links,
        Err(words) => return Check::error(name, words, "mend the file, or tls.client_ca"),
    };
    match links.iter().find(|link| now > link.valid_until) {
        Some(link) => Check::warning(
            name,
            format!("\"{}\" expired on {}, and is still trusted", link.subject, link.valid_until),
            "replace it in tls.client_ca",
        ),
        None => Check::ok(name, format!("{} of them", links.len())),
    }
}

fn judge_revoked(file: &str, lists: &Result<Vec<Revocations>, String>, now: Stamp) -> Check {
    let name = format!("revocation lists {file}");
    let lists = match lists {
        Ok(lists) => lists,
        Err(words) => return Check::error(name, words, "mend the file, or tls.client_crl"),
    };
    let late = |list: &&Revocations| list.next_update.is_some_and(|next| now > next);
    match lists.iter().find(late) {
        Some(list) => Check::warning(
            name,
            format!("that of \"{}\" is out of date: what was revoked since is let in", list.issuer),
            "fetch the new list, then: homing reload",
        ),
        None => {
            let count: usize = lists.iter().map(|list| list.count).sum();
            Check::ok(name, format!("{} of them revoke {count} certificates", lists.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const DAY: Duration = Duration::from_secs(DAY_SECS);

    fn link(subject: &str, issuer: &str, until: Stamp) -> Link {
        let (subject, issuer) = (subject.to_owned(), issuer.to_owned());
        Link { subject, issuer, valid_from: NOW.before(DAY), valid_until: until }
    }

    fn validity(until: Stamp) -> Option<Status> {
        judge_validity("x", &link("s", "i", until), NOW).map(|check| check.status)
    }

    #[test]
    fn validity_ends_in_an_error_and_is_warned_of_before() {
        assert_eq!(validity(NOW.before(DAY)), Some(Status::Error));
        assert_eq!(validity(NOW.after(13 * DAY)), Some(Status::Warning));
        assert_eq!(validity(NOW.after(15 * DAY)), None);
        let early = Link { valid_from: NOW.after(DAY), ..link("s", "i", NOW.after(99 * DAY)) };
        assert_eq!(judge_validity("x", &early, NOW).unwrap().status, Status::Error);
    }

    #[test]
    fn a_chain_is_in_order() {
        let far = NOW.after(99 * DAY);
        let good = [link("a", "b", far), link("b", "c", far), link("c", "c", far)];
        assert_eq!(judge_chain("x", &good), None);
        let bad = [link("a", "b", far), link("c", "c", far)];
        assert!(judge_chain("x", &bad).unwrap().message.contains("\"c\" follows"));
    }

    #[test]
    fn old_authorities_and_lists_are_warned_of() {
        let of = |until| judge_authorities("f", &Ok(vec![link("a", "a", until)]), NOW).status;
        assert_eq!((of(NOW.after(DAY)), of(NOW.before(DAY))), (Status::Ok, Status::Warning));
        let list = |next_update| Revocations { issuer: "a".into(), count: 1, next_update };
        let of = |next| judge_revoked("f", &Ok(vec![list(next)]), NOW).status;
        assert_eq!(of(None), Status::Ok);
        assert_eq!(of(Some(NOW.after(DAY))), Status::Ok);
        assert_eq!(of(Some(NOW.before(DAY))), Status::Warning);
        assert_eq!(judge_authorities("f", &Err("gone".into()), NOW).status, Status::Error);
        assert_eq!(judge_revoked("f", &Err("gone".into()), NOW).status, Status::Error);
    }

    #[test]
    fn what_only_the_start_would_say_is_said() {
        let facts = |start| Facts {
            now: NOW,
            certificates: Vec::new(),
            authorities: None,
            revoked: None,
            start,
        };
        assert_eq!(judge(&facts(Ok(())))[0].status, Status::Skipped);
        let wrong = judge(&facts(Err("cannot be set up".into())));
        assert_eq!((wrong.len(), wrong[0].status), (1, Status::Error));
    }
}

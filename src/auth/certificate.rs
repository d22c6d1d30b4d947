//! Provider `certificate`: who showed a client certificate in the TLS handshake is the user whom
//! its name names.

use serde_json::{Value, json};

use super::{AuthError, AuthFuture, Authenticator, Certificate, Credentials, Login};
use crate::log::Seldom;
use crate::model::certificate::{Field, IdentityTemplate};
use crate::model::{Identity, Uid};

/// Asks for no password: the handshake has proved who it is. Who shows no certificate is left to
/// the next provider.
pub struct ByCertificate {
    pub template: IdentityTemplate,
    pub refusals: Seldom,
}

impl Authenticator for ByCertificate {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(std::future::ready(self.login(credentials)))
    }

    /// Nothing is remembered.
    fn forget(&self, _: &Uid) {}
}

impl ByCertificate {
    fn login(&self, credentials: Credentials<'_>) -> Login {
        let Some(certificate) = credentials.certificate else {
            credentials.why("the client shows no certificate");
            return Err(AuthError::NotMine);
        };
        credentials.note("names", || names(certificate));
        let peer = credentials.peer;
        let Some(uid) = self.uid(certificate) else {
            if let Some(left_out) = self.refusals.say() {
                let words = "tls.identity makes no uid of this certificate";
                tracing::warn!(%peer, ?certificate, left_out, "{words}");
            }
            credentials.why("tls.identity makes no uid of this certificate");
            return Err(AuthError::BadLogin);
        };
        if let Some(name) = credentials.uid.filter(|name| *name != uid.as_str()) {
            if let Some(left_out) = self.refusals.say() {
                let words = "user name and certificate differ";
                tracing::warn!(%peer, name, certificate = %uid, left_out, "{words}");
            }
            credentials.why(format_args!("the certificate is that of {uid}, not of the user name"));
            return Err(AuthError::BadLogin);
        }
        Ok(Identity { expires_at: certificate.expires_at, ..Identity::user(uid) })
    }

    /// Of several names of a kind the first that fits. A name for many hosts is nobody's.
    fn uid(&self, certificate: &Certificate) -> Option<Uid> {
        let names = match self.template.field {
            Field::CommonName => certificate.common_name.as_slice(),
            Field::Dns => &certificate.dns,
            Field::Email => &certificate.email,
            Field::Uri => &certificate.uri,
        };
        let text = names.iter().find_map(|name| self.template.apply(name))?;
        Uid::parse(&text).ok().filter(|_| !text.contains('*'))
    }
}

fn names(certificate: &Certificate) -> Value {
    let Certificate { common_name, dns, email, uri, .. } = certificate;
    json!({ "cn": common_name, "san.dns": dns, "san.email": email, "san.uri": uri })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::model::{ClientId, Stamp};

    fn named(name: &str) -> Certificate {
        Certificate {
            common_name: Some(name.into()),
            dns: vec![format!("{name}.example.org")],
            email: vec!["x@example.com".into(), format!("{name}@example.org")],
            uri: vec![format!("urn:user:{name}")],
            expires_at: Some(Stamp(7)),
        }
    }

    fn login(template: &str, uid: Option<&str>, certificate: Option<&Certificate>) -> Login {
        let client_id = ClientId::default();
        let test = Credentials::test(&client_id, "", b"");
        let credentials = Credentials { uid, certificate, password: None, ..test };
        let refusals = Seldom::new(Arc::new(ManualClock::default()));
        let template = IdentityTemplate::parse(template).unwrap();
        ByCertificate { template, refusals }.login(credentials)
    }

    #[test]
    fn the_certificate_names_the_user() {
        let alice = named("alice");
        for template in ["{cn}", "{san.email%@example.org}", "{san.uri#urn:user:}"] {
            let identity = login(template, None, Some(&alice)).unwrap();
            assert_eq!(identity.uid.as_str(), "alice");
            assert_eq!(identity.expires_at, Some(Stamp(7)));
        }
        assert_eq!(
            login("{san.dns}", None, Some(&alice)).unwrap().uid.as_str(),
            "alice.example.org"
        );
    }

    #[test]
    fn a_user_name_has_to_be_the_certificates() {
        let alice = named("alice");
        assert!(login("{cn}", Some("alice"), Some(&alice)).is_ok());
        for other in ["bob", "", "Alice", "alice "] {
            assert_eq!(login("{cn}", Some(other), Some(&alice)), Err(AuthError::BadLogin));
        }
    }

    #[test]
    fn who_shows_none_is_left_to_the_next_provider() {
        assert_eq!(login("{cn}", Some("alice"), None), Err(AuthError::NotMine));
    }

    #[test]
    fn a_name_that_is_no_uid_is_nobody() {
        let long = "x".repeat(129);
        for bad in
            ["*.example.org", "*", "a/b", "a+b", "#", "$SYS", "group", "a\0b", "a\nb", &long, ""]
        {
            assert_eq!(login("{cn}", None, Some(&named(bad))), Err(AuthError::BadLogin), "{bad:?}");
        }
        let nameless = Certificate::default();
        assert_eq!(login("{cn}", None, Some(&nameless)), Err(AuthError::BadLogin));
    }
}

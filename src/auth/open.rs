//! Any user with any password: for a broker that only this machine can reach.

use super::{AuthError, AuthFuture, Authenticator, Credentials};
use crate::model::{Identity, Uid};

/// Provider `open`. There has to be a user name, and it has to be a uid.
pub struct Open;

impl Authenticator for Open {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        let identity = match Uid::parse(credentials.uid.unwrap_or_default()) {
            Ok(uid) => Ok(Identity::user(uid)),
            Err(error) => {
                credentials.why(format_args!("the user name is no uid: {error}"));
                Err(AuthError::BadLogin)
            }
        };
        Box::pin(std::future::ready(identity))
    }

    /// Nothing is remembered.
    fn forget(&self, _: &Uid) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClientId;

    #[tokio::test]
    async fn any_uid_comes_in_with_any_password_but_nobody_without_a_uid() {
        let client_id = ClientId::parse("").unwrap();
        for (uid, password, right) in [
            (Some("anyone"), Some(&b"x"[..]), true),
            (Some("anyone"), None, true),
            (Some("a/b"), None, false),
            (Some(""), None, false),
            (None, Some(&b"x"[..]), false),
        ] {
            let credentials =
                Credentials { uid, password, ..Credentials::test(&client_id, "", b"") };
            let answer = Open.authenticate(credentials);
            assert_eq!(answer.await.is_ok(), right, "{uid:?}");
        }
    }
}

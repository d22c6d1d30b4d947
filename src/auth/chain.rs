//! Several providers, asked in the order of `auth.provider`.

use std::sync::Arc;

use super::{AuthError, AuthFuture, Authenticator, Credentials, Login, Witness};
use crate::clock::Stopwatch;
use crate::config::Provider;
use crate::model::Uid;

/// The first provider that knows the user decides. One that cannot answer ends the question too:
/// a later one must not let in whom it would have refused.
pub struct Chain(pub Vec<(Provider, Arc<dyn Authenticator>)>);

impl Authenticator for Chain {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        Box::pin(async move {
            for (provider, authenticator) in &self.0 {
                let answer = match credentials.witness {
                    Some(witness) => {
                        watched(*provider, &**authenticator, credentials, witness).await
                    }
                    None => authenticator.authenticate(credentials).await,
                };
                match answer {
                    Err(AuthError::NotMine) => {}
                    decided => return decided,
                }
            }
            Err(AuthError::BadLogin)
        })
    }

    fn forget(&self, uid: &Uid) {
        for (_, provider) in &self.0 {
            provider.forget(uid);
        }
    }
}

async fn watched(
    provider: Provider,
    authenticator: &dyn Authenticator,
    credentials: Credentials<'_>,
    witness: &Witness,
) -> Login {
    witness.begin(provider);
    let watch = Stopwatch::start();
    let answer = authenticator.authenticate(credentials).await;
    witness.end(&answer, watch.elapsed());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::uid;
    use crate::model::{ClientId, Identity};

    struct Says(Result<Identity, AuthError>);

    impl Authenticator for Says {
        fn authenticate<'a>(&'a self, _: Credentials<'a>) -> AuthFuture<'a> {
            Box::pin(std::future::ready(self.0.clone()))
        }

        fn forget(&self, _: &Uid) {}
    }

    async fn ask(says: &[Result<Identity, AuthError>]) -> Result<Identity, AuthError> {
        let one = |said: &Result<_, _>| {
            (Provider::Open, Arc::new(Says(said.clone())) as Arc<dyn Authenticator>)
        };
        let client_id = ClientId::default();
        let credentials = Credentials::test(&client_id, "anyone", b"x");
        Chain(says.iter().map(one).collect()).authenticate(credentials).await
    }

    #[tokio::test]
    async fn the_first_provider_that_knows_the_user_decides() {
        let alice = || Ok(Identity::user(uid("alice")));
        let (bob, wrong) = (Ok(Identity::user(uid("bob"))), Err(AuthError::BadLogin));
        let strange = Err(AuthError::NotMine);
        assert_eq!(ask(&[strange.clone(), alice(), bob]).await, alice());
        assert_eq!(ask(&[wrong.clone(), alice()]).await, wrong);
        assert_eq!(ask(&[Err(AuthError::UNAVAILABLE), alice()]).await, Err(AuthError::UNAVAILABLE));
        assert_eq!(ask(&[strange]).await, wrong);
        assert_eq!(ask(&[]).await, wrong);
    }
}

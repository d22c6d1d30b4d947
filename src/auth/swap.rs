//! The place of the providers, so that a reload can put others there. Logins under way end with the
//! ones they began with.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{AuthFuture, Authenticator, Credentials};
use crate::model::Uid;

pub struct Swap(ArcSwap<Arc<dyn Authenticator>>);

impl Swap {
    pub fn new(first: Arc<dyn Authenticator>) -> Swap {
        Swap(ArcSwap::from_pointee(first))
    }

    pub fn change(&self, next: Arc<dyn Authenticator>) {
        self.0.store(Arc::new(next));
    }
}

impl Authenticator for Swap {
    fn authenticate<'a>(&'a self, credentials: Credentials<'a>) -> AuthFuture<'a> {
        let now = self.0.load_full();
        Box::pin(async move { now.authenticate(credentials).await })
    }

    fn forget(&self, uid: &Uid) {
        self.0.load().forget(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthError, Open};
    use crate::model::ClientId;

    struct Nobody;

    impl Authenticator for Nobody {
        fn authenticate<'a>(&'a self, _: Credentials<'a>) -> AuthFuture<'a> {
            Box::pin(std::future::ready(Err(AuthError::BadLogin)))
        }

        fn forget(&self, _: &Uid) {}
    }

    #[tokio::test]
    async fn the_last_that_was_put_there_answers() {
        let (swap, client_id) = (Swap::new(Arc::new(Nobody)), ClientId::default());
        let ask = async || swap.authenticate(Credentials::test(&client_id, "alice", b"x")).await;
        assert!(ask().await.is_err());
        swap.change(Arc::new(Open));
        assert!(ask().await.is_ok());
    }
}

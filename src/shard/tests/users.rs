//! Connections are found by user and by session, whoever comes and goes in which order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::model::{ClientId, SessionKey, Uid};
use crate::shard::Token;

use super::world::{World, v5};

fn key(user: u8, device: u8) -> SessionKey {
    let uid = Uid::parse(&format!("user{user}")).unwrap();
    SessionKey { uid, client_id: ClientId::parse(&format!("device{device}")).unwrap() }
}

/// What the shard should find.
type Model = BTreeMap<(u8, u8), Token>;

fn check(world: &World, model: &Model, users: u8, devices: u8) {
    for user in 0..users {
        let mut found: Vec<Token> =
            world.shard.connections_of(&key(user, 0).uid).map(|conn| conn.token).collect();
        let mut expected: Vec<Token> =
            model.range((user, 0)..=(user, u8::MAX)).map(|(_, token)| *token).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "user {user}");
        for device in 0..devices {
            let expected = model.get(&(user, device)).copied();
            assert_eq!(world.shard.connected(&key(user, device)), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The tables grow, places are used again, devices take over from themselves.
    #[test]
    fn everybody_is_found(
        steps in prop::collection::vec((0..40u8, 0..4u8, any::<bool>()), 1..300),
    ) {
        let (mut world, mut model) = (World::new(), Model::new());
        for (user, device, comes) in steps {
            match comes {
                true => {
                    let (uid, client_id) = (format!("user{user}"), format!("device{device}"));
                    let token = world.connect(&uid, v5(&client_id));
                    model.insert((user, device), token);
                }
                false => {
                    if let Some(token) = model.remove(&(user, device)) {
                        world.lose(token);
                    }
                }
            }
        }
        check(&world, &model, 40, 4);
    }
}

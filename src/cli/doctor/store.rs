//! The store: whether it opens, which version it has, how its server is. Read-only.

use super::check::Check;
use super::millis;
use super::scene::{Broker, Scene};
use crate::model::Stamp;
use crate::store::look::{Look, Server, look as look_at};

/// A round trip beyond it is felt by publishers: a commit takes several.
const ROUND_TRIP_MAX_MS: f64 = 20.0;

pub struct Facts {
    pub look: Result<Option<Look>, String>,
}

impl Facts {
    pub fn newest_message(&self) -> Option<Stamp> {
        self.look.as_ref().ok()?.as_ref()?.newest_message
    }

    /// By how many milliseconds the clock of the database is before ours.
    pub fn ahead(&self) -> Option<i64> {
        Some(self.look.as_ref().ok()?.as_ref()?.server.as_ref()?.ahead_millis)
    }
}

pub async fn look(scene: &Scene) -> Facts {
    let url = &scene.config.store.url;
    let in_use = scene.broker != Broker::None;
    let look = look_at(url, &scene.data, in_use, &scene.clock).await;
    Facts { look: look.map_err(|error| error.to_string()) }
}

pub fn judge(facts: &Facts) -> Check {
    let name = "store";
    match &facts.look {
        Err(words) => Check::error(name, words, "mend what the words name, then run this again"),
        Ok(None) => Check::ok(name, "there is none yet; it is made at the first start"),
        Ok(Some(Look { schema, newest_schema, server, .. })) => {
            let version = version(*schema, *newest_schema);
            let check = match server {
                None => Check::ok(name, version),
                Some(server) => judge_server(server, &version),
            };
            check.with("schema", *schema).with("newest_schema", *newest_schema)
        }
    }
}

fn version(schema: u64, newest: u64) -> String {
    match schema {
        0 => "it is empty; its schema is made at the first start".into(),
        schema if schema < newest => format!(
            "it has schema version {schema} and is brought to {newest} at the next start: \
             make a backup before, there is no way back"
        ),
        schema => format!("it opens and has schema version {schema}, the newest"),
    }
}

fn judge_server(server: &Server, version: &str) -> Check {
    let trip = millis(server.round_trip);
    let words = format!("PostgreSQL {} answers in {trip} ms; {version}", server.version);
    let check = match trip > ROUND_TRIP_MAX_MS {
        true => Check::warning(
            "store",
            words,
            format!(
                "bring broker and database nearer together: {ROUND_TRIP_MAX_MS} ms would be good"
            ),
        ),
        false => Check::ok("store", words),
    };
    check.with("server_version", server.version.clone()).with("round_trip_ms", trip)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::check::Status;
    use super::*;

    fn facts(schema: u64, round_trip: Option<u64>) -> Facts {
        let server = round_trip.map(|trip| Server {
            version: "17.2".into(),
            round_trip: Duration::from_millis(trip),
            ahead_millis: 7,
        });
        let look = Look { schema, newest_schema: 2, newest_message: Some(Stamp(5)), server };
        Facts { look: Ok(Some(look)) }
    }

    #[test]
    fn the_version_is_told_and_a_store_that_cannot_be_opened_is_an_error() {
        let older = judge(&facts(1, None));
        assert_eq!((older.status, older.details["schema"].as_u64()), (Status::Ok, Some(1)));
        assert!(older.message.contains("brought to 2"), "{}", older.message);
        assert!(judge(&facts(0, None)).message.contains("empty"));
        assert_eq!(judge(&Facts { look: Ok(None) }).status, Status::Ok);
        assert_eq!(judge(&Facts { look: Err("newer".into()) }).status, Status::Error);
    }

    #[test]
    fn a_database_far_away_is_warned_of() {
        assert_eq!(judge(&facts(2, Some(20))).status, Status::Ok);
        assert_eq!(judge(&facts(2, Some(21))).status, Status::Warning);
        assert_eq!((facts(2, Some(1)).ahead(), facts(2, None).ahead()), (Some(7), None));
        assert_eq!(facts(2, None).newest_message(), Some(Stamp(5)));
    }
}

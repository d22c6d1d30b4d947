//! Memory of a connected, silent, known device: what a worker keeps of it, with every map's slack.

use std::sync::Arc;
use std::time::Duration;

use homing::auth::Directory;
use homing::broker::{RetainedLevels, SharedSubscriptions};
use homing::metrics::Metrics;
use homing::model::{Identity, Moment, Stamp, Uid};
use homing::session::{Hello, LoginTime, Settings, Ticket};
use homing::shard::{Shard, Shared};
use homing::store::{Cursor, Opened, Written};

use crate::world::{live, v311};
use crate::{ALONE, Kept, kept};

/// Just after a map has doubled: it has the most slack then.
const CONNECTIONS: usize = 15_000;
/// Beside what its socket costs.
const CONNECTION_BYTES_MAX: isize = 800;

fn shard(settings: &Settings) -> Shard {
    let shared = Shared {
        subscriptions: SharedSubscriptions::default(),
        retained: RetainedLevels::default(),
        metrics: Arc::new(Metrics::default()),
        directory: Arc::new(Directory::everyone()),
        workers: 1,
    };
    Shard::new(0, Arc::new(shared), Arc::new(live(settings)), 7)
}

/// From its CONNECT on until its settle time is over.
fn comes_in(shard: &mut Shard, settings: &Settings, number: usize, now: u64) {
    let identity = Identity::user(Uid::parse(&format!("user{number}")).unwrap());
    let login = LoginTime { asked_at: Moment(now), wall: Stamp(0) };
    let hello = Hello::new(&v311("phone"), identity, login, settings, String::new).unwrap();
    let token = shard.connect(hello, "127.0.0.1:1".parse().unwrap());
    shard.effects().store.clear();
    let opened = Opened { inbox: Some(Cursor::default()), ..Opened::default() };
    let written = Written::Opened(Box::new(opened));
    shard.store_answer(token, Ticket::Open, Ok(written), None);
    shard.effects().flush.clear();
    let out = shard.take_out(token);
    shard.drained(token, out);
}

fn come_in(count: usize) -> Kept {
    let settings = Settings::default();
    let mut shard = shard(&settings);
    let mut now = 0;
    kept(|| {
        for number in 0..count {
            now += 1;
            shard.at(Moment(now), Stamp(0));
            comes_in(&mut shard, &settings, number, now);
        }
        shard.at(Moment(0).after(Duration::from_secs(60)), Stamp(0));
        shard.tick(true);
    })
}

#[test]
fn a_silent_device_takes_so_many_bytes_of_its_worker() {
    let _alone = ALONE.lock();
    let all = come_in(CONNECTIONS);
    let each = all.bytes() / CONNECTIONS as isize;
    println!("{each} bytes per silent device in {} pieces", all.count / CONNECTIONS as isize);
    assert!(each < CONNECTION_BYTES_MAX, "{each} bytes per silent device");
}

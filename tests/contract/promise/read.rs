//! Reading a log.

use homing::model::{Seq, Stamp};
use homing::store::Write;

use crate::rig::Rig;
use crate::say::*;

pub async fn a_read_is_bounded_in_count_and_bytes_but_gives_one(rig: Rig) {
    let sized = |n: u128| {
        let mut message = message(n);
        message.body = vec![b'x'; 1000].into();
        Write::Append(to(&[inbox("bob")], message))
    };
    rig.commit(&(0..10).map(sized).collect::<Vec<_>>()).await;
    let read = async |after, count, bytes| {
        let entries = rig.store.read(&inbox("bob"), Seq(after), count, bytes).await.unwrap();
        entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3, 1 << 20).await, [1, 2, 3]);
    assert_eq!(read(3, 100, 2500).await, [4, 5]);
    assert_eq!(read(3, 100, 3000).await, [4, 5, 6]);
    assert_eq!(read(8, 100, 1).await, [9]);
    assert_eq!(read(10, 100, 1 << 20).await, [0u64; 0]);
    assert_eq!(rig.seqs(&inbox("nobody")).await, [0u64; 0]);
}

pub async fn a_read_skips_what_was_removed(mut rig: Rig) {
    for n in 1..=5 {
        let mut message = message(n);
        message.expires_at = (n == 2 || n == 4).then_some(Stamp(T0.0 + 1000));
        rig.write(Write::Append(to(&[inbox("bob")], message))).await;
    }
    rig.wait(HOUR);
    assert_eq!(rig.seqs(&inbox("bob")).await, [1, 2, 3, 4, 5], "the reader drops and counts");
    rig.sweep(sweep()).await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [1, 3, 5]);
}

pub async fn the_newest_message_tells_its_time(mut rig: Rig) {
    assert_eq!(rig.store.newest().await.unwrap(), None);
    for (n, name) in [(1, "eve"), (2, "bob")] {
        let mut message = message(n);
        message.ts = Stamp(T0.0 + n as i64);
        rig.write(Write::Append(to(&[inbox(name)], message))).await;
    }
    rig.crash().await;
    assert_eq!(rig.store.newest().await.unwrap(), Some(Stamp(T0.0 + 2)));
}

//! What waits for its time: left, replaced, taken back, claimed, gone out once.

use std::sync::Arc;
use std::time::Duration;

use homing::model::{
    Attrs, ClientId, DedupeKey, Due, DueKey, DueName, Identity, MessageId, Role, SessionKey, Stamp,
};
use homing::store::{Append, Change, Claim, Log, Quota, Removal, Schedule, Write, Written};

use crate::rig::{Rig, appended};
use crate::say::*;

const MUCH: Quota = Quota { count_max: 1000, bytes_max: 1 << 20 };
const MINUTE: Duration = Duration::from_secs(60);

/// Left by ann, due in so many seconds.
fn due(secs: u64, name: Option<DueName>, number: u128) -> Due {
    let mut message = message(number);
    message.expires_at = Some(T0.after(HOUR));
    message.retain = number.is_multiple_of(3);
    let attrs = [("city".to_owned(), "Xi’an".to_owned()), ("n".to_owned(), String::new())];
    let who = Identity {
        client_id: message.from.client_id.clone(),
        roles: [Role::Service, Role::parse("vip").unwrap()].into(),
        attrs: Attrs::new(attrs).unwrap(),
        expires_at: number.is_multiple_of(2).then_some(Stamp(T0.0 + 7)),
        ..Identity::user(uid("ann"))
    };
    let at = T0.after(Duration::from_secs(secs));
    Due { at, name, message: Arc::new(message), who: Arc::new(who) }
}

fn named(text: &str) -> Option<DueName> {
    Some(DueName::Key(DueKey::parse(text).unwrap()))
}

fn will() -> Option<DueName> {
    Some(DueName::Will(ClientId::parse("laptop").unwrap()))
}

fn laptop() -> SessionKey {
    key("ann", "laptop")
}

fn put(due: Due) -> Write {
    put_within(due, MUCH)
}

fn put_within(due: Due, quota: Quota) -> Write {
    Write::Schedule(Schedule::only(Change::Put(Box::new(due), quota)))
}

fn cancel(text: &str) -> Write {
    let (uid, name, id) = (uid("ann"), named(text).unwrap(), MessageId(1 << 100));
    Write::Schedule(Schedule::only(Change::Cancel { uid, name, id }))
}

fn fire(number: u128) -> Write {
    Write::Append(Append { fires: true, ..to(&[inbox("bob")], message(number)) })
}

impl Rig {
    async fn claim(&self, count_max: usize, bytes_max: u64) -> Vec<Due> {
        let claim = Claim { until: self.now, count_max, bytes_max };
        match self.write(Write::Claim(claim)).await {
            Written::Claimed(due) => due,
            other => panic!("{other:?}"),
        }
    }

    async fn claim_all(&self) -> Vec<u128> {
        self.claim(100, u64::MAX).await.iter().map(|due| due.message.id.0).collect()
    }

    /// When the next one is due, in seconds; how many there are.
    async fn waiting(&self) -> (Option<i64>, u64) {
        let next = self.store.next_due().await.unwrap();
        (next.map(|at| (at.0 - T0.0) / 1000), self.store.due_count().await.unwrap())
    }
}

pub async fn what_waits_is_claimed_whole_when_it_is_due(mut rig: Rig) {
    let all = [due(60, None, 4), due(30, named("k"), 5), due(60, None, 3), due(61, will(), 6)];
    rig.commit(&all.clone().map(put)).await;
    rig.crash().await;
    assert_eq!(rig.waiting().await, (Some(30), 4));
    assert_eq!(rig.claim_all().await, [0; 0]);
    rig.wait(MINUTE);
    let [four, five, three, six] = all;
    assert_eq!(rig.claim(10, u64::MAX).await, [five, three, four]);
    assert_eq!(rig.waiting().await, (Some(61), 4));
    rig.wait(MINUTE);
    assert_eq!(rig.claim(10, u64::MAX).await, [six]);
    assert_eq!(rig.waiting().await, (None, 4));
}

pub async fn a_claim_is_bounded_in_count_and_bytes_but_gives_one(rig: Rig) {
    let batch: Vec<Write> = (1..=5).map(|n| put(due(0, None, n))).collect();
    rig.commit(&batch).await;
    assert_eq!(rig.claim(2, u64::MAX).await.len(), 2);
    assert_eq!(rig.claim(2, 1).await.len(), 1);
    assert_eq!(rig.claim(100, u64::MAX).await.len(), 2);
    assert_eq!(rig.claim(100, 0).await.len(), 0);
}

pub async fn what_has_a_name_is_replaced_and_taken_back(rig: Rig) {
    assert_eq!(rig.write(cancel("k")).await, Written::NothingWaits);
    let batch =
        [put(due(9, named("k"), 1)), put(due(5, named("k"), 2)), put(due(7, named("l"), 3))];
    assert_eq!(rig.commit(&batch).await.answers, [Written::Done, Written::Done, Written::Done]);
    assert_eq!(rig.waiting().await, (Some(5), 2));
    assert_eq!(rig.write(put(due(8, named("k"), 4))).await, Written::Done);
    assert_eq!(rig.waiting().await, (Some(7), 2));
    let answers = rig.commit(&[cancel("l"), cancel("l"), put(due(9, named("l"), 5))]).await.answers;
    assert_eq!(answers, [Written::Done, Written::NothingWaits, Written::Done]);
    assert_eq!(rig.waiting().await, (Some(8), 2));
}

pub async fn no_change_reaches_what_is_claimed(mut rig: Rig) {
    rig.write(put(due(0, named("k"), 1))).await;
    assert_eq!(rig.claim_all().await, [1]);
    assert_eq!(rig.write(put(due(9, named("k"), 2))).await, Written::OnItsWay);
    assert_eq!(rig.write(cancel("k")).await, Written::OnItsWay);
    assert_eq!(rig.waiting().await, (None, 1));
    rig.crash().await;
    // It waits again.
    assert_eq!(rig.write(put(due(9, named("k"), 2))).await, Written::Done);
    rig.wait(MINUTE);
    assert_eq!(rig.claim_all().await, [2]);
}

/// Threat D8.
pub async fn what_is_due_goes_out_once_whenever_the_process_dies(mut rig: Rig) {
    rig.commit(&[put(due(0, None, 1)), put(due(0, named("k"), 2))]).await;
    for _ in 0..2 {
        assert_eq!(rig.claim_all().await, [1, 2]);
        rig.crash().await;
    }
    assert_eq!(rig.claim_all().await, [1, 2]);
    assert_eq!(appended(&rig.write(fire(1)).await), [1]);
    rig.crash().await;
    assert_eq!(rig.write(fire(1)).await, Written::NothingWaits);
    assert_eq!(rig.claim_all().await, [2]);
    let answers = rig.commit(&[fire(2), fire(2), fire(3)]).await.answers;
    assert_eq!(appended(&answers[0]), [2]);
    assert_eq!(answers[1..], [Written::NothingWaits, Written::NothingWaits]);
    assert_eq!(rig.seqs(&inbox("bob")).await, [1, 2]);
    assert_eq!(rig.waiting().await, (None, 0));
    // Its name is free again.
    assert_eq!(rig.write(cancel("k")).await, Written::NothingWaits);
}

/// As after a commit of which nobody knows how it ended.
pub async fn what_is_claimed_waits_again_when_the_store_is_opened_again(rig: Rig) {
    rig.commit(&[put(due(0, None, 1)), put(due(0, named("k"), 2))]).await;
    for _ in 0..2 {
        assert_eq!(rig.claim_all().await, [1, 2]);
        rig.store.reopen().await.unwrap();
    }
    assert_eq!(rig.write(cancel("k")).await, Written::Done);
    assert_eq!(rig.claim_all().await, [1]);
}

pub async fn what_does_not_go_out_is_dropped(rig: Rig) {
    rig.commit(&[put(due(0, None, 1)), put(due(0, None, 3))]).await;
    assert_eq!(rig.claim_all().await, [1, 3]);
    assert_eq!(rig.write(Write::DropDue { id: MessageId(1) }).await, Written::Done);
    assert_eq!(rig.write(fire(1)).await, Written::NothingWaits);
    let none = Quota { count_max: 0, ..MUCH };
    let kept = Append { retain: Some(none), fires: true, ..to(&[inbox("bob")], message(3)) };
    assert_eq!(rig.write(Write::Append(kept)).await, Written::OverQuota);
    assert_eq!(rig.waiting().await, (None, 0));
    assert!(rig.seqs(&inbox("bob")).await.is_empty());
}

/// Threat M8.
pub async fn who_leaves_too_much_leaves_no_more_and_may_replace_and_take_back(rig: Rig) {
    let two = Quota { count_max: 2, ..MUCH };
    let put = |name: &str, number| put_within(due(9, named(name), number), two);
    let answers = rig.commit(&[put("a", 1), put("b", 2), put("c", 3)]).await.answers;
    assert_eq!(answers, [Written::Done, Written::Done, Written::OverQuota]);
    assert_eq!(rig.commit(&[put("b", 4), put("c", 5)]).await.answers[1], Written::OverQuota);
    let answers = rig.commit(&[cancel("a"), put("c", 6), put("d", 7)]).await.answers;
    assert_eq!(answers, [Written::Done, Written::Done, Written::OverQuota]);
    assert_eq!(rig.waiting().await.1, 2);
    let small = Quota { bytes_max: 10, ..MUCH };
    assert_eq!(rig.write(put_within(due(9, None, 8), small)).await, Written::OverQuota);
    // What went out counts no more.
    let now = put_within(due(0, named("b"), 9), two);
    rig.commit(&[now, Write::Claim(Claim { until: rig.now, count_max: 9, bytes_max: 999 })]).await;
    rig.commit(&[fire(9)]).await;
    assert_eq!(rig.write(put("e", 10)).await, Written::Done);
}

/// Threat M8.
pub async fn a_will_beyond_the_quota_is_due_at_once(rig: Rig) {
    let one = Quota { count_max: 1, ..MUCH };
    rig.commit(&[put_within(due(9, None, 1), one), put_within(due(9, will(), 2), one)]).await;
    assert_eq!(rig.claim_all().await, [2]);
}

pub async fn a_refused_change_does_nothing_else_and_a_duplicate_takes_its_step(rig: Rig) {
    let ann = laptop();
    let schedule = |change, packet_id| {
        let step = Some((laptop(), publish(packet_id, true)));
        Write::Schedule(Schedule { change, dedupe: Some(DedupeKey("d".into())), step })
    };
    let none = Quota { count_max: 0, ..MUCH };
    let put = |quota, number| Change::Put(Box::new(due(9, named("k"), number)), quota);
    assert_eq!(rig.write(schedule(put(none, 1), 5)).await, Written::OverQuota);
    assert!(rig.open(&ann, false, true).await.state.is_empty());
    assert_eq!(rig.write(schedule(put(MUCH, 2), 6)).await, Written::Done);
    let id = MessageId(2);
    assert_eq!(rig.write(schedule(put(MUCH, 3), 7)).await, Written::Duplicate { id });
    assert_eq!(rig.open(&ann, false, true).await.state.unreleased.len(), 2);
    assert_eq!(rig.waiting().await, (Some(9), 1));
    // The same key says that a message was sent, too.
    let again = Append { dedupe: Some(DedupeKey("d".into())), ..to(&[inbox("bob")], message(9)) };
    assert_eq!(rig.write(Write::Append(again)).await, Written::Duplicate { id });
}

/// MQTT 5, section 3.1.3.2.2.
pub async fn a_will_is_taken_back_when_its_session_goes_on_and_due_when_it_ends(mut rig: Rig) {
    let ann = laptop();
    let leave = async |rig: &Rig, number| {
        rig.open(&ann, false, true).await;
        rig.commit(&[put(due(99, will(), number)), end(&ann, HOUR)]).await;
        assert_eq!(rig.waiting().await, (Some(99), 1));
    };
    leave(&rig, 1).await;
    rig.crash().await;
    assert!(!rig.open(&ann, false, true).await.will_is_due);
    assert_eq!(rig.waiting().await, (None, 0));
    leave(&rig, 2).await;
    assert!(rig.open(&ann, true, true).await.will_is_due);
    assert_eq!(rig.claim_all().await, [2]);
    rig.commit(&[fire(2)]).await;
    leave(&rig, 3).await;
    rig.write(end(&ann, Duration::ZERO)).await;
    assert_eq!(rig.claim_all().await, [3]);
    rig.commit(&[fire(3)]).await;
    leave(&rig, 4).await;
    rig.write(Write::ForgetDevice { key: ann.clone() }).await;
    assert_eq!(rig.waiting().await, (None, 0));
    // In one batch, as when a connection is taken over.
    let batch = [put(due(99, will(), 5)), end(&ann, HOUR), open(&ann, true, true)];
    rig.commit(&batch).await;
    assert_eq!(rig.claim_all().await, [5]);
    // It is on its way: the next one waits beside it.
    rig.commit(&[put(due(99, will(), 6)), end(&ann, HOUR)]).await;
    assert_eq!(rig.waiting().await, (Some(99), 2));
    rig.commit(&[fire(5), advance(&ann, Log::Queue, 0, 0)]).await;
    assert_eq!(rig.waiting().await, (Some(99), 1));
}

/// Its session is over, and it has not gone out yet: what comes next of the device is another one.
pub async fn a_will_that_is_due_is_neither_replaced_nor_taken_back(rig: Rig) {
    let ann = laptop();
    let die = |number| [open(&ann, true, true), put(due(99, will(), number)), end(&ann, HOUR)];
    rig.commit(&die(1)).await;
    rig.commit(&die(2)).await;
    rig.commit(&[die(3), die(4)].concat()).await;
    assert_eq!(rig.waiting().await, (Some(0), 4));
    assert!(rig.open(&ann, false, true).await.session_present);
    assert_eq!(rig.waiting().await, (Some(0), 3));
    assert_eq!(rig.claim_all().await, [1, 2, 3]);
}

pub async fn a_forgotten_user_has_left_nothing_for_later(rig: Rig) {
    rig.commit(&[put(due(9, named("k"), 1)), put(due(9, None, 2))]).await;
    let batch = [
        put(due(9, named("k"), 3)),
        put(due(9, None, 4)),
        Write::ForgetInbox { uid: uid("ann") },
        cancel("k"),
        put(due(5, named("k"), 5)),
    ];
    let commit = rig.commit(&batch).await;
    assert_eq!(commit.answers[3], Written::NothingWaits);
    assert_eq!(commit.removed, [(Removal::Forgotten, 3)]);
    assert_eq!(rig.waiting().await, (Some(5), 1));
    rig.write(Write::ForgetInbox { uid: uid("bob") }).await;
    assert_eq!(rig.waiting().await, (Some(5), 1));
}

//! The publisher's own message id.

use homing::model::MessageId;
use homing::store::{Append, Write, Written};

use crate::rig::{Rig, appended};
use crate::say::*;

pub async fn a_known_key_stores_nothing_and_names_the_message(mut rig: Rig) {
    rig.write(append_key(inbox("bob"), 1, "order-1")).await;
    rig.crash().await;
    let again = rig.write(append_key(inbox("bob"), 2, "order-1")).await;
    assert_eq!(again, Written::Duplicate { id: MessageId(1) });
    assert_eq!(rig.seqs(&inbox("bob")).await, [1]);
}

pub async fn a_key_given_twice_in_one_batch_is_a_duplicate(rig: Rig) {
    let batch = [append_key(inbox("bob"), 1, "x"), append_key(inbox("bob"), 2, "x")];
    let commit = rig.commit(&batch).await;
    assert_eq!(commit.answers[1], Written::Duplicate { id: MessageId(1) });
    assert_eq!(rig.seqs(&inbox("bob")).await, [1]);
}

pub async fn a_key_belongs_to_its_uid(rig: Rig) {
    rig.write(append_key(inbox("bob"), 1, "x")).await;
    let Write::Append(append) = append_key(inbox("bob"), 2, "x") else { panic!() };
    let mut other = (*append.message).clone();
    other.from.uid = uid("carol");
    let write = Write::Append(Append { message: other.into(), ..append });
    assert_eq!(appended(&rig.write(write).await), [2]);
}

pub async fn a_key_is_forgotten_after_its_time(mut rig: Rig) {
    rig.write(append_key(inbox("bob"), 1, "x")).await;
    rig.wait(23 * HOUR);
    rig.sweep(sweep()).await;
    let again = rig.write(append_key(inbox("bob"), 2, "x")).await;
    assert_eq!(again, Written::Duplicate { id: MessageId(1) });
    rig.wait(HOUR);
    assert_eq!(appended(&rig.write(append_key(inbox("bob"), 3, "x")).await), [2]);
    rig.wait(24 * HOUR);
    rig.sweep(sweep()).await;
    assert_eq!(appended(&rig.write(append_key(inbox("bob"), 4, "x")).await), [3]);
}

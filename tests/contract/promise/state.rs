//! The sender's state: steps that share the fate of their message.

use homing::model::{SenderState, Seq, Step};
use homing::store::{Append, Write};

use crate::rig::Rig;
use crate::say::*;

fn step(packet_id: u16, hold: bool) -> Write {
    Write::Step { key: key("ann", "laptop"), step: publish(packet_id, hold) }
}

async fn state(rig: &Rig) -> SenderState {
    rig.open(&key("ann", "laptop"), false, true).await.state
}

pub async fn steps_of_a_batch_add_up_and_survive_a_crash(mut rig: Rig) {
    let ann = key("ann", "laptop");
    rig.open(&ann, false, true).await;
    let more = |step| Write::Step { key: ann.clone(), step };
    rig.commit(&[step(1, false), step(2, true), more(Step::Received { seq: Seq(9) })]).await;
    rig.commit(&[step(3, true), more(Step::Release { packet_id: 2 })]).await;
    rig.crash().await;
    let state = state(&rig).await;
    assert_eq!(state.ring.iter().map(|p| p.packet_id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(state.unreleased.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3]);
    assert_eq!(state.received, [Seq(9)]);
}

pub async fn a_step_shares_the_fate_of_its_message(rig: Rig) {
    let ann = key("ann", "laptop");
    rig.open(&ann, false, true).await;
    let with_step = Append { step: Some((ann, publish(5, true))), ..to(&[inbox("b")], message(1)) };
    rig.write(Write::Append(with_step)).await;
    assert_eq!(rig.seqs(&inbox("b")).await, [1]);
    assert_eq!(state(&rig).await.unreleased.len(), 1);
}

pub async fn a_duplicate_still_takes_its_step(rig: Rig) {
    let ann = key("ann", "laptop");
    rig.open(&ann, false, true).await;
    rig.write(append_key(inbox("bob"), 1, "x")).await;
    let Write::Append(append) = append_key(inbox("bob"), 2, "x") else { panic!() };
    rig.write(Write::Append(Append { step: Some((ann, publish(5, true))), ..append })).await;
    assert_eq!(state(&rig).await.unreleased.len(), 1);
}

pub async fn an_empty_state_is_not_kept(mut rig: Rig) {
    rig.open(&key("ann", "laptop"), false, true).await;
    rig.write(step(1, false)).await;
    rig.write(Write::Step { key: key("ann", "laptop"), step: Step::CleanEnd }).await;
    assert!(state(&rig).await.is_empty());
    rig.crash().await;
    assert!(state(&rig).await.is_empty());
}

pub async fn the_sweep_forgets_states_not_touched_for_long(mut rig: Rig) {
    let limits = homing::store::Sweep { device_ttl: 10 * DAY, ..sweep() };
    rig.open(&key("ann", "laptop"), false, true).await;
    rig.write(step(1, false)).await;
    rig.wait(9 * DAY);
    rig.sweep(limits.clone()).await;
    assert_eq!(state(&rig).await.ring.len(), 1);
    rig.wait(2 * DAY);
    rig.sweep(limits).await;
    assert!(state(&rig).await.is_empty());
}

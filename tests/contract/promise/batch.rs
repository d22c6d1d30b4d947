//! The batch as a whole, accounts, identity, names.

use homing::model::{Ban, BanReason, BanTarget, ClientId, Role, Seq, Stamp};
use homing::store::{Append, Log, Write};

use crate::rig::{Rig, appended};
use crate::say::*;

pub async fn a_failed_batch_leaves_nothing(mut rig: Rig) {
    rig.write(append(inbox("bob"), 1)).await;
    rig.poison().await;
    let (bob, account) = (key("bob", "phone"), uid("new"));
    let mut poison = message(3);
    poison.topic = crate::rig::POISON.into();
    let batch = [
        append_key(inbox("bob"), 2, "x"),
        Write::Step { key: bob.clone(), step: publish(1, true) },
        open(&bob, true, true),
        know(&bob),
        put_account(account.clone(), "hash"),
        Write::Append(to(&[inbox("eve")], poison)),
    ];
    assert!(rig.store.commit(&batch, rig.now).await.is_err());
    assert_eq!(rig.store.account(&account).await.unwrap(), None);
    assert_eq!(rig.store.devices(&bob.uid).await.unwrap(), []);
    let opened = rig.open(&bob, false, false).await;
    assert!(opened.state.is_empty() && opened.durable.is_none());
    assert_eq!(appended(&rig.write(append_key(inbox("bob"), 4, "x")).await), [2]);
    rig.crash().await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [1, 2]);
}

pub async fn an_empty_batch_is_nothing(rig: Rig) {
    let commit = rig.commit(&[]).await;
    assert!(commit.answers.is_empty() && commit.removed.is_empty());
}

pub async fn accounts_are_put_listed_and_deleted(mut rig: Rig) {
    let put = |name: &str, hash: &str| put_account(uid(name), hash);
    rig.commit(&[put("b", "1"), put("a", "2"), put("Ж", "3"), put("Z", "4"), put("b", "5")]).await;
    rig.write(Write::DeleteAccount { uid: uid("Z") }).await;
    rig.crash().await;
    let account = async |name: &str| rig.store.account(&uid(name)).await.unwrap();
    let b = account("b").await.unwrap();
    assert_eq!((b.password_hash.as_str(), &*b.roles), ("5", &[Role::Operator][..]));
    assert_eq!(account("Z").await, None);
    assert_eq!(account("B").await, None, "uid equality is exact bytes");
    let names = async |after: Option<&str>, count| {
        let after = after.map(uid);
        let uids = rig.store.accounts(after.as_ref(), count).await.unwrap();
        uids.iter().map(|(uid, _)| uid.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2).await, ["a", "b"]);
    assert_eq!(names(Some("b"), 2).await, ["Ж"]);
}

pub async fn bans_are_put_replaced_and_deleted_and_go_when_they_are_over(mut rig: Rig) {
    let ban = |target: &BanTarget, until: Stamp, reason: &str| Ban {
        target: target.clone(),
        made_at: T0,
        until,
        reason: BanReason::parse(reason).unwrap(),
    };
    let (bob, phone) = (uid("bob"), ClientId::parse("phone").unwrap());
    let user = BanTarget::User(bob.clone());
    let device = BanTarget::Device(bob, phone.clone());
    let client = BanTarget::Client(phone);
    let net = BanTarget::Net("10.0.0.0/8".parse().unwrap());
    let (soon, later) = (T0.after(DAY), T0.after(2 * DAY));
    let all = [
        ban(&user, later, "spam"),
        ban(&device, later, ""),
        ban(&client, later, "Ж"),
        ban(&net, soon, "flood"),
    ];
    rig.commit(&all.clone().map(Write::PutBan)).await;
    rig.write(Write::PutBan(ban(&user, later, "more spam"))).await;
    rig.write(Write::DeleteBan(client)).await;
    rig.crash().await;
    let sorted = |mut bans: Vec<Ban>| {
        bans.sort_by_key(|ban| ban.target.clone());
        bans
    };
    let left = sorted(rig.store.bans().await.unwrap());
    assert_eq!(left, [ban(&user, later, "more spam"), all[1].clone(), all[3].clone()]);
    rig.store.commit(&[Write::DeleteBan(device)], soon).await.unwrap();
    assert_eq!(rig.store.bans().await.unwrap(), [ban(&user, later, "more spam")]);
}

pub async fn the_identity_stays(mut rig: Rig) {
    let before = rig.store.identity();
    rig.crash().await;
    assert_eq!(rig.store.identity(), before);
    rig.store.reopen().await.unwrap();
    assert_eq!(rig.store.identity(), before);
    assert_eq!(appended(&rig.write(append(inbox("bob"), 1)).await), [1]);
}

pub async fn names_with_any_letters_come_back(mut rig: Rig) {
    let bob = key("b'o\"b%_\\", "ph/one '1' #+ \u{1F4F1}");
    let step = Some((bob.clone(), publish(1, false)));
    let queue = homing::model::Recipient::Session(bob.clone());
    let all = [homing::model::Recipient::Inbox(bob.uid.clone()), queue.clone()];
    rig.commit(&[open(&bob, true, true), know(&bob), subscribe(&bob, &["a'/+"])]).await;
    rig.write(Write::Append(Append { step, ..to(&all, message(1)) })).await;
    rig.write(advance(&bob, Log::Inbox, 1, 1)).await;
    rig.crash().await;
    let opened = rig.open(&bob, false, true).await;
    assert_eq!(opened.inbox.unwrap().cursor, Seq(1));
    assert_eq!(opened.state.ring.len(), 1);
    assert_eq!(opened.durable.unwrap().subscriptions, [subscription("a'/+", 1)]);
    assert_eq!(rig.seqs(&queue).await, [1]);
    assert!(rig.now > Stamp(0));
}

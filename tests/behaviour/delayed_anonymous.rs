//! What clients without a login leave for later: it goes out like that of users, and each of them
//! has names of its own.

use super::support::{Broker, Connect, V5, Will, prop};

const WILL_DELAY: u8 = 0x18;

/// They are in no directory of users, so nobody is missed there.
#[test]
fn it_goes_out_where_users_have_accounts() {
    let broker = Broker::with(&[
        ("HOMING__TOPICS__INBOX", "u/{uid}"),
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__AUTH__ANONYMOUS", "true"),
    ]);
    let mut bob = broker.device_v5("bob", "desk");
    bob.subscribe("news/#", 1);
    let will = Will { props: prop::u32(WILL_DELAY, 1), ..Will::new("news/will", "gone", 1) };
    let dying = Connect::anonymous(V5, "dying").prop(prop::session_expiry(60)).will(will);
    dying.open(broker.mqtt).cut();
    assert_eq!(bob.take_text(), "gone");
    let mut nobody = Connect::anonymous(V5, "sensor").open(broker.mqtt);
    nobody.publish_acked("$delayed/1/news/rust", "later", 1);
    assert_eq!(bob.take_text(), "later");
}

#[test]
fn one_of_them_does_not_reach_what_another_left_under_the_same_name() {
    let broker = Broker::ordinary();
    let mut bob = broker.device_v5("bob", "desk");
    bob.subscribe("news/#", 1);
    let mut one = Connect::anonymous(V5, "one").open(broker.mqtt);
    let mut two = Connect::anonymous(V5, "two").open(broker.mqtt);
    let props = [prop::user("delayed-key", "k"), prop::user("message-id", "1")].concat();
    one.publish_acked_with("$delayed/1/news/a", "of one", 1, &props);
    two.publish_acked_with("$delayed/1/news/a", "of two", 1, &props);
    let key = prop::user("delayed-key", "k");
    two.publish_acked_with("$delayed/1/news/a", "", 1, &key);
    one.publish_acked_with("news/a", "at once", 1, &prop::user("message-id", "2"));
    two.publish_acked_with("news/a", "at once too", 1, &prop::user("message-id", "2"));
    assert_eq!(bob.take_texts(3), ["at once", "at once too", "of one"]);
    bob.expect_marker_from(&mut one, "news/a");
}

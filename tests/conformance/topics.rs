//! Topic names and filters (MQTT 5, section 4.7).

use crate::packets::subscribe;
use crate::rig::{self, BOTH};
use crate::support::wire::{packet, properties, string};
use crate::support::{Broker, Client, V5, Version};

/// A PUBLISH at QoS 0 with any bytes as its topic.
fn publish(version: Version, topic: &[u8]) -> Vec<u8> {
    packet(0x30, &[string(topic), properties(version, &[]), b"x".to_vec()].concat())
}

/// The server closes; in MQTT 5 it says one of these codes.
fn closed(client: &mut Client, codes: &[u8]) {
    if client.version == V5 {
        let code = client.expect_disconnect();
        assert!(codes.contains(&code), "{code:#04x}");
    } else {
        assert_eq!(client.expect_closed(), []);
    }
}

/// A filter that breaks the rules ends its connection.
fn is_malformed(broker: &Broker, version: Version, filter: &str) {
    let mut client = rig::client(broker, version, "c");
    client.send_raw(&subscribe(version, 1, &[(filter, 1)]));
    closed(&mut client, &[0x81, 0x82, 0x8F]);
}

#[test]
fn wildcards_fill_whole_levels_and_the_multi_level_one_is_the_last() {
    let broker = rig::broker();
    for version in BOTH {
        for filter in ["a/#/b", "#/a", "a#", "a/b#", "##", "#+", "a+", "+a", "a/+b/c", "a/b+", "++"]
        {
            is_malformed(&broker, version, filter);
        }
        let mut client = rig::client(&broker, version, "c");
        for filter in ["#", "a/#", "/#", "+", "+/+", "/+", "+/", "a/+/b", "+/a/#", "a/+/#"] {
            assert_eq!(client.subscribe(filter, 1), 1, "{filter}");
        }
    }
}

/// A filter, topics that it matches, and topics that it does not.
const MATCHES: [(&str, &[&str], &[&str]); 13] = [
    ("s/t/p/#", &["s/t/p", "s/t/p/r", "s/t/p/s/w"], &["s/t", "s/t/pp", "S/t/p"]),
    ("#", &["s", "s/t", "/s", "s/"], &[]),
    ("s/t/+", &["s/t/a", "s/t/b", "s/t/"], &["s/t", "s/t/a/r"]),
    ("s/+", &["s/"], &["s", "s/a/b"]),
    ("+", &["s"], &["/s", "s/"]),
    ("+/+", &["/s", "s/", "s/t", "/"], &["s", "s/t/u"]),
    ("/+", &["/s", "/"], &["s", "s/t"]),
    ("+/t/#", &["s/t", "s/t/u", "/t"], &["t", "s/u"]),
    ("s/+/p", &["s/t/p", "s//p"], &["s/p", "s/t/u/p"]),
    // Nothing is normalized: case, empty levels, spaces, composed characters, U+FEFF.
    ("acc", &["acc"], &["ACC", "acc/", "/acc", " acc", "acc "]),
    ("a//b", &["a//b"], &["a/b", "a///b"]),
    ("caf\u{e9}", &["caf\u{e9}"], &["cafe\u{301}", "cafe"]),
    ("x\u{feff}y", &["x\u{feff}y"], &["xy"]),
];

#[test]
fn filters_match_as_the_standard_says_and_nothing_is_normalized() {
    let broker = rig::broker();
    for version in BOTH {
        let mut post = rig::client(&broker, version, "post");
        for (number, (filter, yes, no)) in MATCHES.into_iter().enumerate() {
            let mut client = rig::client(&broker, version, &format!("c{number}"));
            assert_eq!(client.subscribe(filter, 1), 1, "{filter}");
            for topic in no.iter().chain(yes) {
                post.publish_acked(topic, *topic, 1);
            }
            for topic in yes {
                let publish = client.take();
                assert_eq!((publish.topic.as_str(), publish.text()), (*topic, *topic), "{filter}");
            }
            client.expect_silence();
        }
    }
}

#[test]
fn a_filter_that_begins_with_a_wildcard_matches_no_topic_that_begins_with_a_dollar() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        for filter in ["#", "+/#", "+/x", "+/+/x"] {
            assert_eq!(client.subscribe(filter, 1), 1, "{filter}");
        }
        // The server may refuse them; it must not pass them on.
        let mut post = rig::client(&broker, version, "post");
        for topic in ["$x", "$mine/x", "$SYS/x", "$mine/y/x"] {
            post.send_raw(&publish(version, topic.as_bytes()));
        }
        post.ping();
        post.publish_acked("mine/x", "marker", 1);
        assert_eq!(client.take_text(), "marker");
    }
}

#[test]
fn an_empty_topic_or_filter_closes_the_connection() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        client.send_raw(&publish(version, b""));
        closed(&mut client, &[0x81, 0x82, 0x90]);
        is_malformed(&broker, version, "");
    }
}

/// Two bytes of length cannot say more.
#[test]
fn a_topic_and_a_filter_may_have_65535_bytes() {
    let broker = rig::broker();
    for version in BOTH {
        let longest = "ж".repeat(65_535 / 2) + "x";
        assert_eq!(longest.len(), 65_535);
        let mut client = rig::client(&broker, version, "c");
        assert_eq!(client.subscribe(&longest, 1), 1);
        client.publish_acked(&longest, "x", 1);
        assert_eq!(client.take().topic, longest);
    }
}

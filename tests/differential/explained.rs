//! Differences from mosquitto that are known, each with its reason. One that shows no more has to
//! go.

use std::collections::BTreeMap;

use crate::stage::{MESSAGE, WATCHER, matches, name};
use crate::step::{Bad, Step};

/// What one client heard in one step.
pub struct Difference<'a> {
    pub who: &'a str,
    pub step: &'a Step,
    /// All steps up to this one.
    pub story: &'a [Step],
    pub homing: Vec<String>,
    pub mosquitto: Vec<String>,
}

/// Whether this explains a difference, and why it is one.
pub type Explanation = (fn(&Difference<'_>) -> bool, &'static str);

pub const EXPLAINED: &[Explanation] = &[
    (
        mixed_options,
        "mosquitto goes on with Retain As Published and No Local of a replaced subscription, \
         and takes those of any where several match [MQTT-3.8.4-3]",
    ),
    (
        taken_over,
        "mosquitto tells a connection that is taken over nothing, or its own will; homing 0x8E \
         [MQTT-3.1.4-3]",
    ),
    (
        coarse_reason,
        "mosquitto says 0x81, 0x82 or nothing where homing names what is wrong (4.13.1)",
    ),
    (
        no_will,
        "mosquitto sends no will at a second CONNECT, nor when a session is taken over and kept; \
         it is due at every end without DISCONNECT 0 (3.1.2.5)",
    ),
    (server_packet, "mosquitto overlooks a PINGRESP from a client; only servers send it (3.13)"),
    (
        unknown_pubrel,
        "mosquitto completes a QoS 2 exchange that it does not know, homing says so (3.7.2.1)",
    ),
    (
        overlapping,
        "mosquitto sends a message once per matching subscription or with the QoS of any of them; \
         homing once, with the highest [MQTT-3.3.4-2], [MQTT-3.3.5-1 of 3.1.1]",
    ),
];

/// The same messages, of which other copies came: ours once and with the most.
fn overlapping(difference: &Difference<'_>) -> bool {
    let (ours, theirs) = (copies(&difference.homing), copies(&difference.mosquitto));
    let best = |copies: &Vec<(char, bool)>, retain_counts: bool| {
        let qos = copies.iter().map(|(qos, _)| *qos).max();
        (qos, retain_counts && copies.iter().any(|(_, retain)| *retain))
    };
    let is_better = |(words, ours): (&String, &Vec<(char, bool)>)| {
        // Of a subscription that was replaced theirs may have it: the explanation above.
        let retain_counts = !is_mixed(difference, message(words).0, RETAIN_AS_PUBLISHED);
        let ours_best = best(ours, retain_counts);
        let theirs_best = best(&theirs[words], retain_counts);
        let is_same = *ours == theirs[words];
        let is_other = ours.len() < theirs[words].len() || ours_best.0 > theirs_best.0;
        let is_due = ours_best.0 <= Some(qos_max(difference, words));
        ours.len() == 1 && (is_same || is_other && is_due && ours_best >= theirs_best)
    };
    ours.keys().eq(theirs.keys()) && ours.iter().all(is_better)
}

/// The highest QoS with which `PUBLISH topic 'text'` may come: the lower of that of the message and
/// of all that was ever asked for its topic.
fn qos_max(difference: &Difference<'_>, words: &str) -> char {
    let (topic, text) = message(words);
    let sent = difference.story.iter().filter_map(|step| match step {
        Step::Publish { qos, text: sent, topic: to, .. } if sent == text && *to == topic => {
            Some(*qos)
        }
        Step::Connect { will: Some((qos, will)), .. } if will == text => Some(*qos),
        _ => None,
    });
    let asked = asked(difference, topic).map(|options| options & 3);
    let asked = if difference.who == name(WATCHER) { Some(2) } else { asked.max() };
    char::from(b'0' + sent.max().min(asked).unwrap_or(0))
}

/// Topic and text of `PUBLISH topic 'text'`.
fn message(words: &str) -> (&str, &str) {
    let (topic, text) = words.trim_start_matches(MESSAGE).split_once(' ').unwrap_or_default();
    (topic, text.trim_matches('\''))
}

/// Whether this option stood in some of its subscriptions for the topic and not in others.
fn is_mixed(difference: &Difference<'_>, topic: &str, option: u8) -> bool {
    let has = |options: u8| options & option != 0;
    let (mut with, mut without) = (asked(difference, topic), asked(difference, topic));
    with.any(has) && without.any(|options| !has(options))
}

/// With which options this client has subscribed to filters that match the topic.
fn asked<'a>(difference: &'a Difference<'_>, topic: &'a str) -> impl Iterator<Item = u8> + 'a {
    difference.story.iter().filter_map(move |step| match step {
        Step::Subscribe { who, filter, options }
            if name(*who) == difference.who && matches(filter, topic) =>
        {
            Some(*options)
        }
        _ => None,
    })
}

/// What came, with QoS and RETAIN of each copy.
fn copies(all: &[String]) -> BTreeMap<String, Vec<(char, bool)>> {
    let mut found: BTreeMap<String, Vec<(char, bool)>> = BTreeMap::new();
    for words in all {
        let copy = words.rsplit_once(" q").filter(|_| words.starts_with(MESSAGE));
        let (name, rest) = copy.unwrap_or((words, "-"));
        let qos = rest.chars().next().unwrap_or('-');
        found.entry(name.to_owned()).or_default().push((qos, rest.ends_with(" retain")));
    }
    found
}

/// Options of MQTT 5 (3.8.3.1).
const NO_LOCAL: u8 = 4;
const RETAIN_AS_PUBLISHED: u8 = 8;

/// It depends on which of its subscriptions counts.
fn mixed_options(difference: &Difference<'_>) -> bool {
    let Step::Publish { who: sender, topic, .. } = difference.step else { return false };
    let mixed = |option: u8| is_mixed(difference, topic, option);
    let is_own = name(*sender) == difference.who && mixed(NO_LOCAL);
    let comparable = |all: &[String]| -> Vec<String> {
        let kept = all.iter().filter(|said| !(is_own && said.starts_with(MESSAGE)));
        let mut kept: Vec<String> = kept.cloned().collect();
        if mixed(RETAIN_AS_PUBLISHED) {
            kept = kept.iter().map(|said| said.replace(" retain", "")).collect();
            // One copy for each kind of subscription.
            kept.dedup();
        }
        kept
    };
    comparable(&difference.homing) == comparable(&difference.mosquitto)
}

fn without(all: &[String], drop: impl Fn(&&String) -> bool) -> Vec<String> {
    all.iter().filter(|said| !drop(said)).cloned().collect()
}

fn taken_over(difference: &Difference<'_>) -> bool {
    let old = |said: &&String| said.starts_with("the older one: ");
    // 3.1.1 has no word for it.
    let told = difference.homing.iter().filter(old);
    let told = told.clone().count() == 0 || told.eq(["the older one: DISCONNECT 0x8e"]);
    let rest = |all: &[String]| without(all, old);
    told && rest(&difference.homing) == rest(&difference.mosquitto)
}

fn coarse_reason(difference: &Difference<'_>) -> bool {
    let Step::Bad { .. } = difference.step else { return false };
    let is_disconnect = |said: &&String| said.starts_with("DISCONNECT");
    let reason = difference.mosquitto.iter().find(is_disconnect);
    let rest = |all: &[String]| without(all, is_disconnect);
    reason.is_none_or(|reason| ["DISCONNECT 0x81", "DISCONNECT 0x82"].contains(&&**reason))
        && difference.homing.iter().any(|said| is_disconnect(&said))
        && rest(&difference.homing) == rest(&difference.mosquitto)
}

fn no_will(difference: &Difference<'_>) -> bool {
    let loses_it = matches!(
        difference.step,
        Step::Connect { clean: false, .. } | Step::Bad { what: Bad::SecondConnect, .. }
    );
    let is_will = |said: &&String| said.starts_with("PUBLISH will ");
    // It may have subscribed to its own will, and is taken over by itself.
    let is_old = |said: &&String| said.starts_with("the older one: ");
    let rest = |all: &[String]| without(all, |said| is_will(said) || is_old(said));
    let (homing, mosquitto) = (rest(&difference.homing), rest(&difference.mosquitto));
    // What waited for a session that goes on may differ by itself.
    let rest = Difference { homing, mosquitto, ..*difference };
    loses_it
        && difference.homing.iter().any(|said| is_will(&said))
        && !difference.mosquitto.iter().any(|said| is_will(&said))
        && (rest.homing == rest.mosquitto || overlapping(&rest))
}

fn server_packet(difference: &Difference<'_>) -> bool {
    matches!(difference.step, Step::Bad { what: Bad::ServerPacket, .. })
        && difference.homing.last().is_some_and(|said| said == "closed")
        && difference.mosquitto.is_empty()
}

fn unknown_pubrel(difference: &Difference<'_>) -> bool {
    matches!(difference.step, Step::Bad { what: Bad::UnknownPubrel, .. })
        && difference.homing == ["PUBCOMP 0x92"]
        && difference.mosquitto == ["PUBCOMP 0x00"]
}

/// A QoS that nobody has asked for is explained by nothing.
#[test]
fn only_a_qos_that_is_due_is_explained() {
    let publish =
        Step::Publish { who: 1, topic: "a/b", qos: 2, retain: false, text: "no 1".into() };
    let heard = |qos: u8| vec![format!("{MESSAGE}a/b 'no 1' q{qos}")];
    for (options, explained) in [(1, false), (2, true)] {
        let subscribe = |filter, options| Step::Subscribe { who: 0, filter, options };
        let story = [subscribe("a/+", 0), subscribe("a/#", options), publish.clone()];
        let difference = Difference {
            who: "client 0",
            step: &publish,
            story: &story,
            homing: heard(2),
            mosquitto: heard(0),
        };
        assert_eq!(EXPLAINED.iter().any(|(explains, _)| explains(&difference)), explained);
    }
}

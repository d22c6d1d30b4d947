//! Random decisions of the policy against a naive model that expands every rule to texts and
//! compares level by level. HOMING_POLICY_ROUNDS sets how many (three decisions each),
//! HOMING_POLICY_SEED which.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use homing::broker::policy::{Access, Action, InboxAccess, Policy, RuleText};
use homing::model::target::Interest;
use homing::model::{Attrs, ClientId, Filter, Identity, Role, Selector, Target, TopicName, Uid};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const LEVELS: [&str; 7] = ["a", "b", "bob", "phone", "red", "", "oslo"];
const PATTERN: [&str; 10] =
    ["a", "b", "+", "{uid}", "{client_id}", "{role}", "{attr.site}", "x-{attr.site}", "", "oslo"];

fn pick<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

fn path(rng: &mut StdRng, of: &[&str], wild: bool) -> String {
    let count = rng.random_range(1..4);
    let mut levels: Vec<&str> = (0..count).map(|_| pick(rng, of)).collect();
    if wild && rng.random_bool(0.3) {
        levels.push("#");
    }
    if wild && rng.random_bool(0.2) {
        levels[0] = "+";
    }
    let text = levels.join("/");
    if text.is_empty() { "a".into() } else { text }
}

fn identity(rng: &mut StdRng) -> Identity {
    let mut who = Identity::user(Uid::parse(pick(rng, &["bob", "ann"])).unwrap());
    who.client_id = ClientId::parse(pick(rng, &["phone", "a/b", "+", "#", ""])).unwrap();
    let all = ["red", "blue", "operator", "receiver"];
    let count = rng.random_range(0..3);
    who.roles = (0..count).map(|_| Role::parse(pick(rng, &all)).unwrap()).collect();
    let site = pick(rng, &["oslo", "", "+", "a/b", "none"]);
    let given = (site != "none").then(|| ("site".to_owned(), site.to_owned()));
    who.attrs = Attrs::new(given).unwrap();
    who
}

fn rule(rng: &mut StdRng) -> RuleText {
    let verb = Some(pick(rng, &["publish", "subscribe", "all"]).to_owned());
    let (allow, deny) = if rng.random() { (verb, None) } else { (None, verb) };
    let topic = Some(path(rng, &PATTERN, true));
    let role = rng.random_bool(0.2).then(|| "red".to_owned());
    RuleText { allow, deny, topic, role, ..RuleText::default() }
}

/// The value of a placeholder, if it is one clean level.
fn value(name: &str, who: &Identity, role: Option<&Role>) -> Option<String> {
    let text = match name {
        "uid" => who.uid.to_string(),
        "client_id" => who.client_id.to_string(),
        "role" => role?.as_str().to_owned(),
        attr => who.attrs.get(attr.strip_prefix("attr.")?)?.to_owned(),
    };
    (!text.is_empty() && !text.contains(['/', '+', '#'])).then_some(text)
}

/// The rule's topic as a plain filter; a level without a value is `+` in one that denies, and ends
/// one that allows.
fn expand(topic: &str, who: &Identity, role: Option<&Role>, denies: bool) -> Option<String> {
    let level = |level: &str| match level.split_once('{') {
        None => Some(level.to_owned()),
        Some((before, name)) => match value(name.trim_end_matches('}'), who, role) {
            Some(value) => Some(format!("{before}{value}")),
            None => denies.then(|| "+".to_owned()),
        },
    };
    topic.split('/').map(level).collect::<Option<Vec<_>>>().map(|levels| levels.join("/"))
}

/// Everything that `asked` means is meant by `pattern`.
fn covers(pattern: &[&str], asked: &[&str]) -> bool {
    match (pattern, asked) {
        (["#"], _) | ([], []) => true,
        ([_, ..], []) | ([], [_, ..]) | (_, ["#", ..]) => false,
        ([p, pattern @ ..], [a, asked @ ..]) => (*p == "+" || p == a) && covers(pattern, asked),
    }
}

fn model(rules: &[RuleText], open: bool, who: &Identity, verb: &str, asked: &str) -> bool {
    let asked: Vec<&str> = asked.split('/').collect();
    let has = |role: &str| who.roles.iter().any(|own| own.as_str() == role);
    for rule in rules {
        let denies = rule.deny.is_some();
        let of = rule.allow.as_ref().or(rule.deny.as_ref()).unwrap();
        let roles: Vec<Option<&Role>> = match who.roles.is_empty() {
            true => vec![None],
            false => who.roles.iter().map(Some).collect(),
        };
        let texts = roles
            .iter()
            .filter_map(|role| expand(rule.topic.as_ref().unwrap(), who, *role, denies));
        let hit =
            texts.into_iter().any(|text| covers(&text.split('/').collect::<Vec<_>>(), &asked));
        if hit && (of == verb || of == "all") && rule.role.as_deref().is_none_or(has) {
            return !denies && !has("receiver");
        }
    }
    open && !has("receiver")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

/// Threats I1 and I2.
#[test]
fn random_decisions_are_those_of_the_model() {
    let (count, seed) = (number("HOMING_POLICY_ROUNDS", 350_000), number("HOMING_POLICY_SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut allowed = 0;
    for round in 0..count / 20 {
        let open = rng.random();
        let rules: Vec<RuleText> = (0..rng.random_range(0..5)).map(|_| rule(&mut rng)).collect();
        let plain = if open { Access::Allow } else { Access::Deny };
        let policy = Policy::new(plain, InboxAccess::Open, &rules).unwrap();
        for _ in 0..20 {
            let who = identity(&mut rng);
            let topic = path(&mut rng, &LEVELS, false);
            let filter = path(&mut rng, &[&LEVELS[..], &["+"]].concat(), true);
            let target = Target::Plain(TopicName::parse(&topic).unwrap());
            let interest = Interest::Plain(Selector::plain(Filter::parse(&filter).unwrap()));
            for (action, verb, asked) in [
                (Action::Publish(&target), "publish", &topic),
                (Action::Subscribe(&interest), "subscribe", &filter),
                (Action::Receive(&topic), "subscribe", &topic),
            ] {
                let expected = model(&rules, open, &who, verb, asked);
                let got = policy.may(&who, action).is_ok();
                assert_eq!(
                    got, expected,
                    "seed {seed} round {round}: {who:?} {action:?} {rules:#?}"
                );
                assert!(got || policy.withholds(&who) || verb != "subscribe" || asked == &filter);
                allowed += u64::from(got);
            }
        }
    }
    assert!(allowed > count / 2 && allowed < count * 5 / 2, "{allowed} of {}", count * 3);
}

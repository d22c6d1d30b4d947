//! When a token is valid, for whom, and what it says of its user.

use std::time::Duration;

use super::*;
use crate::model::Role;

fn read(rules: &ClaimRules, claims: &Value) -> Result<Identity, Wrong> {
    rules.identity(claims, Stamp(NOW * 1000))
}

fn with(more: Value) -> Result<Identity, Wrong> {
    read(&rules(), &alice_with(more))
}

fn refused_for(more: Value, claim: &str) {
    match with(more.clone()) {
        Err(Wrong::Claim(words)) if words.starts_with(claim) => {}
        other => panic!("{more}: {other:?}"),
    }
}

/// Threat I6.
#[test]
fn a_token_has_an_expiry_and_it_is_a_number() {
    for exp in
        [json!(null), json!((NOW + 60).to_string()), json!([NOW + 60]), json!({}), json!(true)]
    {
        refused_for(json!({ "exp": exp }), "exp");
    }
    assert!(with(json!({ "exp": NOW as f64 + 60.5 })).is_ok());
    assert!(with(json!({ "exp": 1e300 })).is_ok());
    for long_ago in [json!(0), json!(-1), json!(-1e300)] {
        assert_eq!(with(json!({ "exp": long_ago })), Err(Wrong::Expired));
    }
}

/// Threat I6.
#[test]
fn an_expired_token_is_refused_and_the_leeway_is_all_there_is() {
    let expires_at = |exp: i64| with(json!({ "exp": exp })).map(|i| i.expires_at.unwrap().0 / 1000);
    assert_eq!(expires_at(NOW + 1), Ok(NOW + 1));
    assert_eq!(expires_at(NOW), Ok(NOW + 30));
    assert_eq!(expires_at(NOW - 29), Ok(NOW + 1));
    assert_eq!(expires_at(NOW - 30), Err(Wrong::Expired));
    assert_eq!(AuthError::from(&Wrong::Expired), AuthError::Expired);
    let strict = ClaimRules { leeway: Duration::ZERO, ..rules() };
    let exp = |exp: i64| read(&strict, &alice_with(json!({ "exp": exp })));
    assert_eq!(exp(NOW), Err(Wrong::Expired));
    assert!(exp(NOW + 1).is_ok());
}

/// Threat I6.
#[test]
fn a_token_is_not_valid_before_its_time() {
    assert!(with(json!({ "nbf": NOW + 30 })).is_ok());
    assert_eq!(with(json!({ "nbf": NOW + 31 })), Err(Wrong::TooEarly));
    refused_for(json!({ "nbf": NOW.to_string() }), "nbf");
}

/// Threat I6.
#[test]
fn issuer_and_audience_are_those_that_are_configured() {
    let rules = ClaimRules {
        issuer: Some("https://id".into()),
        audience: Some("homing".into()),
        ..rules()
    };
    let good = [json!("homing"), json!(["shop", "homing"])];
    for aud in good {
        let claims = alice_with(json!({ "iss": "https://id", "aud": aud }));
        assert!(read(&rules, &claims).is_ok(), "{claims}");
    }
    for (iss, aud) in [
        (json!(null), json!("homing")),
        (json!("https://id/"), json!("homing")),
        (json!(["https://id"]), json!("homing")),
        (json!("https://id"), json!(null)),
        (json!("https://id"), json!("shop")),
        (json!("https://id"), json!([])),
        (json!("https://id"), json!({ "homing": 1 })),
    ] {
        let claims = alice_with(json!({ "iss": iss, "aud": aud }));
        assert!(matches!(read(&rules, &claims), Err(Wrong::Claim(_))), "{claims}");
    }
    // A token for somebody else is not ours because we did not say who we are.
    refused_for(json!({ "aud": "shop" }), "aud");
}

#[test]
fn the_uid_is_where_the_settings_say() {
    let uid = |claim: &str, claims: Value| {
        let rules = ClaimRules { uid: Claim::parse(claim), ..rules() };
        read(&rules, &alice_with(claims)).map(|identity| identity.uid.as_str().to_owned()).ok()
    };
    assert_eq!(uid("user", json!({ "user": "bob" })).as_deref(), Some("bob"));
    assert_eq!(uid("/user/id", json!({ "user": { "id": 42 } })).as_deref(), Some("42"));
    assert_eq!(uid("a/b", json!({ "a/b": "carol" })).as_deref(), Some("carol"));
    for wrong in
        [json!({}), json!({ "user": null }), json!({ "user": ["bob"] }), json!({ "user": "a/b" })]
    {
        assert_eq!(uid("user", wrong), None);
    }
}

#[test]
fn roles_and_attributes_come_from_claims() {
    let attribute = |name: &str, claim: &str| (name.to_owned(), Claim::parse(claim));
    let rules = ClaimRules {
        roles: Some(Claim::parse("/realm/roles")),
        attributes: vec![attribute("city", "/address/city"), attribute("vip", "vip")],
        ..rules()
    };
    let read = |claims: Value| read(&rules, &alice_with(claims)).unwrap();
    let one = read(json!({ "realm": { "roles": ["operator", "a/b", 7, "shop"] }, "vip": true,
                           "address": { "city": "Beijing" } }));
    assert_eq!(*one.roles, [Role::Operator, Role::Named("shop".into())]);
    assert_eq!((one.attrs.get("city"), one.attrs.get("vip")), (Some("Beijing"), Some("true")));
    let other = read(json!({ "realm": { "roles": "service shop" }, "vip": null, "address": [] }));
    assert_eq!(*other.roles, [Role::Service, Role::Named("shop".into())]);
    assert_eq!((other.attrs.get("city"), other.attrs.get("vip")), (None, None));
}

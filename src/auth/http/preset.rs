//! Interfaces of member APIs that are known; a key set by hand overrules the preset's.

use crate::config::{BodyType, HttpAuth, Preset};

/// What a preset says where the settings say nothing.
struct Defaults {
    method: &'static str,
    body: &'static str,
    body_type: BodyType,
    token_pointer: &'static str,
    accept_pointer: &'static str,
    accept_value: &'static str,
    uid_pointer: &'static str,
    roles_pointer: &'static str,
    expires_pointer: &'static str,
    attributes_pointer: &'static str,
}

const NONE: Defaults = Defaults {
    method: "GET",
    body: "",
    body_type: BodyType::Json,
    token_pointer: "",
    accept_pointer: "",
    accept_value: "",
    uid_pointer: "",
    roles_pointer: "",
    expires_pointer: "",
    attributes_pointer: "",
};

/// `{"allow":true,"uid":"ut001","roles":["vip"],"expires_at":1700000000,"attributes":{}}`; all
/// but `allow` may be missing.
const JSON: Defaults = Defaults {
    method: "POST",
    body: r#"{"uid":"{uid}","client_id":"{client_id}","token":"{token}","ip":"{ip}"}"#,
    accept_pointer: "/allow",
    accept_value: "true",
    uid_pointer: "/uid",
    roles_pointer: "/roles",
    expires_pointer: "/expires_at",
    attributes_pointer: "/attributes",
    ..NONE
};

/// `checktoken`: the password is the token that `qtlogin` gave, bare or as the clients of the
/// family wrap it for XMPP: `{"nauth":{"p":TOKEN,"mk":KEY,"u":UID}}`.
const STARTALK: Defaults = Defaults {
    method: "POST",
    body: r#"{"u":"{uid}","h":"{host}","t":"{token}"}"#,
    token_pointer: "/nauth/p",
    accept_pointer: "/ret",
    accept_value: "true",
    ..NONE
};

/// Installed push apps: client id = udid, user name = uid, password = session id; the status alone
/// is the answer.
const SESSION: Defaults = Defaults {
    method: "POST",
    body: "uid={uid}&udid={client_id}&sessionid={token}",
    body_type: BodyType::Form,
    ..NONE
};

fn of(preset: Preset) -> Defaults {
    match preset {
        Preset::Json => JSON,
        Preset::Startalk => STARTALK,
        Preset::Session => SESSION,
        Preset::None => NONE,
    }
}

/// The settings with nothing left to the preset.
pub fn resolve(settings: &HttpAuth) -> HttpAuth {
    let defaults = of(settings.preset);
    let mut all = settings.clone();
    for (key, default) in [
        (&mut all.method, defaults.method),
        (&mut all.body, defaults.body),
        (&mut all.token_pointer, defaults.token_pointer),
        (&mut all.accept_pointer, defaults.accept_pointer),
        (&mut all.accept_value, defaults.accept_value),
        (&mut all.uid_pointer, defaults.uid_pointer),
        (&mut all.roles_pointer, defaults.roles_pointer),
        (&mut all.expires_pointer, defaults.expires_pointer),
        (&mut all.attributes_pointer, defaults.attributes_pointer),
    ] {
        if key.is_empty() {
            *key = default.into();
        }
    }
    if all.body_type == BodyType::Preset {
        all.body_type = defaults.body_type;
    }
    if all.accept_status.is_empty() {
        all.accept_status = vec![200];
    }
    if all.method == "GET" {
        all.body.clear();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_by_hand_overrules_the_presets() {
        let settings = HttpAuth {
            preset: Preset::Startalk,
            accept_pointer: "/ok".into(),
            accept_status: vec![201],
            ..HttpAuth::default()
        };
        let resolved = resolve(&settings);
        assert_eq!(resolved.accept_pointer, "/ok");
        assert_eq!(resolved.accept_status, [201]);
        assert_eq!((resolved.method.as_str(), resolved.accept_value.as_str()), ("POST", "true"));
        assert_eq!(resolved.body, r#"{"u":"{uid}","h":"{host}","t":"{token}"}"#);
    }

    #[test]
    fn a_get_has_no_body() {
        let settings = HttpAuth { method: "GET".into(), ..HttpAuth::default() };
        assert_eq!(resolve(&settings).body, "");
    }
}

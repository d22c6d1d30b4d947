//! From the settings to what the parts take: at the start, and again at a reload.

use crate::auth::GuardLimits;
use crate::broker::Policy;
use crate::config::{Config, Limits};
use crate::model::InboxPattern;
use crate::net::{AdmissionLimits, FlappingLimits};
use crate::session::Settings;
use crate::shard::{Live, Pace, Rates};
use crate::store::{Quota, StoreLimits};

fn settings(config: &Config) -> Result<Settings, String> {
    let Config { topics, inbox, limits, advertise, .. } = config;
    let reference = &advertise.server_reference;
    let pattern = InboxPattern::parse(&topics.inbox)
        .ok_or_else(|| format!("topics.inbox: {:?} must end in {{uid}}", topics.inbox))?;
    Ok(Settings {
        topics: pattern,
        settle: inbox.settle.0,
        settle_max: inbox.settle_max.0,
        receive_maximum: limits.receive_maximum,
        send_maximum: limits.send_maximum,
        topic_alias_maximum: limits.topic_aliases,
        packet_bytes_max: u32::try_from(limits.packet.0).unwrap_or(u32::MAX),
        keep_alive_max: limits.keep_alive_max.0,
        session_expiry_max: limits.session_expiry_max.0,
        subscriptions_count_max: limits.subscriptions_per_session,
        server_reference: (!reference.is_empty()).then(|| reference.as_str().into()),
    })
}

pub(super) fn guard_limits(config: &Config) -> GuardLimits {
    let limits = &config.limits.wrong_passwords;
    let (per_login, per_address) = (limits.per_user, limits.per_ip);
    GuardLimits { per_login, per_address, window: limits.window.0 }
}

fn policy(config: &Config) -> Result<Policy, String> {
    let acl = &config.acl;
    Policy::new(acl.default, acl.inbox, &acl.rules).map_err(|error| error.to_string())
}

/// What a reload can change.
pub(super) fn live(config: &Config) -> Result<Live, String> {
    let limits = &config.limits;
    Ok(Live {
        anonymous: config.auth.anonymous,
        settings: settings(config)?,
        policy: policy(config)?,
        devices_max: limits.devices_per_user,
        connections_per_user_max: limits.connections_per_user,
        sessions_per_user_max: limits.sessions_per_user,
        subscriptions_per_user_max: limits.subscriptions_per_user,
        retain: Quota {
            count_max: config.limits.retained_per_user,
            bytes_max: config.limits.retained_bytes_per_user.0,
        },
        delayed: Quota {
            count_max: limits.delayed_per_user,
            bytes_max: limits.delayed_bytes_per_user.0,
        },
        rates: Rates {
            connection: Pace { count: limits.publish_rate.0, bytes: limits.publish_bytes_rate.0 },
            user: Pace {
                count: limits.user_publish_rate.0,
                bytes: limits.user_publish_bytes_rate.0,
            },
        },
        outbox_bytes_max: limits.outbox.0 as usize,
        outbox_wait: limits.outbox_wait.0,
        store_queue_bytes_max: limits.store_queue.0,
    })
}

/// Who may come in; a reload can change it, too.
pub(super) fn admission(limits: &Limits) -> AdmissionLimits {
    let flapping = &limits.flapping;
    AdmissionLimits {
        connections_max: super::files::connections_max(limits.connections),
        connections_per_ip_max: nonzero(limits.connections_per_ip),
        unauthenticated_max: limits.unauthenticated,
        connect_wait: limits.connect_wait.0,
        connect_rate: limits.connect_rate.0,
        connect_rate_per_ip: limits.connect_rate_per_ip.0,
        connect_queue_max: limits.connect_queue,
        flapping: FlappingLimits {
            window: flapping.window.0,
            per_client_max: nonzero(flapping.per_client),
            per_user_max: nonzero(flapping.per_user),
            per_ip_max: nonzero(flapping.per_ip),
            ban: flapping.ban.0,
        },
    }
}

/// In settings 0 is no limit.
fn nonzero<N: Default + PartialEq>(number: N) -> Option<N> {
    (number != N::default()).then_some(number)
}

/// What the store must know; also for a command that opens it.
pub fn store_limits(config: &Config) -> StoreLimits {
    StoreLimits {
        messages_max: config.inbox.messages_max,
        session_expiry_max: config.limits.session_expiry_max.0,
    }
}

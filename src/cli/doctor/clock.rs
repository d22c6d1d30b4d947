//! The wall clock against everything that has one: what the store already has, the database, the
//! member API. Whether the kernel's clock is kept by NTP cannot be asked without unsafe code.

use std::time::Duration;

use super::check::Check;
use crate::model::Stamp;

/// 2026-11-01: no clock that is right stands before the making of this program.
const EARLIEST: Stamp = Stamp(1_793_491_200_000);
/// Nodes that share a store may differ by this much.
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// By how many milliseconds clocks may differ before the order of messages shows it.
const DATABASE_MAX_MS: i64 = 1000;
/// The header `Date` has whole seconds, and was on its way for a while.
const MEMBER_API_MAX_MS: i64 = 5000;

pub struct Facts {
    pub now: Stamp,
    /// In the store.
    pub newest_message: Option<Stamp>,
    /// By how many milliseconds these clocks are before ours.
    pub database_ahead: Option<i64>,
    pub member_api_ahead: Option<i64>,
}

pub fn judge(facts: &Facts) -> Check {
    let name = "clock";
    let Facts { now, newest_message, .. } = facts;
    let next = "set the clock, and have NTP keep it: timedatectl, chronyc tracking";
    let check = match newest_message {
        _ if *now < EARLIEST => {
            Check::error(name, format!("it says {now}, before this program was made"), next)
        }
        Some(newest) if now.after(BEHIND_MAX) < *newest => Check::error(
            name,
            format!("it says {now}, but the store has a message of {newest}: times go backwards"),
            next,
        ),
        _ => judge_others(facts, next),
    };
    let details = [
        ("database_ahead_ms", facts.database_ahead),
        ("member_api_ahead_ms", facts.member_api_ahead),
    ];
    let with = |check: Check, (key, ahead): (&str, Option<i64>)| match ahead {
        Some(ahead) => check.with(key, ahead),
        None => check,
    };
    details.into_iter().fold(check.with("now", now.to_string()), with)
}

fn judge_others(facts: &Facts, next: &str) -> Check {
    let others = [
        ("the database", facts.database_ahead, DATABASE_MAX_MS),
        ("the member API", facts.member_api_ahead, MEMBER_API_MAX_MS),
    ];
    let wrong = |(whose, ahead, max): (&str, Option<i64>, i64)| {
        let ahead = ahead.filter(|ahead| ahead.abs() > max)?;
        let word = if ahead > 0 { "behind" } else { "ahead of" };
        Some(format!("it is {} ms {word} that of {whose}", ahead.abs()))
    };
    let words: Vec<String> = others.into_iter().filter_map(wrong).collect();
    match words.as_slice() {
        [] => Check::ok("clock", format!("{}", facts.now)),
        words => Check::warning("clock", words.join(", and "), next),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    const NOW: Stamp = Stamp(1_800_000_000_000);

    fn facts() -> Facts {
        Facts { now: NOW, newest_message: None, database_ahead: None, member_api_ahead: None }
    }

    #[test]
    fn a_clock_before_the_store_or_before_this_program_is_wrong() {
        assert_eq!(judge(&facts()).status, Status::Ok);
        let with = |newest| judge(&Facts { newest_message: Some(newest), ..facts() }).status;
        assert_eq!(with(NOW), Status::Ok);
        assert_eq!(with(NOW.after(BEHIND_MAX)), Status::Ok);
        assert_eq!(with(NOW.after(2 * BEHIND_MAX)), Status::Error);
        assert_eq!(judge(&Facts { now: Stamp(0), ..facts() }).status, Status::Error);
        assert_eq!(EARLIEST.to_string(), "2026-11-01T00:00:00.000Z");
    }

    #[test]
    fn clocks_that_differ_are_warned_of_with_the_direction() {
        let database = |ahead| judge(&Facts { database_ahead: Some(ahead), ..facts() });
        assert_eq!(database(-1000).status, Status::Ok);
        let behind = database(1500);
        assert_eq!(behind.status, Status::Warning);
        assert!(behind.message.contains("1500 ms behind that of the database"));
        assert!(database(-1500).message.contains("1500 ms ahead of that"));
        let api = |ahead| judge(&Facts { member_api_ahead: Some(ahead), ..facts() }).status;
        assert_eq!((api(5000), api(-5001)), (Status::Ok, Status::Warning));
    }
}

//! The limit of open files against `limits.connections`.

use super::check::Check;
use super::scene::Scene;
use crate::node::{FileLimit, connections_in, file_limit};

pub fn look(scene: &Scene) -> Check {
    let of_broker = scene
        .broker
        .pid()
        .and_then(|pid| parse(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?));
    let (whose, limit) = match of_broker {
        Some(limit) => ("the running broker", limit),
        None => ("this process", file_limit()),
    };
    judge(whose, limit, scene.config.limits.connections)
}

/// Of what Linux shows of a process.
fn parse(text: &str) -> Option<FileLimit> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_whitespace();
    let mut next = || match numbers.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(FileLimit { soft: next()?, hard: next()? })
}

fn judge(whose: &str, limit: FileLimit, wanted: usize) -> Check {
    let name = "file limit";
    let shown = |files: Option<u64>| files.map_or("unlimited".into(), |files| files.to_string());
    let hard = shown(limit.hard);
    let room = connections_in(limit.hard);
    let check = match room < wanted {
        true => Check::warning(
            name,
            format!(
                "{whose} may open {hard} files: {room} connections are served, \
                 limits.connections is {wanted}"
            ),
            "raise it (LimitNOFILE= with systemd, ulimit -Hn in a shell), or lower \
             limits.connections",
        ),
        false => Check::ok(
            name,
            format!("{whose} may open {hard} files, enough for {wanted} connections"),
        ),
    };
    check.with("soft", limit.soft).with("hard", limit.hard).with("connections", wanted)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn connections_have_to_fit_with_a_reserve() {
        let status = |hard| judge("x", FileLimit { soft: Some(1), hard }, 1000).status;
        assert_eq!(status(Some(1000)), Status::Warning);
        assert_eq!(status(Some(2024)), Status::Ok);
        assert_eq!(status(None), Status::Ok);
    }

    #[test]
    fn the_limits_of_another_process_are_read() {
        let text = "Limit             Soft Limit      Hard Limit      Units\n\
                    Max cpu time      unlimited       unlimited       seconds\n\
                    Max open files    1024            524288          files\n";
        let limit = FileLimit { soft: Some(1024), hard: Some(524_288) };
        assert_eq!(parse(text), Some(limit));
        let none = FileLimit { soft: Some(7), hard: None };
        assert_eq!(parse("Max open files   7   unlimited   files"), Some(none));
        assert_eq!(parse("Max open files   many"), None);
        assert_eq!(parse(""), None);
    }
}

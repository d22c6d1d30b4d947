//! What a check found, and how all of them are told.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// The broker serves, but something is to be seen to.
    Warning,
    /// The broker does not start, or does not do what it promises.
    Error,
    /// There was nothing to look at.
    Skipped,
}

/// One check: what was looked at, what was seen, and what to do if it is not right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub name: String,
    pub status: Status,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Figures, for machines.
    pub details: Map<String, Value>,
}

impl Check {
    pub fn ok(name: impl ToString, message: impl ToString) -> Check {
        Check::new(name, Status::Ok, message, None)
    }

    pub fn warning(name: impl ToString, message: impl ToString, next: impl ToString) -> Check {
        Check::new(name, Status::Warning, message, Some(next.to_string()))
    }

    pub fn error(name: impl ToString, message: impl ToString, next: impl ToString) -> Check {
        Check::new(name, Status::Error, message, Some(next.to_string()))
    }

    /// The message says why.
    pub fn skipped(name: impl ToString, message: impl ToString) -> Check {
        Check::new(name, Status::Skipped, message, None)
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Check {
        self.details.insert(key.into(), value.into());
        self
    }

    fn new(
        name: impl ToString,
        status: Status,
        message: impl ToString,
        next: Option<String>,
    ) -> Check {
        let (name, message) = (name.to_string(), message.to_string());
        Check { name, status, message, next, details: Map::new() }
    }
}

/// All checks of one run.
pub struct Report(pub Vec<Check>);

impl Report {
    /// True unless there is an error.
    pub fn is_ok(&self) -> bool {
        self.count(Status::Error) == 0
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|check| check.status == status).count()
    }

    pub fn json(&self) -> Value {
        json!({ "ok": self.is_ok(), "checks": self.0 })
    }

    /// One check a line, with what to do below it, and the sum.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for check in &self.0 {
            let status = word(check.status);
            writeln!(out, "{status:<8} {}: {}", check.name, lines(&check.message))?;
            if let Some(next) = &check.next {
                writeln!(out, "{:<8} -> {}", "", lines(next))?;
            }
        }
        let [ok, warnings, errors, skipped] =
            [Status::Ok, Status::Warning, Status::Error, Status::Skipped].map(|s| self.count(s));
        writeln!(out, "ok {ok}, warnings {warnings}, errors {errors}, skipped {skipped}")
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Error => "error",
        Status::Skipped => "skipped",
    }
}

/// Further lines are moved in; what a terminal would obey is shown instead.
fn lines(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => format!("\n{:<12}", ""),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// `chmod` for a path, as it can be copied into a shell.
pub fn chmod(rights: &str, path: &Path) -> String {
    format!("chmod {rights} {}", quoted(path))
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report(vec![
            Check::ok("store", "it is there").with("schema", 2),
            Check::warning("clock", "first\nsecond\u{1b}[2J", "set it"),
            Check::skipped("health", "no broker runs"),
        ])
    }

    #[test]
    fn one_line_a_check_with_the_next_step_below_and_the_sum() {
        let mut text = Vec::new();
        report().write(&mut text).unwrap();
        let wanted = "ok       store: it is there\n\
                      warning  clock: first\n            second\\u{1b}[2J\n         -> set it\n\
                      skipped  health: no broker runs\n\
                      ok 1, warnings 1, errors 0, skipped 1\n";
        assert_eq!(String::from_utf8(text).unwrap(), wanted);
    }

    #[test]
    fn json_has_what_is_documented() {
        let told = report().json();
        assert_eq!(told["ok"], true);
        let store = json!({ "name": "store", "status": "ok", "message": "it is there",
                            "details": { "schema": 2 } });
        assert_eq!(told["checks"][0], store);
        assert_eq!(
            (&told["checks"][1]["next"], &told["checks"][1]["status"]),
            (&json!("set it"), &json!("warning"))
        );
    }

    #[test]
    fn an_error_makes_it_not_ok() {
        let bad = Report(vec![Check::ok("a", "b"), Check::error("a", "b", "c")]);
        assert!(report().is_ok() && !bad.is_ok());
    }

    #[test]
    fn lines_to_copy_are_safe_in_a_shell() {
        assert_eq!(chmod("600", Path::new("/a/b.db")), "chmod 600 /a/b.db");
        assert_eq!(chmod("600", Path::new("/a b'c")), "chmod 600 '/a b'\\''c'");
    }
}

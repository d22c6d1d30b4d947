//! The house rules that a machine can check: who imports whom, sizes, headers, banned words. Each
//! rule is tried on a bad snippet too, so that a rule that sees nothing is noticed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tidy/reading.rs"]
mod reading;

use std::path::{Path, PathBuf};

use reading::{blank, find_word, functions, median, used_modules, without_tests};

/// Who may import whom; a module that is not named here may import nothing of ours. `docs/` tells
/// why. `*` is everything.
#[rustfmt::skip]
const IMPORTS: &[(&str, &[&str])] = &[
    // Pure: no socket, clock, randomness or runtime.
    ("model",   &[]),
    ("mqtt",    &[]),
    ("session", &["model", "mqtt"]),
    ("throttle", &["model"]),
    ("broker",  &["model"]),
    ("shard",   &["auth", "broker", "metrics", "model", "mqtt", "session", "store", "throttle"]),
    // Edges.
    ("clock",   &["model"]),
    // The rules of the policy are part of the settings, and are checked with them.
    ("config",  &["broker", "model"]),
    // Lines that repeat are counted by a clock; whoever writes them asks.
    ("log",     &["clock", "config", "model"]),
    ("metrics", &["model", "store"]),
    ("health",  &["clock", "model"]),
    ("store",   &["clock", "model"]),
    ("sys",     &["metrics", "model", "store"]),
    ("auth",    &["clock", "config", "log", "metrics", "model", "store", "throttle"]),
    ("cluster", &["clock", "model"]),
    ("control", &["auth", "clock", "health", "model", "store"]),
    ("net",     &["auth", "broker", "clock", "cluster", "config", "health", "log", "metrics", "model",
                  "mqtt", "session", "shard", "store", "sys", "throttle"]),
    // The doors (PROXY header, TLS) are the same for MQTT and HTTP.
    ("http",    &["auth", "broker", "clock", "health", "log", "metrics", "model", "net", "store",
                  "throttle"]),
    // Whole programs.
    ("node",    &["*"]),
    ("legacy",  &["*"]),
    ("cli",     &["*"]),
    ("main",    &["*"]),
    ("lib",     &["*"]),
];

const PURE: &[&str] = &["model", "mqtt", "session", "throttle", "broker", "shard"];

/// What pure code does not know.
const IMPURE: &[&str] = &[
    "tokio",
    "axum",
    "rusqlite",
    "sqlx",
    "rand",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
];

const FILE_LINES_MAX: usize = 600;
const FILE_LINES_MEDIAN_MAX: usize = 180;
const FUNCTION_LINES_MAX: usize = 70;
const FUNCTION_LINES_MEDIAN_MAX: usize = 8;
const WIDTH_MAX: usize = 100;

/// Words that are not left behind; written in two halves, so that this file is clean too.
const BANNED: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unbounded", "_channel"),
];

/// Where tasks and threads begin: how many places of the file do, and what bounds their number. No
/// message has a task of its own.
#[rustfmt::skip]
const SPAWNS: &[(&str, usize, &str)] = &[
    ("src/auth/http/mod.rs",   1, "as many calls as flights have room"),
    ("src/auth/jwt/beside.rs", 1, "READING_COUNT_MAX, one for a source of keys"),
    ("src/auth/jwt/ring.rs",   1, "one for a source of keys"),
    ("src/auth/password.rs",   1, "auth.hashes_at_once"),
    ("src/auth/redis/mod.rs",  1, "auth.redis.at_once"),
    ("src/control/desk.rs",    1, "one line of the audit log for each request"),
    ("src/control/server.rs",  1, "REQUESTS_COUNT_MAX"),
    ("src/http/mod.rs",        1, "CONNECTIONS_COUNT_MAX"),
    ("src/log/last.rs",        1, "one, at the end of the process"),
    ("src/net/errands.rs",     2, "for a session one read of each log, one question and one count at \
                                   a time"),
    ("src/net/flapper.rs",     1, "one for each ban"),
    ("src/net/kick.rs",        2, "one for each order and each question of an administrator"),
    ("src/net/listen.rs",      1, "one for each seat (limits.connections)"),
    ("src/net/watched.rs",     2, "one for each listener; and what others begin, each in its own line \
                                   here"),
    ("src/node/aside.rs",      1, "one at a time, of a reload"),
    ("src/node/build.rs",     12, "parts of the process"),
    ("src/node/mod.rs",        2, "the one that SIGHUP wakes, and the start"),
    ("src/store/commit/mod.rs", 1, "the writer's thread"),
    ("src/store/sqlite/look.rs", 1, "one for each look, of the doctor"),
    ("src/store/sqlite/mod.rs", 1, "one, at the start"),
    ("src/store/sqlite/readers.rs", 1, "READERS_COUNT_MAX"),
];

/// Findings that are accepted for a while: (file, rule). The list may only shrink.
const ALLOWED: &[(&str, &str)] = &[];

#[derive(Debug, PartialEq)]
struct Finding {
    file: String,
    line: usize,
    rule: &'static str,
    what: String,
}

/// One file, as it is and with comments, strings and unit tests blanked out.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = without_tests(&blank(text));
        Source { path: path.into(), text: text.into(), code }
    }

    /// The module path of a file in `src/`: `src/store/sqlite/mod.rs` is `[store, sqlite]`.
    fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<&str> = inner.split('/').collect();
        if parts.len() > 1 && parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts
    }

    fn finding(&self, at: usize, rule: &'static str, what: impl Into<String>) -> Finding {
        let line = self.code[..at.min(self.code.len())].matches('\n').count() + 1;
        Finding { file: self.path.clone(), line, rule, what: what.into() }
    }
}

// -- the rules ----------------------------------------------------------------------------------

fn imports(source: &Source) -> Vec<Finding> {
    let module = source.module();
    let allowed = IMPORTS.iter().find(|(name, _)| *name == module[0]).map(|(_, allowed)| *allowed);
    let wrong = |name: &&(usize, String)| {
        let free = allowed.is_some_and(|all| all.contains(&"*") || all.contains(&name.1.as_str()));
        name.1 != module[0] && !free
    };
    let used = used_modules(&source.code, module.len());
    let tell = |(at, name): &(usize, String)| {
        source.finding(*at, "imports", format!("{} imports {name}", module[0]))
    };
    used.iter().filter(wrong).map(tell).collect()
}

fn purity(source: &Source) -> Vec<Finding> {
    if !PURE.contains(&source.module()[0]) {
        return Vec::new();
    }
    let uses = |word: &&str| find_word(&source.code, word);
    IMPURE
        .iter()
        .filter_map(|word| Some((uses(word)?, word)))
        .map(|(at, word)| source.finding(at, "purity", format!("{word} in pure code")))
        .collect()
}

fn clock(source: &Source) -> Vec<Finding> {
    let now = ["Instant::now", "SystemTime::now"];
    let found = now.iter().filter_map(|word| find_word(&source.code, word));
    let ours = source.path.starts_with("src/") && source.path != "src/clock.rs";
    found
        .filter(|_| ours)
        .map(|at| source.finding(at, "clock", "only clock.rs asks for the time"))
        .collect()
}

fn header(source: &Source) -> Vec<Finding> {
    let good = source.text.starts_with("//! ");
    let finding = || source.finding(0, "header", "the first line is no `//! `");
    if good { Vec::new() } else { vec![finding()] }
}

fn file_size(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let finding = || source.finding(0, "file size", format!("{lines} lines"));
    if lines <= FILE_LINES_MAX { Vec::new() } else { vec![finding()] }
}

fn function_size(source: &Source) -> Vec<Finding> {
    let long = functions(&source.code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX);
    long.map(|f| source.finding(f.at, "function size", format!("{}: {} lines", f.name, f.lines)))
        .collect()
}

fn width(source: &Source) -> Vec<Finding> {
    let wide = |(_, line): &(usize, &str)| line.chars().count() > WIDTH_MAX;
    let tell = |(at, line): (usize, &str)| Finding {
        file: source.path.clone(),
        line: at + 1,
        rule: "width",
        what: format!("{} characters", line.chars().count()),
    };
    let skip = source.text.contains("#[rustfmt::skip]");
    source.text.lines().enumerate().filter(wide).filter(|_| !skip).map(tell).collect()
}

fn banned(source: &Source) -> Vec<Finding> {
    let tell = |(at, word): (usize, &&str)| {
        let line = source.text[..at].matches('\n').count() + 1;
        Finding { file: source.path.clone(), line, rule: "banned", what: (*word).into() }
    };
    let found = BANNED.iter().filter_map(|word| Some((find_word(&source.text, word)?, word)));
    found.map(tell).collect()
}

fn spawns(source: &Source) -> Vec<Finding> {
    let ours = source.path.starts_with("src/") && !source.path.contains("/tests");
    // The commands are clients, and end with their work.
    if !ours || source.path.starts_with("src/cli/") {
        return Vec::new();
    }
    let calls = [
        "spawn(",
        "spawn_local(",
        "spawn_blocking(",
        "spawn_on(",
        "spawn_apart(",
        "spawn_unless_over(",
    ];
    let begins = |at: usize| {
        let before = &source.code[..at];
        before.ends_with("::") || before.ends_with('.') || before.ends_with([' ', '('])
    };
    let of = |call: &&str| source.code.match_indices(*call).map(|(at, _)| at).collect::<Vec<_>>();
    let all: Vec<usize> = calls.iter().flat_map(of).filter(|at| begins(*at)).collect();
    let all = all.into_iter().filter(|at| !source.code[..*at].ends_with("fn ")).collect::<Vec<_>>();
    let known = SPAWNS.iter().find(|(file, ..)| *file == source.path).map_or(0, |(_, n, _)| *n);
    let finding = || {
        let what = format!("{} places begin tasks, {known} are in the table", all.len());
        source.finding(all.first().copied().unwrap_or_default(), "spawns", what)
    };
    if all.len() == known { Vec::new() } else { vec![finding()] }
}

/// Paths in backticks in the README that lead nowhere.
fn readme_map(readme: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let roots = ["src/", "tests/", "scripts/", "docs/", "bridge/", ".ci/"];
    let single = ["config.toml", "Cargo.toml", "LICENSE"];
    let quoted = readme.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let paths = quoted
        .filter(|word| roots.iter().any(|root| word.starts_with(root)) || single.contains(word));
    paths
        .filter(|path| !path.contains(['*', '{', '<']) && !exists(path))
        .map(str::to_owned)
        .collect()
}

// -- the project --------------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join(dir), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file");
        Source::new(path.strip_prefix(root()).expect("below the root").to_str().unwrap(), &text)
    };
    files.into_iter().map(read).collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{dir:?}: {error}"));
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn everything() -> Vec<Source> {
    ["src", "bridge/src", "tests"].into_iter().flat_map(rust_files).collect()
}

type Rule = fn(&Source) -> Vec<Finding>;

/// Rules for the program, and rules for all code.
const OF_THE_PROGRAM: &[Rule] = &[imports, purity, clock];
const OF_ALL_CODE: &[Rule] = &[header, file_size, function_size, width, banned];

fn findings() -> Vec<Finding> {
    let program = rust_files("src");
    let strict =
        program.iter().flat_map(|source| OF_THE_PROGRAM.iter().map(move |rule| rule(source)));
    let all = everything();
    let common = all.iter().flat_map(|source| OF_ALL_CODE.iter().map(move |rule| rule(source)));
    strict.chain(common).flatten().collect()
}

fn is_allowed(finding: &Finding) -> bool {
    ALLOWED.contains(&(finding.file.as_str(), finding.rule))
}

/// Threat M4. Beside this no channel without a bound: `unbounded` is a banned word.
#[test]
fn whatever_begins_a_task_is_in_the_table_with_its_bound() {
    let found: Vec<Finding> = rust_files("src").iter().flat_map(spawns).collect();
    assert!(found.is_empty(), "{found:#?}");
    // A panic in a task must be seen (threat N12).
    let unseen = |source: &Source| source.code.contains("spawn_local(");
    let unseen: Vec<String> =
        rust_files("src").into_iter().filter(unseen).map(|source| source.path).collect();
    assert_eq!(unseen, ["src/net/watched.rs"]);
    let gone = |(file, ..): &&(&str, usize, &str)| !root().join(file).exists();
    assert_eq!(SPAWNS.iter().filter(gone).count(), 0);
}

#[test]
fn the_code_keeps_the_house_rules() {
    let found: Vec<Finding> = findings().into_iter().filter(|found| !is_allowed(found)).collect();
    let tell = |f: &Finding| format!("{}:{}: {}: {}\n", f.file, f.line, f.rule, f.what);
    assert!(found.is_empty(), "\n{}", found.iter().map(tell).collect::<String>());
}

#[test]
fn the_list_of_what_is_allowed_only_shrinks() {
    let found = findings();
    let used = |(file, rule): &&(&str, &str)| {
        found.iter().any(|finding| finding.file == *file && finding.rule == *rule)
    };
    let unused: Vec<_> = ALLOWED.iter().filter(|entry| !used(entry)).collect();
    assert!(unused.is_empty(), "not needed any more: {unused:?}");
}

#[test]
fn files_and_functions_are_small_in_the_middle() {
    let program: Vec<Source> =
        rust_files("src").into_iter().chain(rust_files("bridge/src")).collect();
    let files = median(program.iter().map(|source| source.text.lines().count()).collect());
    assert!(files <= FILE_LINES_MEDIAN_MAX, "the median file has {files} lines");
    let all = program.iter().flat_map(|source| functions(&source.code));
    let functions = median(all.map(|function| function.lines).collect());
    assert!(functions <= FUNCTION_LINES_MEDIAN_MAX, "the median function has {functions} lines");
}

#[test]
fn the_readme_map_leads_somewhere() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("`src/"), "the README has a map of the source");
    let dead = readme_map(&readme, |path| root().join(path).exists());
    assert!(dead.is_empty(), "README.md names what is not there: {dead:?}");
}

// -- the rules see what is wrong ------------------------------------------------------------------

fn whats(rule: Rule, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text)).into_iter().map(|finding| finding.what).collect()
}

#[test]
fn a_wrong_import_is_seen_however_it_is_written() {
    let wrong = |path: &str, text: &str| whats(imports, path, text);
    assert_eq!(wrong("src/model/id.rs", "use crate::mqtt::Packet;"), ["model imports mqtt"]);
    let group = "use crate::{\n    model::{Uid, limit},\n    net::Conn,\n};";
    assert_eq!(wrong("src/session/ack.rs", group), ["session imports net"]);
    assert_eq!(wrong("src/mqtt/mod.rs", "fn f() -> crate::model::Uid {}"), ["mqtt imports model"]);
    assert_eq!(wrong("src/broker/mod.rs", "use super::store::Store;"), ["broker imports store"]);
    assert_eq!(
        wrong("src/broker/a.rs", "use super::super::store::Store;"),
        ["broker imports store"]
    );
    assert_eq!(wrong("src/news/mod.rs", "use crate::model::Uid;"), ["news imports model"]);
}

#[test]
fn a_right_import_is_left_alone() {
    let right = |path: &str, text: &str| assert_eq!(whats(imports, path, text), [""; 0], "{text}");
    right("src/session/ack.rs", "use crate::{model::Uid, mqtt::{self, Packet}};");
    right("src/session/ack.rs", "use super::super::model::Uid;\nuse super::Ctx;");
    right("src/model/id.rs", "use super::limit;\npub(crate) fn f() {}");
    right("src/model/id.rs", "// crate::net\nconst A: &str = \"crate::net\"; /* crate::net */");
    right("src/model/id.rs", "const A: &str = r#\"\" crate::net\"#; const B: char = '\"';");
    right("src/model/id.rs", "#[cfg(test)]\nmod tests {\n    use crate::net::Conn;\n}\n");
    right("src/node/mod.rs", "use crate::net::Conn;");
}

#[test]
fn impure_code_is_seen_in_pure_modules_only() {
    let text = "async fn f() { tokio::time::sleep(x).await }";
    assert_eq!(whats(purity, "src/session/ack.rs", text), ["tokio in pure code"]);
    assert_eq!(whats(purity, "src/net/conn.rs", text), [""; 0]);
    assert_eq!(whats(purity, "src/session/ack.rs", "// tokio\nlet operand::x = 1;"), [""; 0]);
}

#[test]
fn asking_the_time_is_seen_outside_of_the_clock() {
    let text = "fn f() { std::time::Instant::now(); }";
    assert_eq!(whats(clock, "src/net/conn.rs", text).len(), 1);
    assert_eq!(whats(clock, "src/clock.rs", text).len(), 0);
}

#[test]
fn a_task_that_is_in_no_table_is_seen() {
    for call in ["tokio::spawn(x)", "spawn_local(x)", "self.tasks.spawn(x)", "thread::spawn(f)"] {
        let text = format!("fn f() {{ {call}; }}");
        assert_eq!(whats(spawns, "src/broker/a.rs", &text).len(), 1, "{call}");
        assert_eq!(whats(spawns, "src/cli/a.rs", &text), [""; 0]);
    }
    assert_eq!(whats(spawns, "src/broker/a.rs", "fn spawn(x: u8) {} // spawn(x)"), [""; 0]);
}

#[test]
fn a_missing_header_is_seen() {
    assert_eq!(whats(header, "src/a.rs", "use x;\n//! late").len(), 1);
    assert_eq!(whats(header, "src/a.rs", "//! What it owns.\nuse x;").len(), 0);
}

#[test]
fn sizes_are_measured() {
    assert_eq!(whats(file_size, "src/a.rs", &"\n".repeat(601)), ["601 lines"]);
    assert_eq!(whats(file_size, "src/a.rs", &"\n".repeat(600)).len(), 0);
    let function =
        |lines: usize| format!("fn f(a: [u8; 3]) {{{}}}\nfn g() {{}}", "\n".repeat(lines - 1));
    assert_eq!(whats(function_size, "src/a.rs", &function(71)), ["f: 71 lines"]);
    assert_eq!(whats(function_size, "src/a.rs", &function(70)).len(), 0);
    let braces_in_literals = "fn f() {\n    let a = '{';\n    let b = \"}\";\n}\n";
    assert_eq!(functions(&blank(braces_in_literals))[0].lines, 4);
    let declared =
        "trait T {\n    fn a(&self);\n    fn b<'a>(&'a self) -> u8 {\n        1\n    }\n}";
    let lines: Vec<usize> = functions(&blank(declared)).iter().map(|f| f.lines).collect();
    assert_eq!(lines, [3]);
    let wide = format!("// {}", "x".repeat(98));
    assert_eq!(whats(width, "src/a.rs", &wide), ["101 characters"]);
}

#[test]
fn banned_words_are_seen() {
    for word in BANNED {
        assert_eq!(whats(banned, "src/a.rs", &format!("// {word} later")), [*word]);
    }
    assert_eq!(whats(banned, "src/a.rs", "let method = fixme_not;").len(), 0);
}

#[test]
fn dead_ends_of_the_map_are_seen() {
    let readme =
        "Run `scripts/test`. `src/mqtt/` is the codec, `src/gone.rs` is not, `homing dev`.";
    assert_eq!(readme_map(readme, |path| path != "src/gone.rs"), ["src/gone.rs"]);
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(vec![9, 1, 5]), 5);
    assert_eq!(median(Vec::new()), 0);
}

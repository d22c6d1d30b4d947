//! The house rules that a machine can check: who imports whom, sizes, headers, banned words. Each
//! rule is tried on a bad snippet too, so that a rule that sees nothing is noticed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

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
    ("auth",    &["clock", "config", "log", "metrics", "model", "store", "throttle"]),
    ("cluster", &["clock", "model"]),
    ("control", &["auth", "clock", "health", "model", "store"]),
    ("net",     &["auth", "broker", "clock", "cluster", "config", "health", "log", "metrics", "model",
                  "mqtt", "session", "shard", "store", "throttle"]),
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

// -- reading Rust, as far as the rules need it ---------------------------------------------------

/// The text with comments, strings and characters turned to spaces; newlines stay.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = at + literal_length(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        }
        while at < end {
            out.push(if chars[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    out
}

/// How many characters from `at` on are a comment or a literal; 0 if neither begins here.
fn literal_length(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let after_word = at > 0 && is_word(chars[at - 1]);
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !after_word => raw_string(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => 1 + raw_string(&rest[1..]),
        ['\'', '\\', ..] => quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `r"…"` or `r#"…"#`; 0 for a raw identifier.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let ends = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let end = (2 + hashes..rest.len()).find(ends);
    end.map_or(rest.len(), |end| end + 1 + hashes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanked code with its `#[cfg(test)] mod …` blocks blanked too.
fn without_tests(code: &str) -> String {
    let Some(start) = code.find("#[cfg(test)]\nmod ") else { return code.to_owned() };
    let end = body(code, start).map_or(code.len(), |(_, end)| end);
    let gone: String = code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
    format!("{}{gone}{}", &code[..start], without_tests(&code[end..]))
}

/// The next body in braces from `start` on, as its first and its last byte; `None` if a `;` outside
/// of parentheses comes first.
fn body(code: &str, start: usize) -> Option<(usize, usize)> {
    let (mut depth, mut open) = (0i32, None);
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 && open.is_none() => return None,
            '{' => {
                open.get_or_insert(start + at);
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return open.map(|open| (open, start + at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

struct Function {
    name: String,
    at: usize,
    lines: usize,
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
        let inside_word = code[..at].chars().next_back().is_some_and(is_word);
        if name.is_empty() || inside_word {
            continue;
        }
        if let Some((_, end)) = body(code, at) {
            found.push(Function { name, at, lines: code[at..end].matches('\n').count() + 1 });
        }
    }
    found
}

/// The position of `word` where it is a path or word of its own.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let alone = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    };
    text.match_indices(word).map(|(at, _)| at).find(alone)
}

/// Top-level modules that code `depth` modules deep names by `crate::` or by enough `super::`.
fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let root = ["super::".repeat(depth), "crate::".to_owned()];
    let mut used = Vec::new();
    for prefix in &root {
        for (at, _) in code.match_indices(prefix.as_str()) {
            // `x_crate::` is another word, a longer chain of `super::` leads elsewhere.
            let before = &code[..at];
            if before.ends_with("::") || before.chars().next_back().is_some_and(is_word) {
                continue;
            }
            let names = first_names(&code[at + prefix.len()..]);
            used.extend(names.into_iter().map(|name| (at, name)));
        }
    }
    used.retain(|(_, name)| !["super", "self", "crate"].contains(&name.as_str()));
    used
}

/// `a::b` names `a`; `{a::b, c::{d}}` names `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && depth == 0 && start == at + 1 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn median(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
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
